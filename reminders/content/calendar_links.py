"""The address at which a calendar program reads the work of a person or a team: signed, and good until it is renewed or
revoked. Whoever holds it reads that work, so it is kept out of logs.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import partial

from django.conf import settings

from assignments.models import Assignee, Team
from reminders.content.signing import is_signed

PATH = "/c/"
SALT = b"reminders.content.calendar_links"
_TOKEN = re.compile(r"([pt])([0-9]{1,18})-([0-9]{1,9})-([0-9a-f]{32})")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarLink:
    """Whose calendar: that of a team or of a person, by its id. `number` is which of its addresses, one after the other."""

    of_team: bool
    owner_id: int
    number: int


def path_of(owner: Assignee | Team) -> str:
    """The path of the address in force; '' where it is revoked."""
    if owner.calendar_revoked_at is not None:
        return ""
    names = f"{'t' if isinstance(owner, Team) else 'p'}{owner.pk}-{owner.calendar_number}"
    return f"{PATH}{names}-{_signature(names, settings.SECRET_KEY)}.ics"


def url_of(owner: Assignee | Team) -> str:
    """The whole address; '' where it is revoked, or PUBLIC_URL does not say where this site is."""
    path = path_of(owner)
    return f"{settings.PUBLIC_URL}{path}" if path and settings.PUBLIC_URL else ""


def link_from(token: str) -> CalendarLink | None:
    """What a token of ours names; None for any other text."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    names = f"{found[1]}{found[2]}-{found[3]}"
    if not is_signed(found[4], sign=partial(_signature, names)):
        return None
    return CalendarLink(of_team=found[1] == "t", owner_id=int(found[2]), number=int(found[3]))


def _signature(names: str, secret: str) -> str:
    key = hashlib.sha256(SALT + secret.encode()).digest()
    return hashlib.blake2b(names.encode(), key=key, digest_size=16).hexdigest()
