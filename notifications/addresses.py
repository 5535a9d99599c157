"""What counts as one e-mail address that can be written to, and how it is written in an SMTP envelope."""

import re
from email.utils import getaddresses

import email_validator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

MAX_ADDRESS = 254  # octets; RFC 5321 section 4.5.3.1.3, less the angle brackets
MAX_LOCAL_PART = 64  # octets; section 4.5.3.1.1

# Names without a meaning in the public DNS that a mail server of one's own may well serve.
for _domain in ("local", "localhost", "test"):
    if _domain in email_validator.SPECIAL_USE_DOMAIN_NAMES:
        email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(_domain)

# What nearly every address looks like, and what email-validator returns unchanged: checked without it, because it
# takes as long as a twentieth of a send. Lower case, no quotes, no hyphens side by side (as in "xn--").
_PLAIN_LOCAL_PART = r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*"
_PLAIN_LABEL = r"(?=[a-z0-9-]{1,63}\.)[a-z0-9]+(?:-[a-z0-9]+)*"
_PLAIN = re.compile(
    rf"(?=[^@]{{1,{MAX_LOCAL_PART}}}@){_PLAIN_LOCAL_PART}@(?:{_PLAIN_LABEL}\.)+(?!arpa|invalid|onion)[a-z]{{2,63}}"
)


class InvalidAddress(ValueError):
    """Not one address that can be written to. The text names the reason."""


def parse(text: str) -> str:
    """The address as it is written in an envelope. Raises InvalidAddress where `text` is not exactly one valid address.

    The domain comes back in lower case and, where it is international, in its ASCII form by IDNA 2008 (RFC 5891).
    The local part keeps its case, save for names such as "postmaster" (RFC 2142); it may hold characters beyond ASCII, in
    normal form C (RFC 6532 section 3.1), which need a server with SMTPUTF8 (RFC 6531). A domain is "localhost" or has a
    dot. Address literals such as user@[192.0.2.1] are refused. No name server is asked.
    """
    if len(text) > MAX_ADDRESS:
        raise InvalidAddress(gettext("It is too long."))
    if _PLAIN.fullmatch(text):
        return text
    if not text.isprintable():
        raise InvalidAddress(gettext("It contains invisible characters."))
    try:
        found = email_validator.validate_email(
            text, check_deliverability=False, allow_quoted_local=True, globally_deliverable=False
        )
    except email_validator.EmailNotValidError as error:
        raise InvalidAddress(str(error)) from error
    domain = found.ascii_domain
    if domain != "localhost" and ("." not in domain or domain.rpartition(".")[2].isdigit()):
        raise InvalidAddress(gettext("The part after the @-sign is not the name of a domain."))
    address = f"{found.local_part}@{domain}"
    if len(found.local_part.encode()) > MAX_LOCAL_PART or len(address.encode()) > MAX_ADDRESS:
        raise InvalidAddress(gettext("It is too long."))
    return address


def envelope_address(text: str) -> str | None:
    """The address as `parse` returns it, or None."""
    try:
        return parse(text)
    except InvalidAddress:
        return None


def validate_email_address(text: str) -> None:
    """A Django validator: accepts what can be written to (see `parse`)."""
    try:
        parse(text)
    except InvalidAddress as error:
        raise ValidationError(
            gettext("That is not an e-mail address: %(reason)s"), params={"reason": error}
        ) from error


def stored_email_address(text: str) -> str:
    """An address as it is stored: as it was given, without "mailto:", the domain in lower case. Raises ValidationError."""
    if text[:7].lower() == "mailto:":
        text = text[7:]
    validate_email_address(text)
    local_part, _, domain = text.rpartition("@")
    return f"{local_part}@{domain.lower()}"


def mailbox(text: str) -> tuple[str, str] | None:
    """(name, envelope address) of a line such as `Reminders <reminders@example.com>`, or None."""
    found = getaddresses([text]) if text.isprintable() else []
    address = envelope_address(found[0][1]) if len(found) == 1 else None
    return None if address is None else (found[0][0], address)


def masked(address: str) -> str:
    """An address that people recognize and nobody can use: a...@example.com, or the last two characters of another."""
    local_part, at, domain = address.rpartition("@")
    return f"{local_part[:1]}...@{domain}" if at else f"...{address[-2:]}"
