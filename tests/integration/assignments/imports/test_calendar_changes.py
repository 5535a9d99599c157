"""Events of a calendar that are imported again: what was moved is moved, what is new is added, what is gone is cancelled."""

from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from assignments import services
from assignments.clock import database_now
from assignments.imports.calendar_options import CalendarOptions
from assignments.imports.calendar_rows import read_calendar
from assignments.imports.writer import import_rows
from assignments.models import Assignment

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _noon(clock):
    clock.set(NOON)


def event(*lines, at="09:00", day=8, rule="FREQ=WEEKLY;COUNT=3", uid="W-1"):
    start = f"DTSTART;TZID=Europe/Berlin:202606{day:02d}T{at.replace(':', '')}00"
    return [f"UID:{uid}", "SUMMARY:Check the boiler", start, *([f"RRULE:{rule}"] if rule else []), *lines]


def imported(*events, head=(), **more):
    lines = ["BEGIN:VCALENDAR", *head]
    for one in events:
        lines += ["BEGIN:VEVENT", *one, "END:VEVENT"]
    text = "\r\n".join([*lines, "END:VCALENDAR", ""])
    options = CalendarOptions(now=database_now(), **more)
    return import_rows(list(read_calendar(BytesIO(text.encode()), options=options)))


def work():
    """Start and status of each assignment, by the order in which they were made."""
    return [(f"{one.scheduled_start:%d %H:%M}", one.status) for one in Assignment.objects.order_by("pk")]


OPEN, GONE = "SCHEDULED", "CANCELLED"


def test_the_same_series_again_changes_nothing():
    assert imported(event()).created == 3
    done = imported(event())
    assert (done.created, done.updated, done.unchanged) == (0, 0, 3)


def test_a_series_that_is_moved_by_an_hour_moves_each_date():
    imported(event())
    ids = set(Assignment.objects.values_list("pk", flat=True))
    imported(event("SEQUENCE:1", at="10:00"))
    assert work() == [("08 08:00", OPEN), ("15 08:00", OPEN), ("22 08:00", OPEN)]
    assert set(Assignment.objects.values_list("pk", flat=True)) == ids
    references = sorted(Assignment.objects.values_list("reference", flat=True))
    assert references[0] == "W-1/20260608T080000Z"


def test_a_series_that_is_moved_to_another_day_of_the_week_moves_each_date():
    imported(event())
    imported(event("SEQUENCE:1", day=9))
    assert work() == [("09 07:00", OPEN), ("16 07:00", OPEN), ("23 07:00", OPEN)]


def test_dates_that_are_added_are_added_and_those_that_are_gone_are_cancelled():
    imported(event())
    imported(event("SEQUENCE:1", "EXDATE;TZID=Europe/Berlin:20260615T090000", rule="FREQ=WEEKLY;COUNT=4"))
    assert work() == [("08 07:00", OPEN), ("15 07:00", GONE), ("22 07:00", OPEN), ("29 07:00", OPEN)]


def test_a_daily_event_that_loses_a_day_moves_no_other():
    imported(event(rule="FREQ=DAILY;COUNT=3"))
    imported(event("SEQUENCE:1", "EXDATE;TZID=Europe/Berlin:20260609T090000", rule="FREQ=DAILY;COUNT=4"))
    assert work() == [("08 07:00", OPEN), ("09 07:00", GONE), ("10 07:00", OPEN), ("11 07:00", OPEN)]


def test_what_comes_back_is_scheduled_again():
    imported(event())
    imported(event("SEQUENCE:1", rule="FREQ=WEEKLY;COUNT=2"))
    assert work()[2][1] == GONE
    imported(event("SEQUENCE:2"))
    assert work()[2] == ("22 07:00", OPEN)


def test_what_was_cancelled_here_stays_cancelled():
    imported(event())
    services.cancel(Assignment.objects.latest("pk").pk)
    assert imported(event("SEQUENCE:1")).unchanged == 3
    assert work()[2][1] == GONE


def test_an_older_revision_of_a_series_cancels_nothing():
    imported(event("SEQUENCE:5", rule="FREQ=WEEKLY;COUNT=4"))
    done = imported(event("SEQUENCE:4"))
    assert (done.updated, [status for _, status in work()]) == (0, [OPEN] * 4)


def test_past_dates_are_left_alone(clock):
    imported(event())
    clock.set(NOON + timedelta(days=10))
    done = imported(event("SEQUENCE:1", at="10:00"))
    assert (done.created, done.updated) == (0, 2)
    assert work() == [("08 07:00", OPEN), ("15 08:00", OPEN), ("22 08:00", OPEN)]


def test_dates_beyond_a_nearer_horizon_are_left_alone():
    imported(event())
    done = imported(event(), days_ahead=10)
    assert (done.unchanged, [status for _, status in work()]) == (1, [OPEN] * 3)


@pytest.mark.parametrize("head", [["METHOD:CANCEL"], []])
def test_a_cancellation_cancels_all_dates_to_come(clock, head):
    imported(event())
    clock.set(NOON + timedelta(days=10))
    imported(["UID:W-1", *([] if head else ["STATUS:CANCELLED"])], head=head)
    assert [status for _, status in work()] == [OPEN, GONE, GONE]


def test_a_cancellation_of_one_date_cancels_its_people_and_no_other_date():
    people = ["ATTENDEE:mailto:ada@example.test", "ATTENDEE:mailto:bo@example.test"]
    imported(event(*people, rule="FREQ=WEEKLY;COUNT=2"))
    one_date = ["UID:W-1", "RECURRENCE-ID;TZID=Europe/Berlin:20260608T090000"]
    assert imported(one_date, head=["METHOD:CANCEL"]).updated == 2
    assert work() == [("08 07:00", GONE), ("08 07:00", GONE), ("15 07:00", OPEN), ("15 07:00", OPEN)]


def names():
    open_work = Assignment.objects.filter(status=OPEN).select_related("assignee").order_by("pk")
    return [one.assignee.email for one in open_work]


def test_attendees_come_and_go_and_who_stays_keeps_the_work():
    ada, bo, cy = (f"ATTENDEE:mailto:{name}@example.test" for name in ("ada", "bo", "cy"))
    imported(event(ada, rule=""))
    first = Assignment.objects.get()
    imported(event("SEQUENCE:1", bo, ada, rule=""))
    assert names() == ["ada@example.test", "bo@example.test"]
    first.refresh_from_db()
    assert (first.status, first.version) == (OPEN, 1)
    imported(event("SEQUENCE:2", bo, cy, rule=""))
    assert names() == ["bo@example.test", "cy@example.test"]
    imported(event("SEQUENCE:3", cy, rule=""))
    assert names() == ["cy@example.test"]
    assert Assignment.objects.count() == 3


def test_an_event_that_begins_to_repeat_keeps_its_first_date():
    imported(event(rule=""))
    imported(event("SEQUENCE:1"))
    assert work() == [("08 07:00", OPEN), ("15 07:00", OPEN), ("22 07:00", OPEN)]


def test_an_event_that_could_not_be_read_cancels_nothing():
    imported(event())
    with pytest.raises(Exception, match="not accepted"):
        imported(event("SEQUENCE:1", rule="FREQ=HOURLY"))
    assert [status for _, status in work()] == [OPEN] * 3


def test_the_number_of_statements_does_not_grow_with_the_dates(django_assert_max_num_queries):
    imported(*(event(uid=f"W-{n}") for n in range(30)))
    with django_assert_max_num_queries(60):
        imported(*(event("SEQUENCE:1", at="10:00", uid=f"W-{n}") for n in range(30)))
    assert Assignment.objects.filter(status=OPEN).count() == 90
