"""The gateway that takes SMS, as SMS_URL names it."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from django.conf import settings

FORM = "twilio://ACCOUNT:TOKEN@HOST?from=+4930123456"
SCHEMES = {"twilio": True, "twilio+http": False}
"""Whether the connection is encrypted."""
ALLOWED = "allowed"
"""`plain=allowed` accepts a gateway without TLS that is not on this machine."""

_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{2,64}")
_TOKEN = re.compile(r"[!-~]{1,128}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""ITU-T E.164: a plus and at most 15 digits."""
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_SENDER_ID = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +&_-]{1,11}")
_SERVICE = re.compile(r"MG[0-9A-Za-z]{2,62}")


class NotAGateway(ValueError):
    """The text is not the address of a gateway. It says which form is needed, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where messages are posted, in whose name, and who is shown as their sender: `sender` or a messaging `service`."""

    tls: bool
    host: str
    port: int
    path: str
    account: str
    token: str = field(repr=False)
    sender: str = ""
    service: str = ""
    plain_allowed: bool = False

    @property
    def host_header(self) -> str:
        """RFC 9110 section 7.2."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def messages_path(self) -> str:
        """The resource to which a message is posted."""
        return f"{self.path}/2010-04-01/Accounts/{self.account}/Messages.json"

    @property
    def takes_replies(self) -> bool:
        """Whether the sender is a number: to a name such as "ACME" nobody can reply."""
        return not self.sender or _SENDER_ID.fullmatch(self.sender) is None

    @property
    def is_on_this_machine(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


@lru_cache(maxsize=8)
def parse(text: str) -> Gateway:
    """The gateway of an address such as FORM. Raises NotAGateway."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise NotAGateway(f"an address like {FORM}") from error
    if parts.scheme not in SCHEMES or port == 0 or parts.fragment:
        raise NotAGateway(f"an address like {FORM}, or twilio+http://... without TLS,")
    host, account, token = parts.hostname or "", unquote(parts.username or ""), unquote(parts.password or "")
    if not _HOST.fullmatch(host):
        raise NotAGateway("the name of a host after the @-sign")
    if not _ACCOUNT.fullmatch(account):
        raise NotAGateway("the account's id before the colon, such as AC and 32 hexadecimal digits,")
    if not _TOKEN.fullmatch(token):
        raise NotAGateway("the account's token after the colon, percent-encoded where it holds one of :/?#@,")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path):
        raise NotAGateway("no path but the one before /2010-04-01, if the gateway has one,")
    options = _options(parts.query)
    sender, service = options.get("from", ""), options.get("service", "")
    if bool(sender) == bool(service):
        raise NotAGateway("either from=SENDER or service=MG...")
    if sender and not any(form.fullmatch(sender) for form in (NUMBER, _SHORT_CODE, _SENDER_ID)):
        raise NotAGateway(
            "from=+4930123456 (E.164), a short code, or a name of at most 11 letters, digits and blanks"
        )
    if service and not _SERVICE.fullmatch(service):
        raise NotAGateway("service=MG..., the id of a messaging service,")
    tls = SCHEMES[parts.scheme]
    return Gateway(
        tls=tls,
        host=host,
        port=port or (443 if tls else 80),
        path=path,
        account=account,
        token=token,
        sender=sender,
        service=service,
        plain_allowed=options.get("plain") == ALLOWED,
    )


def _options(query: str) -> dict[str, str]:
    # Not as a form would be read: a plus is a plus here, so that a number can be written as it is.
    pairs = [part.partition("=") for part in query.split("&") if part]
    options = {name: unquote(value) for name, _, value in pairs}
    unknown = sorted(options.keys() - {"from", "service", "plain"})
    if unknown or len(options) < len(pairs):
        raise NotAGateway("each of from=, service= and plain= once, and no other option")
    if options.get("plain", ALLOWED) != ALLOWED:
        raise NotAGateway(f"plain={ALLOWED}, or no such option")
    return options


def current() -> Gateway | None:
    """The gateway of SMS_URL; None where there is none."""
    return parse(settings.SMS_URL) if settings.SMS_URL else None
