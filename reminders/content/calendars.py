"""Assignments as calendar events (iCalendar, RFC 5545): for the file that goes with a mail, and for calendars by address.

The form of an event never changes, so it is a fixed text here that is only filled in; what is unusual in a value is found by
one search. docs/calendars.md says what clients do with it, and why it holds what it holds.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from django.conf import settings

from assignments.direction import CONTROLS, without_controls
from notifications.addresses import mailbox
from notifications.channels.registry import takes_calendar_files
from notifications.message import Calendar, CalendarMethod
from notifications.settings_cache import kept_while_settings_stay
from reminders.ledger.records import Claim, Facts
from reminders.policy import recipients
from reminders.policy.record import record
from reminders.policy.rows import Row
from reminders.policy.ways import channel_name

MOST_OCTETS = 75  # of a line, without its end (RFC 5545 section 3.1)
MOST_OF_TITLE = MOST_OCTETS - len("SUMMARY:")
_HEAD = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Assignment reminders//Calendar//EN\r\n"
# How often programs ask again: RFC 7986 section 5.7, and what Outlook reads.
_EACH_HOUR = "REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\nX-PUBLISHED-TTL:PT1H\r\n"
_LINE_ENDS = re.compile("\r\n|[\r\n\u2028\u2029]")
_SPECIAL = re.compile(r"[\\;,\n]")


@record(kw_only=True)
class PublishedEvent:
    """An assignment as one person's calendar shows it, or that of everybody (`assignee_id` is None).

    `sequence` is how often what is shown has changed (`Assignment.visible_changes`). Without `end` it ends as it starts.
    """

    assignment_id: int
    assignee_id: int | None
    sequence: int
    title: str
    place: str
    start: datetime
    end: datetime | None = None
    cancelled: bool = False


def file_for(claim: Claim, entries: Sequence[tuple[Row, Facts]], *, now: datetime) -> Calendar | None:
    """The file that goes with a mail to an assignee about these rows; None for other recipients, where no mail has one, and
    for channels that do not take it.

    Whose work it is not any more reads what they were told of it, and nothing of the plan in force.
    """
    assignee_id = recipients.assignee_id_of(claim.row.recipient)
    if assignee_id is None or not _wanted() or not takes_calendar_files(channel_name(claim.row.channel)):
        return None
    if claim.announced is None or claim.announced.theirs:
        events = [
            PublishedEvent(
                assignment_id=row.assignment_id,
                assignee_id=assignee_id,
                sequence=facts.visible_changes,
                title=facts.title,
                place=facts.location,
                start=facts.start,
                end=facts.end,
            )
            for row, facts in entries
        ]
        return file_of(events, method=CalendarMethod.PUBLISH, now=now)
    told = (claim.plan.news.outdated if claim.plan.news else None) or claim.announced
    gone = PublishedEvent(
        assignment_id=claim.row.assignment_id,
        assignee_id=assignee_id,
        sequence=claim.facts.visible_changes,
        title=told.title if told.title is not None else claim.facts.title,
        place="",
        start=told.start,
        cancelled=True,
    )
    return file_of([gone], method=CalendarMethod.CANCEL, now=now)


def file_of(events: Iterable[PublishedEvent], *, method: CalendarMethod, now: datetime) -> Calendar:
    """A whole calendar with these events, of which there is one at least."""
    domain, tail = _fixed(int(now.timestamp()))
    written = "".join([event_text(event, domain=domain, tail=tail) for event in events])
    return Calendar(method=method, text=f"{_HEAD}METHOD:{method._value_}\r\n{written}END:VCALENDAR\r\n")


def feed_text(events: Iterable[tuple[PublishedEvent, datetime]], *, name: str) -> str:
    """A whole calendar of this name, which programs read again and again: events, each with the instant of its last change.

    Without a METHOD, DTSTAMP is that instant (RFC 5545 section 3.8.7.2), so what has not changed is the same text again. It
    names no ORGANIZER: nobody is invited to what they have subscribed to (section 3.8.4.3).
    """
    domain, _ = _fixed(0)
    written = "".join(
        [
            event_text(event, domain=domain, tail=f"DTSTAMP:{instant(changed)}\r\nEND:VEVENT\r\n")
            for event, changed in events
        ]
    )
    title = _text(" ".join(name.split()))
    named = "".join(f"{folded(f'{key}:{title}')}\r\n" for key in ("NAME", "X-WR-CALNAME"))
    return f"{_HEAD}{named}{_EACH_HOUR}{written}END:VCALENDAR\r\n"


def event_text(event: PublishedEvent, *, domain: str, tail: str) -> str:
    """The lines of one event. `domain` ends its UID; `tail` are the lines from DTSTAMP on."""
    whose = "" if event.assignee_id is None else f"-{event.assignee_id}"
    uid = f"UID:assignment-{event.assignment_id}{whose}@{domain}"
    title = event.title
    if not (plain := title.isascii() and title.isprintable()) or "  " in title:
        title = " ".join(title.split())
    if not plain or len(title) > MOST_OF_TITLE or _SPECIAL.search(title):
        title = folded(f"SUMMARY:{_text(title)}").removeprefix("SUMMARY:")
    return (
        f"BEGIN:VEVENT\r\n{uid if len(uid) <= MOST_OCTETS else folded(uid)}\r\n"
        f"{_times(event.start, event.end)}SEQUENCE:{event.sequence}\r\n"
        f"STATUS:{'CANCELLED' if event.cancelled else 'CONFIRMED'}\r\n"
        f"SUMMARY:{title}\r\n{_place(event.place)}{tail}"
    )


@lru_cache(maxsize=4096)
def _times(start: datetime, end: datetime | None) -> str:
    """In UTC, which every calendar shows in its reader's zone (RFC 5545 section 3.3.5, form 2)."""
    last = f"DTEND:{instant(end)}\r\n" if end is not None and end > start else ""
    return f"DTSTART:{instant(start)}\r\n{last}"


def instant(at: datetime) -> str:
    """In UTC (RFC 5545 section 3.3.5, form 2). Formatted field by field, which takes a third of the time of strftime."""
    utc = at.astimezone(UTC)
    return f"{utc.year:04}{utc.month:02}{utc.day:02}T{utc.hour:02}{utc.minute:02}{utc.second:02}Z"


@lru_cache(maxsize=4096)
def _place(place: str) -> str:
    return f"{folded(f'LOCATION:{_text(place)}')}\r\n" if place else ""


def _text(value: str) -> str:
    """A value of type TEXT (RFC 5545 section 3.3.11), without what nobody sees and what turns the text after it around."""
    if not (value.isascii() and value.isprintable()):
        value = without_controls(CONTROLS.sub("", _LINE_ENDS.sub("\n", value)))
    return _SPECIAL.sub(_written, value) if _SPECIAL.search(value) else value


def _written(found: re.Match[str]) -> str:
    return "\\n" if found[0] == "\n" else f"\\{found[0]}"


def folded(line: str) -> str:
    """The line, in pieces of 75 octets at most, none of which ends within a character (RFC 5545 section 3.1)."""
    if len(line) <= MOST_OCTETS and (line.isascii() or len(line.encode()) <= MOST_OCTETS):
        return line
    octets = line.encode("utf-8", "replace")
    pieces, start, room = [], 0, MOST_OCTETS
    while start < len(octets):
        end = start + room
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(octets[start:end].decode())
        start, room = end, MOST_OCTETS - 1  # the blank before each further piece
    return "\r\n ".join(pieces)


@kept_while_settings_stay(maxsize=16)
def _fixed(second: int) -> tuple[str, str]:
    """What all events of a second have in common: the sender's domain, and the last lines. DTSTAMP is when it was written;
    PUBLISH must name an ORGANIZER (RFC 5546 section 3.2.1).
    """
    name, address = mailbox(settings.DEFAULT_FROM_EMAIL) or ("", "")
    organizer = ""
    if address:
        # Within double quotes there is no way to write one (RFC 5545 section 3.2).
        known = without_controls(settings.ORGANISATION_NAME or name).replace('"', "'")
        shown = " ".join(known.split())
        parameter = f';CN="{shown}"' if shown else ""
        organizer = folded(f"ORGANIZER{parameter}:mailto:{quote(address, safe='@!$&*+-./=_~')}") + "\r\n"
    stamp = instant(datetime.fromtimestamp(second, UTC))
    return address.rpartition("@")[2] or "localhost", f"DTSTAMP:{stamp}\r\n{organizer}END:VEVENT\r\n"


@kept_while_settings_stay()
def _wanted() -> bool:
    """Reading the settings takes longer than most of what is done here."""
    return bool(settings.REMINDER_CALENDAR_FILES)
