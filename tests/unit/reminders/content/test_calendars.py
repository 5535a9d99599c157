"""Calendar files: every line is one that calendars read, whatever a title holds, and a parser reads back what was meant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.message import CalendarMethod
from reminders.content import calendars, compose
from reminders.content.calendars import PublishedEvent
from reminders.ledger.records import Claim, Digest, Facts
from reminders.models import Kind, State
from reminders.policy.announcements import Announcement
from reminders.policy.rows import News, Plan, Row
from tests.sample_rows import sample_row

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
START = NOON + timedelta(minutes=30)
FACTS = Facts(
    title="Pump",
    kind="Repair",
    location="Yard",
    notes="The code of the door is 4711.",
    reference="A-17",
    start=START,
    end=START + timedelta(hours=2),
    assignee_name="Ana",
    assignee_email="ana@example.test",
    assignee_phone="",
    assignee_zone="Europe/Berlin",
    assignee_language="en",
    visible_changes=4,
)
EVENT = PublishedEvent(assignment_id=7, assignee_id=3, sequence=4, title="Pump", place="Yard", start=START)


@pytest.fixture(autouse=True)
def sender(settings):
    settings.DEFAULT_FROM_EMAIL = "Assignment reminders <reminders@example.com>"
    settings.ORGANISATION_NAME = ""


def claim_of(row: Row, *, announced: Announcement | None = None, news: News | None = None) -> Claim:
    plan = Plan(version=1, status="SCHEDULED", scheduled_start=START, recipient="assignee:3", news=news)
    return Claim(row=row, plan=plan, facts=FACTS, number=1, begun_at=NOON, announced=announced)


REMINDER = claim_of(sample_row(due_at=NOON, state=State.SENDING))


def composed(claim: Claim):
    contact = compose.assignee_contact(claim.facts)
    return compose.compose(claim, contact=contact, address="ana@example.test", now=NOON).calendar


def strict_lines(text: str) -> list[str]:
    """The unfolded lines, of a text that has the form of RFC 5545 section 3.1 and nothing that a reader may stumble over."""
    assert text.endswith("\r\n")
    lines = text[:-2].split("\r\n")
    assert all(len(line.encode()) <= 75 for line in lines)
    assert not any(character in line for line in lines for character in "\r\n\x00\x0b\x0c\x85\u2028\u2029")
    return text[:-2].replace("\r\n ", "").split("\r\n")


def read(text: str) -> icalendar.Event:
    strict_lines(text)
    (event,) = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert isinstance(event, icalendar.Event)
    assert event.errors == []
    return event


def test_a_reminder_carries_the_work_as_one_published_event():
    calendar = composed(REMINDER)
    assert calendar is not None
    assert strict_lines(calendar.text) == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Assignment reminders//Calendar//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        "UID:assignment-7-3@example.com",
        "DTSTART:20260615T123000Z",
        "DTEND:20260615T143000Z",
        "SEQUENCE:4",
        "STATUS:CONFIRMED",
        "SUMMARY:Pump",
        "LOCATION:Yard",
        "DTSTAMP:20260615T120000Z",
        'ORGANIZER;CN="Assignment reminders":mailto:reminders@example.com',
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    assert calendar.method is CalendarMethod.PUBLISH


@pytest.mark.parametrize("channel", ["chat", "sms", "noop"])
def test_for_a_channel_that_sends_no_files_none_is_made(channel):
    row = sample_row(due_at=NOON, state=State.SENDING, channel=channel)
    assert composed(claim_of(row)) is None


@pytest.mark.parametrize("cancelled", [True, False])
def test_who_is_not_to_do_it_any_more_reads_what_they_were_told_and_nothing_newer(cancelled):
    told = Announcement(start=NOON, place="Old yard", title="Old pump")
    present = Announcement(start=START, place="Yard", title="Pump", theirs=False)
    row = sample_row(due_at=NOON, state=State.SENDING, kind=Kind.CORRECTION)
    news = News(present=present, known=(told,), cancelled=cancelled)
    calendar = composed(claim_of(row, announced=present, news=news))
    assert calendar is not None
    event = read(calendar.text)
    assert calendar.method is CalendarMethod.CANCEL
    assert "METHOD:CANCEL" in strict_lines(calendar.text)
    assert (event["STATUS"], event["SUMMARY"], event.start) == ("CANCELLED", "Old pump", NOON)
    assert event["UID"] == "assignment-7-3@example.com"
    assert "LOCATION" not in event
    assert "DTEND" not in event


def test_a_correction_of_a_move_publishes_the_new_plan():
    told = Announcement(start=NOON, place="Yard", title="Pump")
    present = replace(told, start=START)
    row = sample_row(due_at=NOON, state=State.SENDING, kind=Kind.CORRECTION)
    calendar = composed(claim_of(row, announced=present, news=News(present=present, known=(told,))))
    assert calendar is not None
    assert calendar.method is CalendarMethod.PUBLISH
    assert read(calendar.text).start == START


def test_one_message_about_several_assignments_carries_one_calendar_with_an_event_for_each():
    other = sample_row(due_at=NOON, id=2, assignment_id=8, state=State.SENDING)
    entries = ((REMINDER.row, FACTS), (other, replace(FACTS, title="Lift")))
    member = replace(REMINDER, row=other, facts=entries[1][1])
    digest = Digest(lead=REMINDER.row, entries=entries, members=(member,), waiting=0)
    calendar = composed(replace(REMINDER, digest=digest))
    assert calendar is not None
    strict_lines(calendar.text)
    events = icalendar.Calendar.from_ical(calendar.text).walk("VEVENT")
    assert [event["UID"] for event in events] == [
        "assignment-7-3@example.com",
        "assignment-8-3@example.com",
    ]


@pytest.mark.parametrize(
    ("kind", "recipient", "channel"),
    [
        (Kind.OVERDUE, "person:9", "email"),
        (Kind.OVERDUE, "ops:0123456789abcdef", "email"),
        (Kind.REMINDER, "assignee:3", "sms"),
    ],
)
def test_supervisors_and_short_texts_have_none(kind, recipient, channel):
    row = sample_row(due_at=NOON, state=State.SENDING, kind=kind, recipient=recipient, channel=channel)
    assert composed(claim_of(row)) is None


def test_an_installation_may_send_none(settings):
    settings.REMINDER_CALENDAR_FILES = False
    assert composed(REMINDER) is None


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Pump; lift, \\n and \\", "Pump; lift, \\n and \\"),
        ("Pump\r\nEND:VEVENT\r\nBEGIN:VEVENT", "Pump END:VEVENT BEGIN:VEVENT"),
        ("a\u2028b\u2029c\x85d\x0be", "a b c d e"),
        ("\u202eturned\u202c", "turned"),
        ("מעלית" * 40, "מעלית" * 40),
        ("🛗" * 100, "🛗" * 100),
        ("Ü" * 33, "Ü" * 33),
    ],
)
def test_a_title_is_read_back_as_it_was_meant(title, shown):
    calendar = calendars.file_of([replace(EVENT, title=title)], method=CalendarMethod.PUBLISH, now=NOON)
    assert read(calendar.text)["SUMMARY"] == shown


def test_a_place_keeps_its_lines():
    calendar = calendars.file_of(
        [replace(EVENT, place="Yard 3\r\nSecond floor\nLeft")], method=CalendarMethod.PUBLISH, now=NOON
    )
    assert read(calendar.text)["LOCATION"] == "Yard 3\nSecond floor\nLeft"


# PostgreSQL stores neither NUL nor halves of characters.
anything = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(title=st.text(anything, max_size=200), place=st.text(anything, max_size=300))
def test_no_text_adds_a_line_or_breaks_one(title, place):
    event = replace(EVENT, title=title, place=place)
    text = calendars.file_of([event], method=CalendarMethod.PUBLISH, now=NOON).text
    names = [line.partition(":")[0].partition(";")[0] for line in strict_lines(text)]
    names = [name for name in names if name != "LOCATION"]
    event = ["BEGIN", "UID", "DTSTART", "SEQUENCE", "STATUS", "SUMMARY", "DTSTAMP", "ORGANIZER", "END"]
    assert names == ["BEGIN", "VERSION", "PRODID", "METHOD", *event, "END"]
    read(text)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # the second 02:30 of Berlin
        datetime(2026, 10, 25, 12, 15, tzinfo=timezone(timedelta(hours=10, minutes=45))),
    ],
)
def test_an_instant_is_written_in_utc(at):
    assert calendars.instant(at) == "20261025T013000Z"


def test_who_organises_is_quoted(settings):
    settings.ORGANISATION_NAME = 'Smith: "Lifts"; Sons,\r\nLtd'
    text = calendars.file_of([EVENT], method=CalendarMethod.PUBLISH, now=NOON).text
    assert read(text)["ORGANIZER"].params["CN"] == "Smith: 'Lifts'; Sons, Ltd"
