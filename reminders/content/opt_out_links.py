"""The address at which a person stops the reminders of a rule, and gets them again: signed, and in their mails alone.

It opens for good: who has kept an old mail may still use it (RFC 8058 sets no end).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from django.conf import settings

from notifications.settings_cache import kept_while_settings_stay
from reminders.content.signing import is_signed
from reminders.policy.rules import DEFAULT, base_of

PATH = "/u/"
SALT = b"reminders.content.opt_out_links"
_TOKEN = re.compile(r"([0-9]{1,18})-([0-9]{1,18})-([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class OptOutLink:
    """Who, and of which rule: `default` or `rule:<id>`."""

    person_id: int
    rule: str


def url_of(person_id: int, rule: str) -> str:
    """The whole address; '' where PUBLIC_URL does not say where this site is, or nobody may opt out."""
    site, keyed = _own()
    if not site:
        return ""
    names = f"{person_id}-{_number_of(rule)}"
    signature = keyed.copy()
    signature.update(names.encode())
    return f"{site}{names}-{signature.hexdigest()}"


def headers_of(url: str) -> Mapping[str, str]:
    """The header lines with which a mail program offers to unsubscribe, by one click where the address is secure."""
    if not url:
        return {}
    lines = {"List-Unsubscribe": f"<{url}>"}
    return {**lines, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if url[:6] == "https:" else lines


def link_from(token: str) -> OptOutLink | None:
    """What a token of ours names; None for any other text."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    names = f"{found[1]}-{found[2]}"
    if not is_signed(found[3], sign=partial(_signature, names)):
        return None
    return OptOutLink(int(found[1]), DEFAULT if found[2] == "0" else f"rule:{found[2]}")


@lru_cache(maxsize=256)
def _number_of(rule: str) -> str:
    """0 for the built-in rule, else the id of the rule."""
    base = base_of(rule)
    return "0" if base == DEFAULT else base.rpartition(":")[2]


def _signature(names: str, secret: str) -> str:
    signature = _keyed(secret)
    signature.update(names.encode())
    return str(signature.hexdigest())


def _keyed(secret: str) -> Any:
    """What signs with this key: a keyed hash (RFC 7693), which takes a third of the time of an HMAC for each mail."""
    return hashlib.blake2b(key=hashlib.sha256(SALT + secret.encode()).digest(), digest_size=16)


@kept_while_settings_stay()
def _own() -> tuple[str, Any]:
    """How each address begins, and what signs it: reading the settings for each mail takes longer than signing."""
    offered = settings.PUBLIC_URL and settings.REMINDERS.opt_out
    return f"{settings.PUBLIC_URL}{PATH}" if offered else "", _keyed(settings.SECRET_KEY)
