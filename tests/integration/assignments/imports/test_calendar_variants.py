"""Calendars as programs write them: zones, methods, attendees, broken lines, several calendars in a file."""

import pytest

from assignments import services
from assignments.models import Assignment
from reminders.models import Reminder
from tests import acting

pytestmark = pytest.mark.django_db

URL = "/api/assignments/import"
START = "DTSTART:20260615T130000Z"
NAMED = ["UID:W-1", "SUMMARY:Check the boiler"]
WORK = [*NAMED, START]
EASTERN = [
    *("BEGIN:VTIMEZONE", "TZID:EST"),
    *("BEGIN:STANDARD", "DTSTART:20071104T020000", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU"),
    *("TZOFFSETFROM:-0400", "TZOFFSETTO:-0500", "END:STANDARD"),
    *("BEGIN:DAYLIGHT", "DTSTART:20070311T020000", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU"),
    *("TZOFFSETFROM:-0500", "TZOFFSETTO:-0400", "END:DAYLIGHT", "END:VTIMEZONE"),
]


def calendar(*events, head=(), tail=()):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", *head]
    for event in events:
        lines += ["BEGIN:VEVENT", *event, "END:VEVENT"]
    return "\r\n".join([*lines, *tail, "END:VCALENDAR", ""])


def sent(api, text, charset="utf-8"):
    body = text if isinstance(text, bytes) else text.encode()
    return api.post(URL, body, content_type=f'text/calendar; charset="{charset}"')


def taken(api, *lines, **more):
    answer = sent(api, calendar(list(lines), **more))
    assert answer.status_code == 200, answer.content
    return Assignment.objects.get(reference="W-1")


def counts(answer):
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return body["created"], body["updated"], body["unchanged"]


def left_out(answer):
    assert answer.status_code == 200, answer.content
    return {one["what"]: one["count"] for one in answer.json()["left_out"]}


def error(answer):
    assert answer.status_code == 400, answer.content
    first = answer.json()["errors"][0]
    return first["field"], first["code"], first["message"]


# --- instants --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params", [";TZID=Europe/Berlin;VALUE=DATE", ";TZID=Europe/Berlin", ";VALUE=DATE", ""]
)
def test_a_whole_day_is_refused_however_it_is_written(api, params):
    event = [*NAMED, f"DTSTART{params}:20300610"]
    assert error(sent(api, calendar(event)))[:2] == ("scheduled_start", "all_day")


def test_a_time_in_utc_is_in_utc_whatever_zone_stands_beside_it(api):
    work = taken(api, *NAMED, "DTSTART;TZID=Europe/Berlin:20300610T080000Z")
    assert work.scheduled_start.isoformat() == "2030-06-10T08:00:00+00:00"


@pytest.mark.parametrize(
    ("start", "head", "expected"),
    [
        ("DTSTART;TZID=EST:20260706T090000", EASTERN, "2026-07-06T13:00"),
        ("DTSTART;TZID=EST:20260106T090000", EASTERN, "2026-01-06T14:00"),
        ("DTSTART;TZID=W. Europe Standard Time:20260706T090000", [], "2026-07-06T07:00"),
        ('DTSTART;TZID="Eastern Standard Time":20260706T090000', [], "2026-07-06T13:00"),
        ("DTSTART;TZID=/example.org/2026/Europe/Berlin:20260706T090000", [], "2026-07-06T07:00"),
        ("DTSTART;TZID=America/Argentina/Ushuaia:20260706T090000", [], "2026-07-06T12:00"),
    ],
)
def test_a_zone_means_what_the_file_or_a_table_says(api, start, head, expected):
    assert taken(api, *NAMED, start, head=head).scheduled_start.isoformat()[:16] == expected


def test_a_zone_that_is_defined_behind_its_event_counts_too(api):
    work = taken(api, *NAMED, "DTSTART;TZID=EST:20260706T090000", tail=EASTERN)
    assert work.scheduled_start.isoformat() == "2026-07-06T13:00:00+00:00"


@pytest.mark.parametrize(
    ("local", "code"), [("20260308T023000", "nonexistent"), ("20261101T013000", "ambiguous")]
)
def test_hour_changes_of_a_defined_zone_are_seen(api, local, code):
    event = [*NAMED, f"DTSTART;TZID=EST:{local}"]
    assert error(sent(api, calendar(event, head=EASTERN)))[1] == code


@pytest.mark.parametrize(
    "zone", ["localtime", "posixrules", "Factory", "Nowhere/At All", "posix/Europe/Berlin"]
)
def test_a_refused_zone_is_named(api, zone):
    field, code, message = error(sent(api, calendar([*NAMED, f"DTSTART;TZID={zone}:20260615T130000"])))
    assert (field, code) == ("scheduled_start", "unknown_time_zone")
    assert repr(zone) in message


def test_a_definition_that_would_never_end_is_no_zone(api):
    endless = [line.replace("FREQ=YEARLY", "FREQ=SECONDLY") for line in EASTERN]
    endless = [line.replace("TZID:EST", "TZID:Mine") for line in endless]
    event = [*NAMED, "DTSTART;TZID=Mine:20260615T130000"]
    assert error(sent(api, calendar(event, head=endless)))[1] == "unknown_time_zone"


# --- people ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ATTENDEE:mailto:a@example.test", ("a@example.test", "a@example.test")),
        ("ATTENDEE;CN=A@example.test:mailto:a@example.test", ("a@example.test", "a@example.test")),
        ("ATTENDEE;CN=Cy;EMAIL=cy@example.com:urn:uuid:1", ("Cy", "cy@example.com")),
        ("ATTENDEE;CN=Cy:cy@example.com", ("Cy", "cy@example.com")),
    ],
)
def test_an_attendee_is_known_by_address_and_by_name_if_there_is_one(api, line, expected):
    person = taken(api, *WORK, line).assignee
    assert (person.name, person.email) == expected


# --- lines that nobody needs, and folds ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ["CREATED:00001231T000000Z"],
        ["LAST-MODIFIED:"],
        ["DTSTAMP:yesterday"],
        ["X-FOO;=:x"],
        ["GEO:north"],
        ["URL;VALUE=URI;;:x"],
        ["ATTACH;ENCODING=BASE64;VALUE=BINARY:" + "A" * 300_000],
        ["BEGIN:VALARM", "TRIGGER:soon", "END:VALARM"],
        ["BEGIN:VALARM", "TRIGGER:-P45D", "END:VALARM"],
        ["BEGIN:VALARM", "TRIGGER;VALUE=DATE-TIME:x", "DURATION:x", "END:VALARM"],
        ["SEQUENCE:first"],
        ["STATUS;=:x"],
    ],
)
def test_a_line_that_nobody_needs_may_be_broken(api, lines):
    assert taken(api, *WORK, *lines).lead_minutes is None


def test_a_fold_may_part_a_character(api):
    text = calendar(["UID:W-1", "SUMMARY:Gr\u00fc\u00dfe \U0001f600", START]).encode()
    at = text.index("\u00df".encode()) + 1
    assert sent(api, text[:at] + b"\r\n " + text[at:]).status_code == 200
    assert Assignment.objects.get().title == "Gr\u00fc\u00dfe \U0001f600"


def test_a_declared_charset_is_read(api):
    text = calendar(["UID:W-1", "SUMMARY:M\u00fcll", START]).encode("latin-1")
    assert sent(api, text, "iso-8859-1").status_code == 200
    assert Assignment.objects.get().title == "M\u00fcll"


@pytest.mark.parametrize("charset", ["utf-16", "klingon", "rot13"])
def test_a_charset_that_is_not_accepted_is_named(api, charset):
    assert repr(charset) in error(sent(api, calendar(WORK), charset))[2]


def test_utf_16_is_told_in_the_words_of_no_other_format(api):
    message = error(sent(api, calendar(WORK).encode("utf-16")))[2]
    assert "UTF-16" in message
    assert "CSV" not in message


# --- methods, revisions, cancellations -------------------------------------------------------------------------


def test_each_calendar_of_a_file_has_its_own_method(api):
    sent(api, calendar(WORK, ["UID:W-2", "SUMMARY:x", START]))
    both = calendar(WORK, head=["METHOD:CANCEL"]) + calendar(["UID:W-2", "SUMMARY:x", START])
    assert counts(sent(api, both)) == (0, 1, 1)
    statuses = dict(Assignment.objects.values_list("reference", "status"))
    assert statuses == {"W-1": "CANCELLED", "W-2": "SCHEDULED"}


@pytest.mark.parametrize("method", ["REPLY", "COUNTER", "DECLINECOUNTER", "REFRESH", "X-OTHER"])
def test_what_is_not_the_organizers_word_is_left_out_and_counted(api, method):
    taken(api, *WORK)
    other = ["UID:W-1", "SUMMARY:Accepted: x", "DTSTART:20260616T130000Z"]
    answer = sent(api, calendar(other, head=[f"METHOD:{method}"]))
    assert (counts(answer), left_out(answer)) == ((0, 0, 0), {f"events with METHOD:{method}": 1})
    assert Assignment.objects.get().title == "Check the boiler"


def test_an_older_revision_changes_nothing_and_is_counted(api):
    taken(api, *WORK, "SEQUENCE:2")
    moved = [*NAMED, "DTSTART:20260616T130000Z"]
    answer = sent(api, calendar([*moved, "SEQUENCE:1"]))
    older = {"an older SEQUENCE than the one imported before": 1}
    assert (counts(answer), left_out(answer)) == ((0, 0, 0), older)
    assert taken(api, *moved, "SEQUENCE:3").scheduled_start.day == 16
    assert left_out(sent(api, calendar([*WORK, "SEQUENCE:2"]))) == older
    assert taken(api, *WORK).scheduled_start.day == 15


def test_the_revision_alone_is_no_change(api):
    before = taken(api, *WORK, "SEQUENCE:1")
    answer = sent(api, calendar([*WORK, "SEQUENCE:5"]))
    assert counts(answer) == (0, 0, 1)
    after = Assignment.objects.get()
    assert (after.version, after.updated_at, after.calendar_sequence) == (1, before.updated_at, 5)


@pytest.mark.parametrize(
    "event",
    [
        ["UID:W-1"],
        ["UID:W-1", "ATTENDEE:mailto:a@example.test", "ATTENDEE:mailto:b@example.test", START],
        ["UID:W-1", "SUMMARY:x", "DTSTART;TZID=Mars Standard Time:20260615T130000"],
        ["UID:W-1", "DTSTART;VALUE=DATE:20260615", "RRULE:FREQ=DAILY"],
    ],
)
@pytest.mark.parametrize("by", ["method", "status"])
def test_a_cancellation_needs_the_uid_only(api, event, by):
    taken(api, *WORK)
    head, more = (["METHOD:CANCEL"], []) if by == "method" else ([], ["STATUS:CANCELLED"])
    assert counts(sent(api, calendar([*event, *more], head=head))) == (0, 1, 0)
    work = Assignment.objects.get()
    assert (work.status, work.title) == ("CANCELLED", "Check the boiler")
    assert Reminder.objects.get(kind="REMINDER").reason == "cancelled"
    assert counts(sent(api, calendar([*event, *more], head=head))) == (0, 0, 1)


def test_a_cancellation_of_one_date_cancels_nothing_else(api):
    taken(api, *WORK)
    one_date = ["UID:W-1", "RECURRENCE-ID:20260615T130000Z"]
    answer = sent(api, calendar(one_date, head=["METHOD:CANCEL"]))
    assert left_out(answer) == {"the cancellation of an event that is not known here": 1}
    assert Assignment.objects.get().status == "SCHEDULED"


def test_a_cancellation_of_what_is_not_known_makes_nothing(api):
    answer = sent(api, calendar(WORK, head=["METHOD:CANCEL"]))
    unknown = {"the cancellation of an event that is not known here": 1}
    assert (counts(answer), left_out(answer)) == ((0, 0, 0), unknown)
    assert not Assignment.objects.exists()


@pytest.mark.parametrize("end", [services.cancel, acting.complete])
def test_work_that_ended_here_and_is_still_in_an_unchanged_feed_stops_nobody(api, end):
    end(taken(api, *WORK).pk)
    other = ["UID:W-2", "SUMMARY:x", START]
    assert counts(sent(api, calendar(WORK, other))) == (1, 0, 1)
    moved = [*NAMED, "DTSTART:20260616T130000Z"]
    assert error(sent(api, calendar(moved, other)))[:2] == ("status", "conflict")


# --- what else is in a file ------------------------------------------------------------------------------------


def test_what_is_no_event_is_left_out_by_kind_and_count(api):
    todo = ["BEGIN:VTODO", "UID:T", "BEGIN:VALARM", "END:VALARM", "END:VTODO"]
    journal = ["BEGIN:VJOURNAL", "END:VJOURNAL"]
    answer = sent(api, calendar(head=[*todo, *todo, *journal]))
    assert (counts(answer), left_out(answer)) == ((0, 0, 0), {"VTODO": 2, "VJOURNAL": 1})


def test_text_behind_the_end_is_no_obstacle(api):
    answer = sent(api, calendar(WORK) + "-- \r\nsent from my phone\r\n")
    assert (counts(answer), left_out(answer)) == ((1, 0, 0), {"lines after END:VCALENDAR": 2})


def test_an_event_that_is_not_ended_costs_only_itself(api):
    text = calendar(WORK, ["UID:W-2", "SUMMARY:x", START]).replace("END:VEVENT\r\n", "", 1)
    answer = sent(api, text)
    assert answer.status_code == 400
    assert [(one["row"], one["code"]) for one in answer.json()["errors"]] == [(1, "parse_error")]
