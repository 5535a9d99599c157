"""Assignments out of iCalendar files: what an event becomes, and what is refused instead of guessed."""

from io import BytesIO, StringIO

import pytest
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from assignments.imports.calendar_rows import read_calendar
from assignments.imports.rows import UnreadableFile
from assignments.models import Assignee, Assignment
from reminders.models import Reminder
from tests.depth import examples
from tests.fakes.api_caller import ApiCaller

pytestmark = pytest.mark.django_db

URL = "/api/assignments/import"
START = "DTSTART:20260615T130000Z"
WORK = ["UID:W-1", "SUMMARY:Check the boiler", START]


@pytest.fixture
def api(clock):
    return ApiCaller("write")


def calendar(*events, head=()):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", *head]
    for event in events:
        lines += ["BEGIN:VEVENT", *event, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def sent(api, text):
    body = text if isinstance(text, bytes) else text.encode()
    return api.post(URL, body, content_type="text/calendar; charset=utf-8; method=PUBLISH")


def taken(api, *lines, **more):
    """The one assignment that an event with these lines became."""
    answer = sent(api, calendar([*WORK, *lines], **more))
    assert answer.status_code == 200, answer.content
    return Assignment.objects.get()


def left_out(answer):
    assert answer.status_code == 200, answer.content
    return {one["what"]: one["count"] for one in answer.json()["left_out"]}


def bad(answer):
    assert answer.status_code == 400, answer.content
    assert not Assignment.objects.exists()
    return [(fault.get("row"), fault["field"], fault["code"]) for fault in answer.json()["errors"]]


def test_an_event_becomes_an_assignment_and_is_planned(api):
    event = [
        "UID:W-1",
        "SUMMARY:Check the boiler\\, then",
        "  the pump",
        "DTSTART;TZID=Europe/Berlin:20260615T150000",
        "DTEND;TZID=Europe/Berlin:20260615T160000",
        "LOCATION:Hill Road 7",
        *("DESCRIPTION:Ring twice\\n", " END:VEVENT"),
        'ATTENDEE;CN="Ada, L.":MAILTO:ada@example.test',
        "ATTENDEE;CUTYPE=ROOM;CN=Cellar:mailto:cellar@example.test",
        "ORGANIZER;CN=Desk:mailto:desk@example.test",
        "ATTENDEE;CN=Desk:mailto:desk@example.test",
        *("BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT45M", "END:VALARM"),
    ]
    assert sent(api, calendar(event)).json() | {"ids": 0} == {
        "dry_run": False, "created": 1, "updated": 0, "unchanged": 0, "left_out": [], "notes": [], "ids": 0,
    }  # fmt: skip
    work = Assignment.objects.get()
    kept = [work.reference, work.title, work.location, work.notes, work.lead_minutes, work.status]
    title = "Check the boiler, then the pump"
    assert kept == ["W-1", title, "Hill Road 7", "Ring twice\nEND:VEVENT", 45, "SCHEDULED"]
    instants = [work.scheduled_start.isoformat(), work.scheduled_end.isoformat()]
    assert instants == ["2026-06-15T13:00:00+00:00", "2026-06-15T14:00:00+00:00"]
    person = Assignee.objects.get()
    assert (person.name, person.email) == ("Ada, L.", "ada@example.test")
    assert Reminder.objects.get(kind="REMINDER").due_at.isoformat() == "2026-06-15T12:15:00+00:00"
    again = sent(api, "\ufeff" + calendar(event).replace("\r\n", "\n"))
    assert (again.json()["unchanged"], Assignment.objects.count()) == (1, 1)


def test_a_cancelled_event_cancels(api):
    assert taken(api).status == "SCHEDULED"
    assert taken(api, "STATUS:CANCELLED").status == "CANCELLED"


def test_a_calendar_that_withdraws_its_events_cancels(api):
    assert taken(api).status == "SCHEDULED"
    assert taken(api, head=["METHOD:CANCEL"]).status == "CANCELLED"


def test_a_length_in_place_of_an_end(api):
    assert taken(api, "DURATION:PT1H30M").scheduled_end.isoformat() == "2026-06-15T14:30:00+00:00"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["ORGANIZER;CN=Desk:mailto:desk@example.test"], ("Desk", "desk@example.test")),
        (["ATTENDEE;CN=Bo:urn:uuid:1"], ("Bo", "")),
        (["ATTENDEE;CN=Bo,Jr:mailto:bo@example.test"], ("Bo,Jr", "bo@example.test")),
        ([], None),
        (["ATTENDEE:urn:uuid:1"], None),
    ],
)
def test_who_does_the_work(api, lines, expected):
    person = taken(api, *lines).assignee
    assert (person and (person.name, person.email)) == expected


def test_an_address_in_place_of_a_name_leaves_a_known_name_alone(api):
    taken(api, "ATTENDEE;CN=Ada:mailto:ada@example.test")
    assert taken(api, "ATTENDEE;CN=ada@example.test:mailto:ada@example.test").assignee.name == "Ada"


def alarm(trigger):
    return ["BEGIN:VALARM", "ACTION:DISPLAY", trigger, "END:VALARM"]


@pytest.mark.parametrize(
    ("lines", "lead"),
    [
        (alarm("TRIGGER:-PT1H") + alarm("TRIGGER;RELATED=START:-PT60M"), 60),
        (alarm("TRIGGER:-P1D"), 1_440),
        (alarm("TRIGGER:-PT1H") + alarm("TRIGGER:-PT5M"), None),
        (alarm("TRIGGER:PT0S"), None),
        (alarm("TRIGGER:PT5M"), None),
        (alarm("TRIGGER:-PT90S"), None),
        (alarm("TRIGGER;RELATED=END:-PT5M"), None),
        (alarm("TRIGGER;VALUE=DATE-TIME:20260615T120000Z"), None),
    ],
)
def test_one_plain_alarm_is_the_lead(api, lines, lead):
    assert taken(api, *lines).lead_minutes == lead


NAMED = ["UID:W-1", "SUMMARY:x"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (["SUMMARY:x", START, "STATUS:CANCELLED"], ("reference", "required")),
        (NAMED, ("scheduled_start", "required")),
        ([*NAMED, "DTSTART;VALUE=DATE:20260615"], ("scheduled_start", "all_day")),
        ([*NAMED, "DTSTART:20260615T130000"], ("scheduled_start", "naive")),
        ([*NAMED, "DTSTART;TZID=Nowhere/At All:20260615T130000"], ("scheduled_start", "unknown_time_zone")),
        ([*NAMED, "DTSTART;TZID=/etc/passwd:20260615T130000"], ("scheduled_start", "unknown_time_zone")),
        ([*NAMED, "DTSTART;TZID=Europe/Berlin:20260329T023000"], ("scheduled_start", "nonexistent")),
        ([*NAMED, "DTSTART;TZID=Europe/Berlin:20261025T023000"], ("scheduled_start", "ambiguous")),
        ([*NAMED, "DTSTART:20261325T023000Z"], ("scheduled_start", "invalid")),
        ([*NAMED, "DTSTART:00010101T000000Z"], ("scheduled_start", "out_of_range")),
        ([*NAMED, "DTSTART:99991231T235959Z"], ("scheduled_start", "out_of_range")),
        ([*NAMED, START, START], ("scheduled_start", "repeated")),
        ([*WORK, "DTEND:20260615T120000Z"], ("scheduled_end", "invalid")),
        ([*WORK, "DURATION:20260615T130000Z"], ("scheduled_end", "invalid")),
        ([*WORK, "DURATION:-P999999999D"], ("scheduled_end", "invalid")),
        (
            [*NAMED, "DTSTART;TZID=Europe/Berlin,UTC:20260615T130000"],
            ("scheduled_start", "unknown_time_zone"),
        ),
        ([*WORK, "RRULE:FREQ=SECONDLY"], ("RRULE", "too_many")),
        ([*WORK, "RRULE:FREQ=FULLMOON"], ("RRULE", "invalid")),
        ([*WORK, "RECURRENCE-ID:20260615T130000"], ("RECURRENCE-ID", "naive")),
        ([*WORK, "ATTENDEE;CN=A:mailto:a@example.test%0D%0Ab@example.test"], ("assignee.email", "invalid")),
        ([*WORK, "LOCATION:a\x00b"], ("location", "null_characters_not_allowed")),
        ([*WORK, "SUMMARY:" + "x" * 201], ("title", "repeated")),
    ],
)
def test_what_an_assignment_cannot_hold_is_refused_by_row_and_field(api, event, expected):
    good = ["UID:W-0", "SUMMARY:x", START]
    assert bad(sent(api, calendar(good, event))) == [(2, *expected)]


def test_a_line_that_is_no_property_is_left_out_and_counted(api):
    assert left_out(sent(api, calendar([*WORK, "nonsense"]))) == {
        "lines of events without a name and a colon": 1
    }


def test_of_a_uid_that_comes_twice_the_last_revision_counts(api):
    twice = calendar([*WORK, "SEQUENCE:2"], [*NAMED, "DTSTART:20260616T130000Z", "SEQUENCE:1"])
    assert left_out(sent(api, twice)) == {"earlier revisions of events that come twice": 1}
    assert Assignment.objects.get().scheduled_start.day == 15
    assert left_out(sent(api, calendar(WORK, [*NAMED, "DTSTART:20260617T130000Z", "SEQUENCE:3"]))) == {
        "earlier revisions of events that come twice": 1
    }
    assert Assignment.objects.get().scheduled_start.day == 17


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"title,scheduled_start\r\n",
        b"BEGIN:VEVENT\r\nUID:1\r\n",
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n",
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n",
        calendar(WORK).encode("utf-16"),
        calendar(["UID:W-1", "SUMMARY:\xff", START]).encode("latin-1"),
    ],
)
def test_what_is_no_calendar_is_refused_whole(api, body):
    assert bad(sent(api, body)) == [(None, None, "unreadable")]


def test_a_calendar_without_events_changes_nothing(api):
    assert sent(api, calendar()).json()["created"] == 0


def test_the_command_takes_a_calendar(clock, tmp_path):
    (tmp_path / "team.ics").write_text(calendar(WORK, [*NAMED, "RRULE:FREQ=HOURLY", START]), newline="")
    out = StringIO()
    call_command("import_assignments", str(tmp_path / "team.ics"), "--skip-bad", stdout=out)
    told = (
        "row 2: RRULE: RRULE 'FREQ=HOURLY' makes more dates within 180 days than 1,000, or takes too long to follow: "
        "a rule with fewer dates is needed, or a shorter time ahead"
    )
    assert out.getvalue().splitlines() == [told, "1 created, 0 updated, 0 unchanged"]


LINES = st.lists(
    st.builds(
        "{}{}:{}".format,
        st.sampled_from(
            ["DTSTART", "DTEND", "DURATION", "UID", "ATTENDEE", "ORGANIZER", "TRIGGER", "BEGIN", "END", "X"]
        ),
        st.sampled_from(["", ";TZID=Europe/Berlin", ";VALUE=DATE", ";CN=", ";TZID=", ";", ";VALUE=PERIOD"]),
        st.sampled_from(["20260615T130000Z", "20260615", "-PT5M", "VALARM", "VEVENT", "", "PT5M/PT6M"])
        | st.text(max_size=20),
    )
    | st.text(max_size=20),
    max_size=6,
)


@settings(max_examples=examples(300), deadline=None)
@given(lines=LINES)
def test_no_event_is_too_much(lines):
    try:
        for one in read_calendar(BytesIO(calendar([*WORK, *lines]).encode(errors="replace"))):
            assert one
    except UnreadableFile:
        pass
