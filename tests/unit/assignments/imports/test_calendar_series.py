"""Events that repeat: which dates they have, how each is called, and that none takes long."""

import time
from datetime import time as time_of_day

import pytest

from tests.unit.assignments.imports.reading import NAMED, calendar, read, rows, starts

BERLIN = "DTSTART;TZID=Europe/Berlin:20260608T090000"
HOUR = "DTEND;TZID=Europe/Berlin:20260608T100000"
WEEKLY = [*NAMED, BERLIN, HOUR, "RRULE:FREQ=WEEKLY;COUNT=3"]


def exception(*lines, original="TZID=Europe/Berlin:20260615T090000"):
    return ["UID:W-1", "SUMMARY:Another", f"RECURRENCE-ID;{original}", *lines]


def test_each_date_has_the_original_start_in_its_reference():
    made = rows(calendar(WEEKLY))
    assert [one.reference for one in made] == [f"W-1/202606{day}T070000Z" for day in ("08", "15", "22")]
    assert {one.event for one in made} == {"W-1"}
    assert [one.values["scheduled_end"].hour for one in made] == [8, 8, 8]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([BERLIN, "RRULE:FREQ=DAILY;COUNT=2"], ["06-08 07:00", "06-09 07:00"]),
        ([BERLIN, "RRULE:FREQ=WEEKLY;UNTIL=20260615"], ["06-08 07:00", "06-15 07:00"]),
        ([BERLIN, "RRULE:FREQ=WEEKLY;UNTIL=20260615T090000"], ["06-08 07:00", "06-15 07:00"]),
        ([BERLIN, "RRULE:FREQ=WEEKLY;UNTIL=20260615T065959Z"], ["06-08 07:00"]),
        ([BERLIN, "RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE:20260615T070000Z"], ["06-08 07:00", "06-22 07:00"]),
        ([BERLIN, "RRULE:FREQ=WEEKLY;COUNT=3", "EXDATE;VALUE=DATE:20260615"], ["06-08 07:00", "06-22 07:00"]),
        ([BERLIN, "RDATE;TZID=Europe/Berlin:20260610T110000,20260611T110000"],
         ["06-08 07:00", "06-10 09:00", "06-11 09:00"]),
        ([BERLIN, "RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=2"], ["06-08 07:00", "06-26 07:00", "07-31 07:00"]),
        (["DTSTART;TZID=Europe/Berlin:20200106T090000", "RRULE:FREQ=WEEKLY;INTERVAL=2;UNTIL=20260620"],
         ["06-01 07:00", "06-15 07:00"]),
        (["DTSTART:20260530T090000Z", "RRULE:FREQ=DAILY;COUNT=4"], ["06-01 09:00", "06-02 09:00"]),
        ([BERLIN, "RRULE:FREQ=WEEKLY;COUNT=-1;UNTIL=20260609"], ["06-08 07:00"]),
    ],
)  # fmt: skip
def test_dates_by_rules_and_lists(lines, expected):
    assert starts(calendar([*NAMED, *lines])) == expected


def test_clocks_that_change_move_no_local_time():
    text = calendar([*NAMED, "DTSTART;TZID=Europe/Berlin:20261023T023000", "RRULE:FREQ=DAILY;COUNT=4"])
    # The 25th has half past two twice: the first counts (RFC 5545, section 3.3.5).
    assert starts(text) == ["10-23 00:30", "10-24 00:30", "10-25 00:30", "10-26 01:30"]
    spring = calendar([*NAMED, "DTSTART;TZID=Europe/Berlin:20270327T023000", "RRULE:FREQ=DAILY;COUNT=3"])
    assert starts(spring, days_ahead=400) == ["03-27 01:30", "03-28 01:30", "03-29 00:30"]


def test_a_moved_date_keeps_its_reference_and_has_its_own_texts():
    moved = exception(
        "DTSTART;TZID=Europe/Berlin:20260616T140000", "DTEND;TZID=Europe/Berlin:20260616T150000"
    )
    found = rows(calendar(moved, WEEKLY))
    assert [(one.reference, one.values["title"]) for one in found] == [
        ("W-1/20260608T070000Z", "Check the boiler"),
        ("W-1/20260615T070000Z", "Another"),
        ("W-1/20260622T070000Z", "Check the boiler"),
    ]
    assert f"{found[1].values['scheduled_start']:%m-%d %H:%M}" == "06-16 12:00"


def test_an_exception_for_all_later_dates_moves_them_too():
    moved = exception(
        "DTSTART;TZID=Europe/Berlin:20260615T110000",
        original="RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260615T090000",
    )
    found = rows(calendar(WEEKLY, moved))
    assert [
        (one.reference, f"{one.values['scheduled_start']:%H:%M}", one.values["title"]) for one in found
    ] == [
        ("W-1/20260608T070000Z", "07:00", "Check the boiler"),
        ("W-1/20260615T070000Z", "09:00", "Another"),
        ("W-1/20260622T070000Z", "09:00", "Another"),
    ]


def test_a_cancelled_date_is_a_cancellation_of_it():
    gone = exception("DTSTART;TZID=Europe/Berlin:20260615T090000", "STATUS:CANCELLED")
    cancelled = [one.reference for one in rows(calendar(WEEKLY, gone)) if one.cancellation]
    assert cancelled == ["W-1/20260615T070000Z"]


def test_a_date_without_its_event_in_the_file_stands_for_itself():
    (one,) = rows(calendar(exception("DTSTART:20260616T140000Z")))
    assert (one.reference, one.dates) == ("W-1/20260615T070000Z", None)


def test_the_first_row_of_an_event_names_all_that_there_is():
    first, *others = rows(calendar(WEEKLY))
    assert [one.reference for one in first.dates.dates] == [
        first.reference,
        *(one.reference for one in others),
    ]
    assert [one.dates for one in others] == [None, None]


def test_an_event_whose_dates_are_past_makes_none_and_says_so():
    made, file = read(calendar([*NAMED, "DTSTART:20200101T090000Z", "RRULE:FREQ=DAILY;COUNT=3"]))
    assert made == [(None, "")]
    assert file.notes.left_out == {"repeating events without a date in the time ahead": 1}


def test_whole_days_repeat_at_the_time_that_the_import_says():
    text = calendar([*NAMED, "DTSTART;VALUE=DATE:20261024", "RRULE:FREQ=DAILY;COUNT=2"])
    assert read(text)[0] == [("scheduled_start", "all_day")]
    found = rows(text, zone="Europe/Berlin", all_day=_time("08:00"))
    assert [(one.reference, f"{one.values['scheduled_start']:%H:%M}") for one in found] == [
        ("W-1/20261024", "06:00"),
        ("W-1/20261025", "07:00"),
    ]


def _time(text):
    return time_of_day.fromisoformat(text)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;COUNT=2000000",
        "FREQ=HOURLY",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))}",
    ],
)
@pytest.mark.parametrize("start", ["DTSTART:19700101T000000Z", "DTSTART:20260601T090000Z"])
def test_a_rule_with_too_many_dates_is_refused_in_bounded_time(rule, start):
    begun = time.thread_time()
    made, file = read(calendar([*NAMED, start, f"RRULE:{rule}"]))
    assert made == [("RRULE", "too_many")]
    assert file.notes.refused_events == {"W-1"}
    assert time.thread_time() - begun < 10


@pytest.mark.parametrize(
    "rule", ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2"]
)
def test_a_rule_that_no_date_fits_leaves_the_start_alone(rule):
    assert starts(calendar([*NAMED, BERLIN, f"RRULE:{rule}"])) == ["06-08 07:00"]


@pytest.mark.parametrize(
    "rule",
    ["FREQ=DAILY;INTERVAL=0", "FREQ=WEEKLY;UNTL=20191023", "INTERVAL=2", "FREQ=DAILY;BYEASTER=0",
     "RSCALE=HEBREW;FREQ=YEARLY", "FREQ=DAILY;INTERVAL=99999999", "FREQ=DAILY;FREQ=WEEKLY", "FREQ=WEEKLY;UNTIL=yesterday"],
)  # fmt: skip
def test_what_is_no_rule_is_refused_and_named(rule):
    made, _ = read(calendar([*NAMED, BERLIN, f"RRULE:{rule}"]))
    assert made == [("RRULE", "invalid")]


def test_many_hostile_rules_together_take_bounded_time(monkeypatch):
    monkeypatch.setattr("assignments.imports.calendar_series.SECONDS_OF_A_FILE", 0.2)
    events = [[f"UID:{n}", "SUMMARY:x", "DTSTART:20260101T000000Z", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"]
              for n in range(300)]  # fmt: skip
    begun = time.thread_time()
    made, _ = read(calendar(*events))
    assert made == [("RRULE", "too_many")] * 300
    assert time.thread_time() - begun < 10


def test_an_original_start_may_be_a_time_where_the_event_is_of_whole_days():
    whole = [*NAMED, "DTSTART;VALUE=DATE:20260608", "RRULE:FREQ=WEEKLY;COUNT=2"]
    moved = exception("DTSTART;VALUE=DATE:20260616", original='TZID="UTC+01:00":20260615T000000')
    found = rows(calendar(whole, moved), all_day=time_of_day(8))
    assert [one.reference for one in found] == ["W-1/20260608", "W-1/20260615"]
    assert found[1].values["scheduled_start"].day == 16


def test_an_original_start_may_be_a_date_where_the_event_has_a_time():
    found = rows(calendar(WEEKLY, exception("DTSTART:20260616T120000Z", original="VALUE=DATE:20260615")))
    assert [f"{one.values['scheduled_start']:%d %H:%M}" for one in found] == [
        "08 07:00",
        "16 12:00",
        "22 07:00",
    ]


@pytest.mark.parametrize(
    ("excepted", "start"),
    [
        ("EXDATE:20260615T090000", BERLIN),
        ("EXDATE;VALUE=DATE-TIME:20260615T070000Z", BERLIN),
        ('EXDATE;TZID="UTC+02:00":20260615T000000', "DTSTART;VALUE=DATE:20260608"),
    ],
)
def test_a_date_is_excepted_however_it_is_written(excepted, start):
    text = calendar([*NAMED, start, "RRULE:FREQ=WEEKLY;COUNT=3", excepted])
    assert [one[:2] for one in starts(text, all_day=time_of_day(9), zone="Asia/Tokyo")] == ["06", "06"]
    assert [one[3:5] for one in starts(text, all_day=time_of_day(9), zone="Asia/Tokyo")] == ["08", "22"]


def test_a_date_whose_exception_cannot_be_read_is_not_taken_at_its_original_time():
    made, file = read(calendar(WEEKLY, exception("DTSTART:tomorrow")))
    assert made == [
        ("scheduled_start", "invalid"),
        ("W-1/20260608T070000Z", "06-08 07:00"),
        ("W-1/20260622T070000Z", "06-22 07:00"),
    ]
    assert file.notes.refused_events == {"W-1"}


@pytest.mark.parametrize(
    "lines",
    [
        ["UID:W-1", "RECURRENCE-ID:whenever", "DTSTART:20260616T120000Z"],
        ["UID:W-1", "RECURRENCE-ID;RANGE=THISANDFUTURE:20260615T070000Z", "DTSTART:tomorrow"],
    ],
)
def test_a_series_with_an_exception_that_may_be_of_any_date_is_refused(lines):
    made, _ = read(calendar(WEEKLY, lines))
    assert next(one for one in made if one[0] != "scheduled_start") == ("RECURRENCE-ID", "invalid")
    assert not any(str(reference).startswith("W-1") for reference, _ in made)


def test_a_cancelled_date_needs_no_start_and_one_for_all_later_dates_ends_the_series():
    one = ["UID:W-1", "RECURRENCE-ID:20260615T070000Z", "STATUS:CANCELLED"]
    found = {row.reference: row.cancellation for row in rows(calendar(WEEKLY, one))}
    assert found == {
        "W-1/20260608T070000Z": False,
        "W-1/20260615T070000Z": True,
        "W-1/20260622T070000Z": False,
    }
    later = ["UID:W-1", "RECURRENCE-ID;RANGE=THISANDFUTURE:20260615T070000Z", "STATUS:CANCELLED"]
    assert [row.reference for row in rows(calendar(WEEKLY, later)) if not row.cancellation] == [
        "W-1/20260608T070000Z"
    ]
