"""What is guessed of the tables that products export, and what is asked."""

import io
from pathlib import Path

import pytest

from assignments.imports.rows import ImportRow, UnreadableFile
from assignments.imports.tables.opening import guess_table, read_mapped
from tests.unit.assignments.imports import exports

PRODUCT_TABLES = Path(__file__).with_name("product_tables.txt")
ZONE = "Europe/Berlin"
START, END = "2026-11-23T08:00:00+00:00", "2026-11-23T09:30:00+00:00"


def guessed(text, charset="utf-8", **known):
    return guess_table(io.BytesIO(text.encode(charset)), zone=ZONE, charset=charset, **known)


def rows(text, guess, charset="utf-8"):
    """What the guessed mapping makes of the table; no row may be refused."""
    found = list(read_mapped(io.BytesIO(text.encode(charset)), charset, mapping=guess.mapping))
    assert all(isinstance(one, ImportRow) for one in found), found
    return found


def when(row):
    return row.values["scheduled_start"].isoformat(), row.values["scheduled_end"].isoformat()


@pytest.mark.parametrize(
    ("text", "date_format", "person", "place"),
    [
        (exports.OUTLOOK, "month_first", {"email": "ada@example.test"}, "Hill Road 4"),
        (exports.OUTLOOK_GERMAN, "day_first", {"email": "ada@example.test"}, "M\u00fchlweg 4"),
        (exports.OUTLOOK_FRENCH, "day_first", None, "Lyon"),
        (exports.GOOGLE, "day_first", None, "Hill Road 4"),
        (exports.JOBBER, "iso", {"name": "Ada Lovelace"}, "4 Hill Road, Leeds, LS1"),
        (exports.ODOO, "iso", {"name": "Ada Lovelace"}, "Hill Road 4"),
    ],
    ids=["outlook", "outlook_de", "outlook_fr", "google", "jobber", "odoo"],
)
def test_the_tables_of_products_are_read_as_they_are(text, date_format, person, place):
    guess = guessed(text)
    assert (guess.questions, guess.mapping.date_format) == ((), date_format)
    row = rows(text, guess)[0]
    assert when(row) == (START, END)
    assert (row.assignee, row.values["location"]) == (person, place)


def test_the_columns_of_products_are_known_by_their_names_and_values():
    fields = {
        *(
            "title",
            "scheduled_start",
            "start_date",
            "start_time",
            "scheduled_end",
            "end_date",
            "end_time",
            "times",
        ),
        *(
            "duration",
            "location",
            "assignee",
            "assignee_reference",
            "assignee_name",
            "assignee_email",
            "assignee_phone",
        ),
    }
    for name, text, columns, asked in product_tables():
        guess = guessed(text)
        found = {target: " + ".join(of) for target, of in guess.mapping.columns.items() if target in fields}
        assert found == columns, name
        assert {one.part for one in guess.questions} == asked, name


def product_tables():
    """Name, text, columns by field, and questions, of each table of the file."""
    for table in PRODUCT_TABLES.read_text("utf-8").split("\n# ")[1:]:
        name, *lines = table.strip("\n").split("\n")
        (columns,) = (line[2:] for line in lines if line.startswith("= "))
        asked = {one for line in lines if line.startswith("? ") for one in line[2:].split(", ")}
        text = "".join(f"{line}\n" for line in lines if line[:2] not in ("= ", "? "))
        yield name, text, dict(part.split("=") for part in columns.split("; ")), asked


def test_an_address_without_an_owner_beside_customers_is_nobodys():
    text = "Title,Start,Technician,{}Email,Phone\nx,2026-11-23 09:00,Ada,{}jo@example.test,555-0100\n"
    assert guessed(text.format("", "")).mapping.columns["assignee_email"] == ("Email",)
    assert guessed(text.format("Customer name,", "Jo,")).unused == ("Customer name", "Email", "Phone")


def test_the_number_of_a_job_is_no_reference_of_its_visits():
    text = "Job #,{},Start\n7,Mowing,2026-11-23 09:00\n8,Felling,2026-11-23 09:00\n"
    assert guessed(text.format("Title")).mapping.columns["reference"] == ("Job #",)
    assert "reference" not in guessed(text.format("Visit title")).mapping.columns


def test_dates_with_full_stops_have_the_day_first():
    assert guessed("Subject;Start\nx;03.02.2026 09:00\n").mapping.date_format == "day_first"
    assert guessed("Subject;Start\nx;02.13.2026 09:00\n").mapping.date_format == "month_first"
    mixed = "Subject;Start\nx;03.02.2026 09:00\ny;02.13.2026 09:00\n"
    assert [one.part for one in guessed(mixed).questions] == ["date_format"]


def test_dates_that_a_program_writes_with_midnight_are_dates():
    text = "Subject;Datum;Von;Bis\nx;23.11.2026 00:00:00;09:00;10:30\n"
    guess = guessed(text)
    assert guess.mapping.columns["start_date"] == ("Datum",)
    assert when(rows(text, guess)[0]) == (START, END)


def test_work_that_begins_at_midnight_is_no_whole_day_among_others():
    text = "Subject,Start\nx,2026-11-23 09:00\ny,2026-11-24 00:00\nz,2026-11-24 08:00\n"
    midnight = rows(text, guessed(text))[1].values["scheduled_start"]
    assert midnight.isoformat() == "2026-11-23T23:00:00+00:00"


def test_a_night_shift_ends_on_the_day_after():
    guess = guessed(exports.DEPUTY)
    assert guess.questions == ()
    row = rows(exports.DEPUTY, guess)[0]
    assert when(row) == ("2026-11-23T21:00:00+00:00", "2026-11-24T05:00:00+00:00")
    assert row.assignee == {"reference": "E-7", "name": "Ada Lovelace", "email": "ada@example.test"}


def test_odoo_ids_are_references_and_others_are_known_by_their_columns():
    assert rows(exports.ODOO, guessed(exports.ODOO))[0].reference == "__export__.calendar_event_7_a1"
    guess = guessed(exports.OUTLOOK)
    assert guess.mapping.key == ("Subject", "Start Date", "Start Time", "Required Attendees")
    one, other = (row.reference for row in rows(exports.OUTLOOK, guess))
    assert one != other
    assert [one, other] == [row.reference for row in rows(exports.OUTLOOK, guess)]


def test_dates_that_can_be_read_both_ways_are_asked_about():
    text = exports.GOOGLE.replace("23/11", "05/11")
    guess = guessed(text)
    assert [(one.part, one.choices) for one in guess.questions] == [
        ("date_format", ("day_first", "month_first"))
    ]
    assert guess.mapping.date_format is None
    for answer, start in (
        ("day_first", "2026-11-05T08:00:00+00:00"),
        ("month_first", "2026-05-11T07:00:00+00:00"),
    ):
        told = guessed(text, date_format=answer)
        assert told.questions == ()
        assert when(rows(text, told)[0])[0] == start


def test_dates_in_both_orders_are_asked_about_too():
    text = exports.GOOGLE + exports.GOOGLE.splitlines()[1].replace("23/11", "11/23") + "\n"
    assert [one.part for one in guessed(text).questions] == ["date_format"]


def test_one_date_decides_for_all_of_them():
    line = exports.GOOGLE.splitlines()[1]
    text = exports.GOOGLE.replace("23/11", "05/11") + line + "\n"
    assert guessed(text).mapping.date_format == "day_first"


def test_a_decimal_comma_and_the_unit_of_durations_are_seen_or_asked_about():
    text = "Subject;Start;Dauer\nx;2026-11-23 09:00;1,5\n"
    guess = guessed(text)
    assert (guess.mapping.decimal, [one.part for one in guess.questions]) == (",", ["duration_unit"])
    assert when(rows(text, guessed(text, duration_unit="hours"))[0]) == (START, END)
    named = text.replace("Dauer", "Duration (hours)")
    assert (guessed(named).questions, guessed(named).mapping.duration_unit) == ((), "hours")


def test_a_title_above_the_header_is_skipped():
    text = "Roster of November,,\n\n" + "Subject,Start,Stop\nx,2026-11-23 09:00,2026-11-23 10:30\n"
    guess = guessed(text)
    assert guess.mapping.header_row == 3
    (row,) = rows(text, guess)
    assert (row.number, when(row)) == (4, (START, END))


def test_what_is_missing_is_asked_and_what_is_not_used_is_named():
    guess = guessed("Colour,When\nred,2026-11-23 09:00\n")
    assert [one.part for one in guess.questions] == ["title", "scheduled_start"]
    assert guess.unused == ("Colour", "When")


def test_a_table_without_rows_is_refused():
    with pytest.raises(UnreadableFile, match="there are no rows below row 1"):
        guessed("Subject,Start\n,\n")


def test_starts_with_offsets_need_no_zone():
    assert guessed("Subject,Start\nx,2026-11-23T09:00:00+01:00\n").mapping.zone is None
    assert guessed("Subject,Start\nx,2026-11-23 09:00\n").mapping.zone == ZONE


def test_dates_as_spreadsheets_count_days_are_known():
    text = "Subject,Start\nx,46349.375\n"
    guess = guessed(text)
    assert guess.mapping.date_format == "excel"
    assert rows(text, guess)[0].values["scheduled_start"].isoformat() == START


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings_of_spreadsheets(charset):
    text = exports.OUTLOOK_GERMAN
    file = io.BytesIO(text.encode(charset))
    declared = "cp1252" if charset == "cp1252" else "utf-8"
    guess = guess_table(file, zone=ZONE, charset=declared)
    (row,) = read_mapped(io.BytesIO(text.encode(charset)), mapping=guess.mapping)
    assert row.values["title"] == "Kessel pr\u00fcfen"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_first_line_may_name_the_separator(separator):
    text = f"sep={separator}\r\n" + "Subject,Start,Notes\r\nx,2026-11-23 09:00,a\r\n".replace(",", separator)
    (row,) = rows(text, guessed(text))
    assert (row.number, row.values["notes"]) == (2, "a")
