"""Reads the URL of an endpoint."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.utils.translation import gettext

MAX_URL = 2_000


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """The parts of an endpoint's URL."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """RFC 9110 section 7.2."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse(url: str, *, plain: bool = False) -> WebhookEndpoint:
    """Raises ValueError, whose text names what is accepted; `plain` accepts http:// too."""
    schemes = ("https", "http") if plain else ("https",)
    accepted = " or ".join(f"{scheme}://host/path" for scheme in schemes)
    if len(url) > MAX_URL:
        raise ValueError(gettext("no more than %(max_url)s characters are accepted") % {"max_url": MAX_URL})
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError(
            gettext("only printable ASCII without blanks is accepted; write the rest percent-encoded")
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(
            gettext("an address like %(accepted)s is needed") % {"accepted": accepted}
        ) from error
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise ValueError(gettext("an address like %(accepted)s is needed") % {"accepted": accepted})
    if "@" in parts.netloc:
        raise ValueError(
            gettext("user and password are not accepted in the address: the signature names the sender")
        )
    if "#" in url:
        raise ValueError(gettext("a fragment (#...) is never sent: leave it out"))
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookEndpoint(tls, parts.hostname, port or (443 if tls else 80), path)
