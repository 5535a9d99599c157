"""Zones of calendars: the instants are those of an independent implementation, or the time is refused."""

import time as process
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

import pytest
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from assignments.imports.calendar_zone_names import DISPLAYED
from assignments.instants import known_zone
from tests.unit.assignments.imports.reading import NAMED, calendar, read, rows, starts


def definition(name, *, standard="-0500", daylight="-0400", since="20070311", until="20071104"):
    return [
        *("BEGIN:VTIMEZONE", f"TZID:{name}"),
        *("BEGIN:STANDARD", f"DTSTART:{until}T020000", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU"),
        *(f"TZOFFSETFROM:{daylight}", f"TZOFFSETTO:{standard}", "END:STANDARD"),
        *("BEGIN:DAYLIGHT", f"DTSTART:{since}T020000", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU"),
        *(f"TZOFFSETFROM:{standard}", f"TZOFFSETTO:{daylight}", "END:DAYLIGHT", "END:VTIMEZONE"),
    ]


@pytest.mark.parametrize("name", ["Custom", "EST", "tzone://Microsoft/Custom", "(UTC-05:00) Ost-Zeit"])
def test_a_defined_zone_has_the_instants_of_the_zone_database(name):
    lines = definition(name)
    zone = ZoneInfo("America/New_York")
    locals_ = [datetime(2026, 7, 1, 9) + timedelta(days=3.5 * n) for n in range(100)]
    events = [
        [f"UID:{n}", "SUMMARY:x", f'DTSTART;TZID="{name}":{local:%Y%m%dT%H%M%S}']
        for n, local in enumerate(locals_)
    ]
    found = [one.values["scheduled_start"] for one in rows(calendar(*events, head=lines))]
    assert found == [local.replace(tzinfo=zone).astimezone(UTC) for local in locals_]


def test_a_definition_that_has_always_held_is_read():
    lines = definition("Mine", since="00010101", until="00010101")
    text = calendar([*NAMED, "DTSTART;TZID=Mine:20260706T090000"], head=lines)
    assert starts(text) == ["07-06 13:00"]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("DTSTART;TZID=/mozilla.org/20050126_1/Europe/Berlin:20260706T090000", "07-06 07:00"),
        (
            "DTSTART;TZID=/freeassociation.sourceforge.net/Tzfile/America/New_York:20260706T090000",
            "07-06 13:00",
        ),
        (
            "DTSTART;TZID=/softwarestudio.org/Olson_20011030_5/America/Argentina/Ushuaia:20260706T090000",
            "07-06 12:00",
        ),
        ('DTSTART;TZID="W. Europe Standard Time":20260706T090000', "07-06 07:00"),
        ("DTSTART;TZID=Romance Standard Time:20260706T090000", "07-06 07:00"),
        ("DTSTART;TZID=Europe/Berlin:20260706T090000Z", "07-06 09:00"),
        ("DTSTART;TZID=Nowhere At All:20260706T090000Z", "07-06 09:00"),
        ("DTSTART;TZID=EST:20260706T090000", "07-06 14:00"),
        ('DTSTART;TZID="(UTC-05:00) Eastern Time (US & Canada)":20260706T090000', "07-06 13:00"),
        ('DTSTART;TZID="(GMT+10:00) Canberra, Melbourne, Sydney":20260706T090000', "07-05 23:00"),
        (
            'DTSTART;TZID="(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna":20260706T090000',
            "07-06 07:00",
        ),
        ('DTSTART;TZID="UTC+05:30":20260706T090000', "07-06 03:30"),
    ],
)
def test_a_name_means_one_instant(stated, expected):
    assert starts(calendar([*NAMED, stated])) == [expected]


@pytest.mark.parametrize(
    "name", ["Factory", "localtime", "posixrules", "posix/Europe/Berlin", "Nowhere", "GMT+1"]
)
def test_a_name_that_is_no_place_is_refused(name):
    assert read(calendar([*NAMED, f"DTSTART;TZID={name}:20260706T090000"]))[0] == [
        ("scheduled_start", "unknown_time_zone")
    ]


@pytest.mark.parametrize("head", [["X-WR-TIMEZONE:Europe/Berlin"], []])
def test_a_local_time_is_in_the_zone_of_the_import_else_of_the_calendar_else_refused(head):
    text = calendar([*NAMED, "DTSTART:20260706T090000"], head=head)
    assert starts(text, zone="America/New_York") == ["07-06 13:00"]
    assert read(text)[0] == ([("W-1", "07-06 07:00")] if head else [("scheduled_start", "naive")])


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("DTSTART;VALUE=DATE:20260706", "07-06 12:30"),
        ("DTSTART;TZID=Europe/Berlin:20260706", "07-06 06:30"),
        ("DTSTART;TZID=Europe/Berlin;VALUE=DATE:20260706", "07-06 06:30"),
    ],
)
def test_a_whole_day_begins_when_the_import_says(stated, expected):
    text = calendar([*NAMED, stated, "DTEND;VALUE=DATE:20260707"])
    (one,) = rows(text, zone="America/New_York", all_day=time_of_day(8, 30))
    assert (f"{one.values['scheduled_start']:%m-%d %H:%M}", one.values.get("scheduled_end")) == (
        expected,
        None,
    )
    assert read(text, zone="America/New_York")[0] == [("scheduled_start", "all_day")]


@pytest.mark.parametrize(
    ("duration", "expected"),
    [("PT1H30M", "06-15 14:30"), ("P1D", "06-16 13:00"), ("P1W", "06-22 13:00"), ("P1DT2H", "06-16 15:00")],
)
def test_a_length_in_place_of_an_end(duration, expected):
    (one,) = rows(calendar([*NAMED, "DTSTART:20260615T130000Z", f"DURATION:{duration}"]))
    assert f"{one.values['scheduled_end']:%m-%d %H:%M}" == expected


def test_a_day_in_a_length_is_a_day_of_the_calendar():
    (one,) = rows(calendar([*NAMED, "DTSTART;TZID=Europe/Berlin:20261024T120000", "DURATION:P1D"]))
    assert one.values["scheduled_end"] - one.values["scheduled_start"] == timedelta(hours=25)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        f"FREQ=YEARLY;BYDAY=MO,TU;BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))}",
        "FREQ=SECONDLY;BYMONTH=1",
    ],
)
def test_a_definition_that_takes_too_long_is_no_zone(rule):
    lines = [f"RRULE:{rule}" if line.startswith("RRULE") else line for line in definition("Mine")]
    begun = process.thread_time()
    found, _ = read(calendar([*NAMED, "DTSTART;TZID=Mine:20260706T090000"], head=lines))
    if "BYMONTHDAY=30" not in rule:
        assert found == [("scheduled_start", "unknown_time_zone")]
    assert process.thread_time() - begun < 10


def test_a_whole_day_in_a_zone_that_is_not_known_is_refused():
    text = calendar([*NAMED, "DTSTART;TZID=Nowhere:20260706"])
    assert read(text, all_day=time_of_day(8))[0] == [("scheduled_start", "unknown_time_zone")]


def test_every_displayed_name_is_that_of_a_zone():
    zones = {name: known_zone(WINDOWS_TO_OLSON.get(windows, windows)) for name, windows in DISPLAYED.items()}
    assert [name for name, zone in zones.items() if zone is None] == []
