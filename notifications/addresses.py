"""What counts as one e-mail address, and how it is written in an SMTP envelope."""

import re
from email.utils import getaddresses

LONGEST_ADDRESS = 254  # octets; RFC 5321 section 4.5.3.1.3, less the angle brackets
LONGEST_LOCAL_PART = 64  # octets; section 4.5.3.1.1

# RFC 5321 section 4.1.2 with RFC 6531 section 3.3: a dot-string, whose atoms may hold any printable character
# beyond ASCII, or a quoted string.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u00a1-\U0010ffff]+"
_LOCAL_PART = re.compile(rf'(?:{_ATOM}(?:\.{_ATOM})*|"(?:[ !#-\[\]-~]|\\[ -~])*")')
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:localhost|(?:{_LABEL}\.)+(?!\d+\Z){_LABEL})")


def envelope_address(text: str) -> str | None:
    """The address as it stands in an envelope, or None where `text` is not exactly one valid address.

    The domain comes back in lower case and, where it is international, in its ASCII form (punycode).
    The local part is never changed; it may hold characters beyond ASCII, which need a server with SMTPUTF8
    (RFC 6531). A domain is "localhost" or has a dot. Address literals such as user@[192.0.2.1] are refused.
    """
    local_part, at, domain = text.rpartition("@")
    if not at or not text.isprintable() or not _LOCAL_PART.fullmatch(local_part):
        return None
    try:
        domain = (domain if domain.isascii() else domain.encode("idna").decode("ascii")).lower()
    except UnicodeError:
        return None
    address = f"{local_part}@{domain}"
    if (
        len(domain) > 253
        or not _DOMAIN.fullmatch(domain)
        or len(local_part.encode()) > LONGEST_LOCAL_PART
        or len(address.encode()) > LONGEST_ADDRESS
    ):
        return None
    return address


def mailbox(text: str) -> tuple[str, str] | None:
    """(name, envelope address) of a line such as `Reminders <reminders@example.com>`, or None."""
    found = getaddresses([text]) if text.isprintable() else []
    address = envelope_address(found[0][1]) if len(found) == 1 else None
    return None if address is None else (found[0][0], address)


def masked(address: str) -> str:
    """An address that people recognize and nobody can use: a...@example.com, or the last two characters of another."""
    local_part, at, domain = address.rpartition("@")
    return f"{local_part[:1]}...@{domain}" if at else f"...{address[-2:]}"
