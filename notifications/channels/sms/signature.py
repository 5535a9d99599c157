"""X-Twilio-Signature: who posts here knows the account's token.

As documented in Twilio's "Webhooks security": the base64 of the HMAC-SHA1, under the account's token, of the whole URL
followed by the name and value of each POST parameter, sorted by name. Of a parameter that comes more than once each
different value counts once, in order, as Twilio's own libraries do it. Whether the URL holds the port differs between
releases of the service, so it is compared with and without, as those libraries do.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

HEADER = "X-Twilio-Signature"
Parameters = Mapping[str, Sequence[str]]


def signature(token: str, url: str, parameters: Parameters) -> str:
    """The signature of one request, as the header holds it."""
    signed = url + "".join(
        name + value for name in sorted(parameters) for value in sorted(set(parameters[name]))
    )
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), hashlib.sha1)).decode()


def is_genuine(given: str, *, token: str, url: str, parameters: Parameters) -> bool:
    """Whether `given` signs these parameters, posted to this URL. The time it takes tells nothing of the token."""
    try:
        octets = given.encode("ascii")
        expected = [signature(token, form, parameters).encode() for form in _forms(url)]
    except UnicodeEncodeError:
        return False
    matches = [hmac.compare_digest(octets, one) for one in expected]
    return True in matches


def _forms(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    for netloc in dict.fromkeys((parts.netloc, host, f"{host}:{port}")):
        yield parts._replace(netloc=netloc).geturl()
