"""XLSX as another library writes it: cells by their format, formulas, merged cells, sheets; and files that are hostile."""

import io
import re
import time
import zipfile
from datetime import datetime, timedelta
from datetime import time as clock

import pytest
from openpyxl import Workbook as Written
from openpyxl.styles import NamedStyle

from assignments.imports.rows import ImportRow, UnreadableFile
from assignments.imports.tables import xlsx_table
from assignments.imports.tables.mapping import checked_mapping
from assignments.imports.tables.opening import guess_table, open_rows, read_mapped
from assignments.imports.tables.table import Unusable
from tests.unit.assignments.imports.xlsx_files import MAIN, sheet_file, with_declared_size

ZONE = "Europe/Berlin"
START = datetime(2026, 11, 23, 9)
HEADER = ["Subject", "Start", "Stop", "Assigned to"]


def written(*rows, book=None):
    book = book or Written()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def cells(content, sheet=None):
    return [row.cells for row in open_rows(io.BytesIO(content), sheet=sheet).rows]


def test_cells_are_what_their_format_shows():
    style = NamedStyle("money", number_format='"day" #,##0.00 [Red]')
    book = Written()
    row = [
        "text",
        7,
        1.5,
        True,
        START,
        START.date(),
        clock(9, 30),
        timedelta(hours=30),
        "=1+1",
        None,
        "\u00fc_x000D_",
    ]
    content = written(row, book=book)
    read = cells(content)[0]
    formula = read.pop(8)
    assert read == [
        "text",
        7.0,
        1.5,
        True,
        START,
        datetime(2026, 11, 23),
        clock(9, 30),
        timedelta(hours=30),
        "",
        "\u00fc\r",
    ]
    assert isinstance(formula, Unusable)
    book = Written()
    book.active["A1"] = 46349.5
    book.active["A1"].style = style
    assert cells(written(book=book)) == [[46349.5]]


def test_dates_of_files_that_count_from_1904():
    book = Written()
    book.epoch = datetime(1904, 1, 1)
    assert cells(written([START], book=book)) == [[START]]


def test_the_stored_result_of_a_formula_counts():
    content = sheet_file(
        '<row r="1"><c r="A1" t="str"><f>A2</f><v>done</v></c><c r="B1"><f>1+1</f><v>2</v></c>'
        '<c r="C1" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
    )
    (row,) = cells(content)
    assert row[:2] == ["done", 2.0]
    assert "#DIV/0!" in row[2].why


def test_a_cell_that_is_merged_over_rows_counts_in_each():
    book = Written()
    content = [
        HEADER,
        ["Monday", START, None, "Ada"],
        [None, START, None, "Bo"],
        ["Tuesday", START, None, "Cy"],
    ]
    for row in content:
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    assert [row[0] for row in cells(written(book=book))] == ["Subject", "Monday", "Monday", "Tuesday"]


def test_one_of_several_sheets_has_to_be_chosen():
    book = Written()
    book.active.title = "People"
    book.create_sheet("Plan").append(HEADER)
    book.create_sheet("Old").sheet_state = "hidden"
    content = written(["Name"], book=book)
    with pytest.raises(UnreadableFile, match="several sheets: say with sheet which one of 'People', 'Plan'"):
        cells(content)
    with pytest.raises(UnreadableFile, match="no sheet 'Plans'"):
        cells(content, "Plans")
    assert cells(content, "plan") == [HEADER]
    guess = guess_table(io.BytesIO(content), zone=ZONE)
    assert ("sheet", ("People", "Plan")) in [(one.part, one.choices) for one in guess.questions]


def test_a_spreadsheet_is_guessed_and_read():
    content = written(
        HEADER, ["Boiler", START, START + timedelta(hours=1), "Ada"], [None], ["Meter", START, None, "Bo"]
    )
    guess = guess_table(io.BytesIO(content), zone=ZONE)
    assert guess.questions == ()
    found = list(read_mapped(io.BytesIO(content), mapping=guess.mapping))
    assert [row.number for row in found] == [2, 4]
    assert [row.values["scheduled_start"].isoformat() for row in found] == ["2026-11-23T08:00:00+00:00"] * 2


def test_numbers_without_a_format_are_dates_with_times_where_the_others_are():
    content = written(HEADER[:2], ["a", 46349.375], ["b", 46350.0], ["c", 46351.5])
    guess = guess_table(io.BytesIO(content), zone=ZONE)
    assert (guess.questions, guess.mapping.date_format) == ((), "excel")
    first, (error,), _ = read_mapped(io.BytesIO(content), mapping=guess.mapping)
    assert first.values["scheduled_start"].isoformat() == "2026-11-23T08:00:00+00:00"
    assert (error.row, error.column, error.code) == (3, "Start", "all_day")


def test_a_row_names_the_column_of_a_cell_without_a_value():
    content = sheet_file(
        '<row r="1"><c t="inlineStr"><is><t>Subject</t></is></c><c t="inlineStr"><is><t>Start</t></is></c></row>'
        '<row r="2"><c r="A2" t="e"><v>#REF!</v></c><c r="B2" t="inlineStr"><is><t>2026-11-23 09:00</t></is></c></row>'
    )
    mapping = checked_mapping(
        {"columns": {"title": "Subject", "scheduled_start": "Start"}, "key": ["Subject"], "zone": ZONE}
    )
    ((error,),) = read_mapped(io.BytesIO(content), mapping=mapping)
    assert (error.row, error.column, error.code) == (2, "Subject", "unusable")
    assert error.message == "this cell holds the error '#REF!' of a formula"


# --- hostile files ---


def refused(content):
    began = time.process_time()
    with pytest.raises(UnreadableFile) as refusal:
        list(open_rows(io.BytesIO(content)).rows)
    assert time.process_time() - began < 20
    return str(refusal.value)


def with_shared(texts, rows):
    """A file whose cells refer to texts that they share."""
    return sheet_file(rows, more={"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{texts}</sst>'.encode()})


def test_a_directory_that_lies_about_sizes_does_not_help():
    content = sheet_file('<row r="1"><c r="A1"><v>1</v></c></row>' + " " * 4_000_000)
    assert cells(content) == [[1.0]]
    assert "not an XLSX file" in refused(with_declared_size(content, "xl/worksheets/sheet1.xml", 400))


@pytest.mark.parametrize(
    "content",
    [
        with_shared(
            f"<si><t>{'x' * 32_000}</t></si>", ("<row>" + '<c t="s"><v>0</v></c>' * 100 + "</row>") * 100
        ),
        sheet_file(
            '<row r="1"><c r="A1"><v>1</v></c></row><row r="90000"><c r="XFD90000"><v>1</v></c></row>'
        ),
    ],
    ids=["repeated", "rectangle"],
)
def test_what_needs_more_memory_than_is_given_is_refused(content):
    assert len(content) < 10_000
    assert "more memory or time" in refused(content)


def test_a_row_longer_than_one_of_csv_is_an_error_of_its_row():
    content = with_shared(f"<si><t>{'x' * 32_000}</t></si>", "<row>" + '<c t="s"><v>0</v></c>' * 9 + "</row>")
    (row,) = open_rows(io.BytesIO(content)).rows
    assert row.broken == "the row is longer than 262,144 characters"


def test_markup_that_is_no_table_has_no_rows():
    assert cells(sheet_file("<a>" * 100_000 + "</a>" * 100_000)) == []
    assert cells(sheet_file(f'<row a="{"x" * 3_000_000}"/>')) == []


def test_a_process_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(xlsx_table, "MAX_SECONDS", 1)
    assert "more memory or time" in refused(sheet_file("<a/>" * 15_000_000))


def test_rows_that_nobody_reads_are_not_waited_for():
    content = sheet_file("".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(1, 20_000)))
    rows = open_rows(io.BytesIO(content)).rows
    assert next(rows).cells == [1.0]
    rows.close()


@pytest.mark.parametrize("prefix", ["", "x:"])
@pytest.mark.parametrize("before", [0, 200_000, 262_100, 262_144, 300_000])
def test_what_the_library_leaves_out_is_found_wherever_it_stands(before, prefix):
    row = '<c r="B2" t="e"><v>#N/A</v></c><c r="C2"><f>1+1</f><v></v></c><c r="D2"><f t="shared" si="0"/></c>'
    content = sheet_file(
        " " * before + re.sub("(</?)", rf"\1{prefix}", f'<row r="2">{row}</row>'), prefix=prefix
    )
    ((blank, error, *formulas),) = cells(content)
    assert blank == ""
    assert error.why == "the error '#N/A' of a formula"
    assert formulas == [xlsx_table.FORMULA_WITHOUT_RESULT] * 2


def test_a_cell_at_the_far_corner_costs_nothing():
    content = sheet_file(
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    )
    assert "100,000 rows" in refused(content)


@pytest.mark.parametrize("cell", ["<v>1</v>", "<f>1</f>"])
def test_cells_that_name_another_row_than_theirs_are_counted_by_their_own(cell):
    content = sheet_file(f'<row r="1"><c r="A100001">{cell}</c></row>')
    assert "100,000 rows" in refused(content)


def test_a_value_beyond_the_last_column_is_an_error_of_its_row():
    content = sheet_file('<row r="1"><c r="XFD1"><v>1</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>')
    first, second = open_rows(io.BytesIO(content)).rows
    assert first.broken == "a value stands in column XFD: no more than 512 columns are read"
    assert second.cells == [1.0]


def test_more_cells_than_are_read(monkeypatch):
    monkeypatch.setattr(xlsx_table, "MAX_CELLS", 1_000)
    assert "more than 1,000 cells" in refused(sheet_file("<row>" + "<c><v>1</v></c>" * 1_001 + "</row>"))


def test_a_text_longer_than_a_cell_holds_is_an_error_of_its_cell():
    content = sheet_file(f'<row r="1"><c t="inlineStr"><is><t>{"x" * 2_000_000}</t></is></c></row>')
    ((cell,),) = cells(content)
    assert "is longer than 32,767 characters" in cell.why


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04 and no more", "not an XLSX file"),
        (b"\xd0\xcf\x11\xe0 old", "protected by a password, or in the format of Excel 97"),
        (sheet_file('<row r="1"><c t="e"><v>#REF!</v></c></row>'), "does not say its place"),
        (sheet_file('<row r="1"><c'), "not an XLSX file"),
        (sheet_file('<row r="2"/><row r="2"/>'), "row 2 comes after row 2"),
    ],
    ids=["cut", "old", "place", "broken", "order"],
)
def test_what_is_no_table_is_refused_and_says_why(content, why):
    assert why in refused(content)


def test_what_unpacks_to_more_than_is_read(monkeypatch):
    monkeypatch.setattr(xlsx_table, "MAX_UNPACKED", 3_000_000)
    assert "unpacks to more than is read" in refused(sheet_file(" " * 4_000_000))


def test_a_directory_of_very_many_parts_is_not_read():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        for number in range(10_001):
            package.writestr(f"x{number}", b"")
    assert "more parts than" in refused(file.getvalue())


def test_rows_of_a_file_with_macros_are_read_and_these_are_not():
    content = sheet_file('<row r="1"><c r="A1"><v>1</v></c></row>', more={"xl/vbaProject.bin": b"\x00" * 100})
    assert cells(content) == [[1.0]]


def test_no_row_of_our_own_columns_guesses_a_zone():
    from assignments.imports.csv_rows import read_xlsx

    content = written(["title", "scheduled_start"], ["a", START], ["b", "2026-11-23T08:00:00Z"])
    (error,), row = read_xlsx(io.BytesIO(content))
    assert (error.row, error.code) == (2, "naive")
    assert isinstance(row, ImportRow)
