"""Variable envelope return paths (VERP): each message has an envelope sender of its own, so that a bounce names it.

`bounces@example.org` becomes `bounces+<token>@example.org`, a subaddress (RFC 5233). The same token is in a header, which
most bounces return.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from notifications.addresses import MAX_LOCAL_PART, InvalidAddress, parse

HEADER = "X-Reminder-Token"
SEPARATOR = "+"
TOKEN = r"[a-z0-9](?:[a-z0-9-]{0,34}[a-z0-9])?"  # noqa: S105  the form, not a token
LONGEST_TOKEN = 36
LONGEST_LOCAL_PART = MAX_LOCAL_PART - LONGEST_TOKEN - len(SEPARATOR)
"""Of BOUNCE_ADDRESS, in octets."""

_HEADER = re.compile(rf"^[> \t]*{HEADER}:\s*({TOKEN})(?![A-Za-z0-9-])".encode(), re.IGNORECASE | re.MULTILINE)


def checked_address(text: str) -> str:
    """BOUNCE_ADDRESS as `return_path` takes it. Raises InvalidAddress with what is accepted."""
    form = f"one address like bounces@example.org, with at most {LONGEST_LOCAL_PART} characters before the @-sign, is needed"
    try:
        address = parse(text)
    except InvalidAddress as error:
        raise InvalidAddress(form) from error
    local_part, _, _ = address.rpartition("@")
    if (
        not address.isascii()
        or len(local_part) > LONGEST_LOCAL_PART
        or SEPARATOR in local_part
        or '"' in local_part
    ):
        raise InvalidAddress(form)
    return address


def return_path(address: str, token: str) -> str:
    """The envelope sender of the message with this token. `address` is BOUNCE_ADDRESS as `addresses.parse` returns it."""
    local_part, _, domain = address.rpartition("@")
    return f"{local_part}{SEPARATOR}{token}@{domain}"


def tokens_in(text: bytes, address: str) -> Iterator[str]:
    """What stands where `return_path` writes the token, wherever the address is in the text."""
    for found in _address(address).finditer(text):
        yield found[1].decode().lower()


def header_tokens_in(text: bytes) -> Iterator[str]:
    """What stands in the header, in a returned message as well as in one that is quoted."""
    for found in _HEADER.finditer(text):
        yield found[1].decode().lower()


@lru_cache(maxsize=4)
def _address(address: str) -> re.Pattern[bytes]:
    """Some servers change the case; some write something before it (BATV: `prvs=...=`)."""
    local_part, _, domain = address.rpartition("@")
    before, after = r"(?<![A-Za-z0-9._+-])", r"(?![A-Za-z0-9-]|\.[A-Za-z0-9])"
    form = rf"{before}{re.escape(local_part + SEPARATOR)}({TOKEN})@{re.escape(domain)}{after}"
    return re.compile(form.encode(), re.IGNORECASE)
