"""What the cells of tables mean, value by value; and the rows that a mapping makes of them."""

import io
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assignments.imports.rows import ImportRow, UnreadableFile
from assignments.imports.tables.mapping import checked_mapping
from assignments.imports.tables.opening import read_mapped
from assignments.imports.tables.table import letters, named
from assignments.imports.tables.values import (
    ValueNotAccepted,
    read_date,
    read_duration,
    read_flag,
    read_moment,
    read_time,
    read_times,
)
from assignments.imports.tables.xlsx_process import column_place

DAY = date(2026, 11, 3)


@pytest.mark.parametrize(
    ("text", "date_format"),
    [
        *[
            (text, style)
            for text in ("2026-11-03", "2026/11/3", "2026.11.03.")
            for style in ("iso", "day_first")
        ],
        *[
            (text, "day_first")
            for text in ("03.11.2026", "3/11/26", "3-11-2026", "3. 11. 2026", "Di, 03.11.2026")
        ],
        *[(text, "month_first") for text in ("11/03/2026", "11/3/26", "Tue 11/3/2026", "11-03-2026")],
        *[
            (text, "iso")
            for text in ("Nov 3, 2026", "3 November 2026", "3. Nov. 2026", "Tuesday, November 3, 2026")
        ],
        *[
            (text, None)
            for text in ("3 de noviembre de 2026", "3 nov. 2026", "03-Nov-26", "November 3rd, 2026")
        ],
        ("46329", "excel"),
        (datetime(2026, 11, 3, 9), "iso"),
    ],
)
def test_dates(text, date_format):
    assert read_date(text, date_format) == DAY


@pytest.mark.parametrize(
    ("text", "date_format"),
    [
        *[("03/11/2026", style) for style in ("iso", "excel", None)],
        *[
            (text, "day_first")
            for text in ("31/02/2026", "3/13/2026", "03/11/20261", "", "tomorrow", "3 Foo 2026", "46329")
        ],
        *[(text, "month_first") for text in ("13/01/2026", "0/1/2026", "11/03/0026")],
        *[(text, "excel") for text in ("-5", "99999999", "0.5")],
    ],
)
def test_what_is_no_date_names_the_value_and_the_form(text, date_format):
    with pytest.raises(ValueNotAccepted, match="is not a date: one such as") as refusal:
        read_date(text, date_format)
    assert repr(text) in str(refusal.value)


@given(day=st.dates(date(1970, 1, 1), date(2200, 12, 31)))
def test_each_order_reads_what_it_has_written(day):
    assert read_date(f"{day:%d/%m/%Y}", "day_first") == day
    assert read_date(f"{day:%m/%d/%Y}", "month_first") == day
    assert read_date(f"{day:%d %B %Y}", None) == day
    assert read_date(str((day - date(1899, 12, 30)).days), "excel") == day


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("9:00", time(9)),
        ("09:00:30", time(9, 0, 30)),
        ("9:30 AM", time(9, 30)),
        ("12:00 am", time(0)),
        ("12:15 p.m.", time(12, 15)),
        ("9 PM", time(21)),
        ("9.30", time(9, 30)),
        ("9h30", time(9, 30)),
        ("9 Uhr", time(9)),
        ("0.375", time(9)),
        (0.375, time(9)),
        (time(9), time(9)),
    ],
)
def test_times(text, clock):
    assert read_time(text) == clock


@pytest.mark.parametrize("text", ["", "25:00", "9:60", "13:00 PM", "0:30 AM", "noon", "9", "-1:00"])
def test_what_is_no_time(text):
    with pytest.raises(ValueNotAccepted, match="is not a time: one such as 09:00"):
        read_time(text)


@pytest.mark.parametrize("text", ["9:00 AM - 10:30 AM", "09:00-10:30", "9:00 \u2013 10:30", "9:00 bis 10:30"])
def test_spans_of_times(text):
    assert read_times(text) == (time(9), time(10, 30))


@pytest.mark.parametrize(
    ("text", "unit", "decimal", "minutes"),
    [
        ("90", "minutes", ".", 90),
        ("1.5", "hours", ".", 90),
        ("1,5", "hours", ",", 90),
        ("1:30", None, ".", 90),
        ("1 h 30 min", None, ".", 90),
        ("90 min", "hours", ".", 90),
        ("1,5 Std", None, ".", 90),
        (timedelta(minutes=90), None, ".", 90),
    ],
)
def test_durations(text, unit, decimal, minutes):
    assert read_duration(text, unit, decimal) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("text", "unit"), [("90", None), ("-1", "hours"), ("1,5", "hours"), ("9999", "hours"), ("long", "hours")]
)
def test_what_is_no_duration(text, unit):
    with pytest.raises(ValueNotAccepted, match="is not a duration"):
        read_duration(text, unit, ".")


def test_yes_and_no():
    assert [read_flag(word) for word in ("TRUE", "ja", "Wahr", True)] == [True] * 4
    assert [read_flag(word) for word in ("", "False", "Aus", "non", False)] == [False] * 5
    with pytest.raises(ValueNotAccepted, match="'perhaps' is not yes or no"):
        read_flag("perhaps")


def test_a_date_with_a_time():
    assert read_moment("03.11.2026 09:00", "day_first") == datetime(2026, 11, 3, 9)
    assert read_moment("11/3/2026, 9:00 AM", "month_first") == datetime(2026, 11, 3, 9)
    assert read_moment("2026-11-03T09:00:00", None) == datetime(2026, 11, 3, 9)
    assert read_moment("46329,375", "excel") == datetime(2026, 11, 3, 9)
    assert read_moment("2026-11-03T09:00:00+01:00", None).isoformat() == "2026-11-03T08:00:00+00:00"


@given(place=st.integers(0, 16_383))
def test_columns_are_lettered_as_spreadsheets_do(place):
    assert column_place(letters(place).encode()) == place


def test_columns_of_one_name_and_without_one():
    assert named(["Fin", "Fin", "", "a\n b", 7.0]) == ["Fin", "Fin (2)", "column C", "a b", "7.0"]


# --- rows ---

MAPPING = {
    "columns": {
        "title": "What",
        "start_date": "Day",
        "start_time": "Time",
        "end_time": "End",
        "all_day": "Whole",
    },
    "key": ["What"],
    "date_format": "day_first",
    "zone": "Europe/Berlin",
}


def rows(text, **changes):
    mapping = checked_mapping({**MAPPING, **changes})
    return list(read_mapped(io.BytesIO(text.encode()), mapping=mapping))


def test_whole_days_begin_when_the_mapping_says_or_are_refused():
    text = "What,Day,Time,End,Whole\nx,23.11.2026,00:00,,TRUE\ny,23.11.2026,,,\n"
    assert [one[0].code for one in rows(text)] == ["all_day", "all_day"]
    taken = rows(text, all_day_start="08:00")
    assert [one.values["scheduled_start"].isoformat() for one in taken] == ["2026-11-23T07:00:00+00:00"] * 2


@pytest.mark.parametrize(
    ("local", "code"), [("29.03.2026,02:30", "nonexistent"), ("25.10.2026,02:30", "ambiguous")]
)
def test_a_time_that_a_clock_change_skips_or_repeats_is_refused(local, code):
    ((error,),) = rows(f"What,Day,Time,End,Whole\nx,{local},,\n")
    assert (error.code, error.column) == (code, "Day, Time")


def test_a_duration_is_one_of_instants():
    """Over a clock change too: eight hours of work end nine hours later by the clock."""
    changes = {"columns": {**MAPPING["columns"], "duration": "For"}, "duration_unit": "hours"}
    (row,) = rows("What,Day,Time,End,Whole,For\nx,28.03.2026,22:00,,,8\n", **changes)
    assert row.values["scheduled_end"] - row.values["scheduled_start"] == timedelta(hours=8)
    assert row.values["scheduled_end"].isoformat() == "2026-03-29T05:00:00+00:00"


@pytest.mark.parametrize(
    ("cell", "person"),
    [
        ("Ada Lovelace <ada@example.test>", {"name": "Ada Lovelace", "email": "ada@example.test"}),
        ("ada@example.test", {"email": "ada@example.test"}),
        ("Ada Lovelace", {"name": "Ada Lovelace"}),
        ("", None),
    ],
)
def test_how_a_person_is_named(cell, person):
    changes = {"columns": {**MAPPING["columns"], "assignee": "Who"}}
    (row,) = rows(f"What,Day,Time,End,Whole,Who\nx,23.11.2026,09:00,,,{cell}\n", **changes)
    assert row.assignee == person


@pytest.mark.parametrize(
    ("cell", "people"),
    [
        ("a@b.test; C D <c@d.test>", [{"email": "a@b.test"}, {"name": "C D", "email": "c@d.test"}]),
        ("a@b.test, c@d.test, a@b.test", [{"email": "a@b.test"}, {"email": "c@d.test"}]),
        ("Lovelace, Ada; Bo", [{"name": "Lovelace, Ada"}, {"name": "Bo"}]),
        ("Lovelace, Ada", [{"name": "Lovelace, Ada"}]),
    ],
)
def test_each_person_of_a_cell_gets_the_work(cell, people):
    changes = {"columns": {**MAPPING["columns"], "assignee": "Who"}}
    found = rows(f'What,Day,Time,End,Whole,Who\nx,23.11.2026,09:00,,,"{cell}"\n', **changes)
    assert [row.assignee for row in found] == people
    assert len({row.reference for row in found}) == len(people)


@pytest.mark.parametrize("changes", [{"key": ["What"]}, {"key": ["What", "Who"]}, {"reference": "Key"}])
def test_who_had_the_work_keeps_it_when_somebody_joins(changes):
    columns = {**MAPPING["columns"], "assignee": "Who"} | (
        {"reference": "Key"} if "reference" in changes else {}
    )
    key = changes.get("key", [])
    text = "Key,What,Day,Time,End,Whole,Who\nW-1,x,23.11.2026,09:00,,,{}\n"
    alone, both = (
        rows(text.format(who), columns=columns, key=key) for who in ("a@b.test", "a@b.test;c@d.test")
    )
    assert [row.assignee["email"] for row in both] == ["a@b.test", "c@d.test"]
    assert both[0].reference == alone[0].reference != both[1].reference


def test_people_without_anything_between_them_are_refused():
    changes = {"columns": {**MAPPING["columns"], "assignee": "Who"}}
    ((error,),) = rows("What,Day,Time,End,Whole,Who\nx,23.11.2026,09:00,,,a@b.test c@d.test\n", **changes)
    assert (error.code, error.column) == ("several", "Who")


def test_words_of_a_status_are_known_or_said_by_the_mapping():
    changes = {"columns": {**MAPPING["columns"], "status": "State"}}
    text = "What,Day,Time,End,Whole,State\nx,23.11.2026,09:00,,,storniert\ny,23.11.2026,09:00,,,Shelved\n"
    taken, (error,) = rows(text, **changes)
    assert (taken.status, error.column) == ("CANCELLED", "State")
    assert "'Shelved' is not a known status" in error.message
    assert rows(text, **changes, status_words={"Shelved": "CANCELLED"})[1].status == "CANCELLED"


def test_an_oversize_cell_and_a_broken_quotation_mark_are_named_by_row():
    text = f'What,Day,Time,End,Whole\n{"x" * 300_000},23.11.2026,09:00,,\n"y,23.11.2026,09:00,,\nz,23.11.2026,09:00,,\n'
    long, quoted, good = rows(text)
    assert (long[0].row, "longer than 262,144 characters" in long[0].message) == (2, True)
    assert (quoted[0].row, "a quotation mark is not closed" in quoted[0].message) == (3, True)
    assert (good.number, isinstance(good, ImportRow)) == (4, True)


def test_more_cells_than_columns_are_refused_and_fewer_are_empty():
    more, fewer = rows("What,Day,Time,End,Whole\nx,23.11.2026,09:00,,,,extra\ny,23.11.2026,09:00\n")
    assert (more[0].code, isinstance(fewer, ImportRow)) == ("columns", True)


def test_a_row_or_a_header_of_very_many_cells_is_refused():
    wide, good = rows("What,Day,Time,End,Whole\n" + "x," * 60_000 + "x\ny,23.11.2026,09:00,,\n")
    assert "more than 512 cells" in wide[0].message
    assert isinstance(good, ImportRow)
    for header in ("a," * 60_000, "a," * 1_000_000):
        with pytest.raises(UnreadableFile, match="row 1 does not name the columns: "):
            rows(header)


def test_ten_megabytes_in_a_line_cost_one_row():
    text = "What,Day,Time,End,Whole\n" + "x" * 10_000_000 + "\ny,23.11.2026,09:00,,\n"
    assert [isinstance(one, ImportRow) for one in rows(text)] == [False, True]
