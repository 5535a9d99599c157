"""References of what one event of a calendar makes: an assignment for each of its dates and people."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

LONGEST = 200
LONGEST_WITH_ENDING = LONGEST - len("/20260615T130000Z/0123456789")
ENDING = re.compile(r"(?:/(\d{8}T\d{6}Z|\d{8}))?(?:/([0-9a-f]{10}))?", re.ASCII)


def event_key(uid: str) -> str:
    """The UID as it is stored with every assignment of the event; one that is too long is shortened to a hash."""
    return uid if len(uid) <= LONGEST else _short(uid)


def reference(uid: str, *, original: datetime | date | None = None, person: str = "") -> str:
    """The reference of one assignment: the UID, the original start of a date of a series, and a person of several.

    A person is named by a hash, so that no address gets into references.
    """
    if original is None and not person:
        return event_key(uid)
    base = uid if len(uid) <= LONGEST_WITH_ENDING else _short(uid)
    date_part = "" if original is None else f"/{_stamp(original)}"
    return f"{base}{date_part}{'/' + person if person else ''}"


def person_hash(key: str) -> str:
    """The part of a reference that names a person (`calendar_people.person_key`); '' for nobody."""
    return hashlib.sha256(key.encode()).hexdigest()[:10] if key else ""


def ending(event: str, found: str) -> tuple[datetime | None, str] | None:
    """Original start and person's hash of a reference of this event, both empty where it has none.

    None where the reference is not one of the event's.
    """
    base = event if found.startswith(event) else _short(event)
    match = ENDING.fullmatch(found, len(base)) if found.startswith(base) else None
    if match is None:
        return None
    return _instant(match[1]), match[2] or ""


def is_date_of(whole: str, found: str) -> bool:
    """Whether a reference is that of this date, or of one of its people."""
    return found == whole or found.startswith(f"{whole}/")


def person_of(assignee: Mapping[str, Any] | None) -> str:
    """The hash of the person to whom a row assigns the work."""
    return person_hash(str((assignee or {}).get("email") or (assignee or {}).get("name") or "").casefold())


def _short(uid: str) -> str:
    return f"{uid[:120]}~{hashlib.sha256(uid.encode()).hexdigest()[:24]}"


def _stamp(original: datetime | date) -> str:
    if isinstance(original, datetime):
        return original.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return original.strftime("%Y%m%d")


def _instant(stamp: str | None) -> datetime | None:
    if stamp is None:
        return None
    form = "%Y%m%dT%H%M%SZ" if "T" in stamp else "%Y%m%d"
    try:
        return datetime.strptime(stamp, form).replace(tzinfo=UTC)
    except ValueError:
        return None
