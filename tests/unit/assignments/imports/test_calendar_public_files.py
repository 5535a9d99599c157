"""Kinds of events that public calendar files showed, each written anew."""

from datetime import time

import pytest

from assignments.imports.rows import UnreadableFile
from assignments.imports.vcalendar_rules import from_vcalendar
from tests.unit.assignments.imports.reading import NAMED, calendar, read, rows, starts

AT_NINE = "DTSTART:20260608T090000Z"
OWN_ZONE = """BEGIN:VTIMEZONE
TZID:Own
BEGIN:STANDARD
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
DTSTART:19671029T020000
RRULE:FREQ=MONTHLY;INTERVAL=12;BYDAY=-1SU
END:STANDARD
BEGIN:DAYLIGHT
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
DTSTART:19870405T020000
RRULE:FREQ=MONTHLY;INTERVAL=12;BYDAY=1SU
END:DAYLIGHT
END:VTIMEZONE""".splitlines()


def bare(*events: list[str]) -> str:
    """Events without a calendar around them."""
    return "\r\n".join(line for event in events for line in ["BEGIN:VEVENT", *event, "END:VEVENT"])


def test_a_file_of_events_without_a_calendar_around_them_is_read() -> None:
    text = bare([*NAMED, AT_NINE], ["UID:W-2", AT_NINE])
    assert [one.reference for one in rows(text)] == ["W-1", "W-2"]


def test_a_series_without_a_calendar_around_it_waits_for_its_exceptions() -> None:
    text = bare(
        [*NAMED, AT_NINE, "RRULE:FREQ=DAILY;COUNT=2"],
        [*NAMED, "DTSTART:20260609T110000Z", "RECURRENCE-ID:20260609T090000Z"],
    )
    assert starts(text) == ["06-08 09:00", "06-09 11:00"]


def test_an_event_without_a_calendar_that_is_cut_off_makes_the_file_unreadable() -> None:
    with pytest.raises(UnreadableFile, match="cut off"):
        read(bare([*NAMED, AT_NINE]).removesuffix("END:VEVENT"))


def test_a_task_whose_end_is_missing_does_not_hide_the_events_after_it() -> None:
    text = calendar([*NAMED, AT_NINE]).replace(
        "BEGIN:VEVENT", "BEGIN:VTODO\r\nUID:T-1\r\nEND:VTOOD\r\nBEGIN:VEVENT"
    )
    found, file = read(text)
    assert found == [("W-1", "06-08 09:00")]
    assert file.notes.left_out == {"VTODO": 1}


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("US-Eastern", "06-08 13:00"),
        ("America_New_York", "06-08 13:00"),
        ("/Mozilla.org/BasicTimezones/GMT", "06-08 09:00"),
        ('"(GMT-08.00) Pacific Time (US & Canada)/Tijuana"', "06-08 16:00"),
    ],
)
def test_further_names_of_zones_are_known(zone: str, start: str) -> None:
    assert starts(calendar([*NAMED, f"DTSTART;TZID={zone}:20260608T090000"])) == [start]


@pytest.mark.parametrize(
    "zone", ["No-Where", "-", "/example.org/Nowhere", "(GMT-05.00) Pacific Time (US & Canada)/Tijuana"]
)
def test_other_names_stay_unknown(zone: str) -> None:
    found, _ = read(calendar([*NAMED, f'DTSTART;TZID="{zone}":20260608T090000']))
    assert found == [("scheduled_start", "unknown_time_zone")]


def test_a_zone_whose_clocks_change_every_twelve_months_is_read() -> None:
    summer, winter = ([f"UID:{month}", f"DTSTART;TZID=Own:2026{month}08T090000"] for month in ("06", "12"))
    assert starts(calendar(summer, winter, head=OWN_ZONE)) == ["06-08 13:00", "12-08 14:00"]


def test_days_with_and_without_a_number_in_one_rule_are_all_dates() -> None:
    rule = "RRULE:FREQ=MONTHLY;BYDAY=TU,1MO;UNTIL=20260630T235959Z"
    assert starts(calendar([*NAMED, "DTSTART:20260601T090000Z", rule])) == [
        "06-01 09:00",
        *(f"06-{day:02} 09:00" for day in (2, 9, 16, 23, 30)),
    ]


def test_exceptions_may_be_parted_by_semicolons() -> None:
    event = [*NAMED, AT_NINE, "RRULE:FREQ=DAILY;COUNT=4", "EXDATE:20260609T090000Z;20260610T090000Z"]
    assert starts(calendar(event)) == ["06-08 09:00", "06-11 09:00"]


def test_of_several_revisions_of_a_series_the_last_counts() -> None:
    former = [*NAMED, AT_NINE, "RRULE:FREQ=DAILY;COUNT=3"]
    latter = [*former, "EXDATE:20260609T090000Z"]
    found, file = read(calendar(former, latter))
    assert [start for _, start in found] == ["06-08 09:00", "06-10 09:00"]
    assert file.notes.left_out == {"former revisions of repeating events": 1}
    assert starts(calendar([*latter, "SEQUENCE:2"], [*former, "SEQUENCE:1"])) == [
        "06-08 09:00",
        "06-10 09:00",
    ]


def test_a_revision_that_cancels_a_series_ends_it() -> None:
    former = [*NAMED, AT_NINE, "RRULE:FREQ=DAILY;COUNT=3"]
    found = rows(calendar(former, [*former, "SEQUENCE:1", "STATUS:CANCELLED"]))
    assert [(one.reference, one.cancellation) for one in found] == [("W-1", True)]


def test_an_end_that_is_a_whole_day_is_left_out_of_an_event_with_a_time() -> None:
    text = calendar([*NAMED, AT_NINE, "DTEND;VALUE=DATE:20260609"])
    _, file = read(text)
    assert [(one.field, one.code) for one in file.notes.rows] == [("scheduled_end", "left_out")]
    assert "scheduled_end" not in rows(text)[0].values


def test_a_title_longer_than_the_field_is_cut_and_noted() -> None:
    text = calendar(["UID:W-1", f"SUMMARY:{'x' * 199}yz", AT_NINE])
    assert rows(text)[0].values["title"] == f"{'x' * 199}…"
    _, file = read(text)
    assert [(one.field, one.code) for one in file.notes.rows] == [("title", "shortened")]
    assert rows(calendar(["UID:W-1", f"SUMMARY:{'x' * 200}", AT_NINE]))[0].values["title"] == "x" * 200


@pytest.mark.parametrize("line", ["ORGANIZER:somebody", "ATTENDEE:somebody"])
def test_who_has_neither_address_nor_name_gets_no_assignment_and_is_noted(line: str) -> None:
    text = calendar([*NAMED, AT_NINE, line])
    found, file = read(text)
    assert found == [("W-1", "06-08 09:00")]
    assert rows(text)[0].assignee is None
    assert file.notes.left_out == {"attendees without an address or a name": 1}


def test_who_has_sent_somebody_else_gets_no_assignment() -> None:
    event = [
        *NAMED,
        AT_NINE,
        'ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO="mailto:bo@example.test":mailto:ada@example.test',
        "ATTENDEE:mailto:bo@example.test",
    ]
    assert [one.assignee for one in rows(calendar(event))] == [{"email": "bo@example.test"}]


def test_a_single_event_before_all_years_is_of_the_past_and_a_birthday_is_not() -> None:
    found, file = read(
        calendar(
            ["UID:W-1", "DTSTART;VALUE=DATE:19011205"],
            ["UID:W-2", "DTSTART;VALUE=DATE:19010605", "RRULE:FREQ=YEARLY"],
        ),
        all_day=time(8),
        zone="Europe/Berlin",
    )
    assert found == [("W-2/20260605", "06-05 06:00")]
    assert file.notes.left_out == {"events in the past": 1}


def test_quoted_printable_of_vcalendar_is_decoded_over_its_lines() -> None:
    text = calendar(
        [
            "UID:W-1",
            "SUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:B=C3=BCro =",
            "aufschlie=C3=9Fen: links",
            AT_NINE,
        ]
    )
    assert rows(text)[0].values["title"] == "Büro aufschließen: links"


def test_quoted_printable_in_another_charset_than_declared_is_refused() -> None:
    found, _ = read(calendar(["UID:W-1", "SUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:B=FCro", AT_NINE]))
    assert found == [("title", "invalid")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("D3 #50", "FREQ=DAILY;INTERVAL=3;COUNT=50"),
        ("d1 #0", "FREQ=DAILY;INTERVAL=1"),
        ("W2 TU TH #27", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;COUNT=27"),
        ("W1 MO 20261129T100000 #5", "FREQ=WEEKLY;INTERVAL=1;BYDAY=MO;UNTIL=20261129T100000"),
        ("MP3 3+ FR 1- MO #17", "FREQ=MONTHLY;INTERVAL=3;BYDAY=3FR,-1MO;COUNT=17"),
        ("MP1 1+ 3+ MO #4", "FREQ=MONTHLY;INTERVAL=1;BYDAY=1MO,3MO;COUNT=4"),
        (
            "MD1 2- LD 15 20261231T000000Z",
            "FREQ=MONTHLY;INTERVAL=1;BYMONTHDAY=-2,-1,15;UNTIL=20261231T000000Z",
        ),
        ("YM1 5 7 #3", "FREQ=YEARLY;INTERVAL=1;BYMONTH=5,7;COUNT=3"),
        ("YD1 141 #17", "FREQ=YEARLY;INTERVAL=1;BYYEARDAY=141;COUNT=17"),
    ],
)
def test_rules_of_vcalendar_are_those_of_rfc_5545(old: str, new: str) -> None:
    assert from_vcalendar(old) == new


@pytest.mark.parametrize(
    "text", ["W2 TU", "D1 MO #3", "MP1 MO #3", "MP1 1+ #3", "MD1 XX #3", "YM1 MO #3", "MP1 1+ MO D1 #5", ""]
)
def test_what_is_no_complete_rule_of_vcalendar_is_left_as_it_is(text: str) -> None:
    assert from_vcalendar(text) == text


def test_a_series_of_vcalendar_has_its_dates() -> None:
    assert starts(calendar([*NAMED, AT_NINE, "RRULE:W1 MO WE #3"], head=["VERSION:1.0"])) == [
        "06-08 09:00",
        "06-10 09:00",
        "06-15 09:00",
    ]
    found, _ = read(calendar([*NAMED, AT_NINE, "RRULE:W1 MO WE"]))
    assert found == [("RRULE", "invalid")]
