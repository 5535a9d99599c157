"""CSV as spreadsheets and people write it: headers, charsets, broken quotation marks, and what errors say."""

import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assignments import services
from assignments.imports.csv_rows import read_csv
from assignments.imports.formulas import FORMULA, guarded, unguarded
from assignments.imports.rows import ImportRow, UnreadableFile
from assignments.models import Assignee, Assignment
from tests import acting
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db

URL = "/api/assignments/import"
HEADER = "reference,title,scheduled_start,assignee_name,assignee_email"
START = "2026-06-15T13:00:00Z"


def sent(api, text, charset="utf-8", query=""):
    body = text if isinstance(text, bytes) else text.encode()
    return api.post(URL + query, body, content_type=f'text/csv; charset="{charset}"')


def read(text):
    """Numbers of the good rows, and number and code of the errors."""
    rows = list(read_csv(io.BytesIO(text.encode())))
    good = [row.number for row in rows if isinstance(row, ImportRow)]
    return good, [(one.row, one.code) for row in rows if not isinstance(row, ImportRow) for one in row]


def test_a_broken_row_costs_only_itself():
    lines = [
        HEADER,
        f"W-1,a,{START},,",
        f'W-2,"b,{START},,',
        f"W-3,c,{START},,",
        f'W-4,"d"d,{START},,',
        f"W-5,e,{START},,",
    ]
    assert read("\n".join(lines)) == ([2, 4, 6], [(3, "broken_csv"), (5, "broken_csv")])


def test_a_cell_may_have_several_lines():
    assert read(f'{HEADER},notes\nW-1,a,{START},,,"b\n\n""c"""\nW-2,a,{START},,,\n') == ([2, 3], [])


def test_a_long_row_is_broken_and_the_next_is_read():
    lines = [HEADER, f'W-1,"{"x" * 70_000}', "y" * 70_000, "z" * 70_000, "z" * 70_000, f"W-2,a,{START},,"]
    good, errors = read("\n".join(lines))
    assert (good, errors[0]) == ([6], (2, "broken_csv"))


def test_quotation_marks_that_are_never_closed_do_not_take_long():
    """Each line opens one in the eyes of whoever begins with it, and of whoever comes from the line before."""
    begun = time.monotonic()
    with pytest.raises(
        UnreadableFile, match='\'a",b","c\' is not CSV: a quotation mark is not closed, and so in'
    ):
        read(f"{HEADER}\n" + 'a",b","c\n' * 20_000)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_rows_behind_a_quotation_mark_that_is_never_closed_are_read(end, separator):
    lines = [
        HEADER,
        f'W-1,"a,{START},,',
        *(f"W-{n},b,{START},," for n in range(2, 5_000)),
        f'W-5000,"c,{START},,',
    ]
    text = end.join(lines).replace(",", separator)
    assert read(text) == ([*range(3, 5_001)], [(2, "broken_csv"), (5_001, "broken_csv")])


def test_the_header_may_be_written_as_people_write():
    assert read(f"Title ; Scheduled Start;ASSIGNEE-NAME\na;{START};Ada\n") == ([2], [])


@pytest.mark.parametrize("charset", ["iso-8859-1", "Windows-1252", "utf8"])
def test_a_declared_charset_is_read(api, charset):
    text = f"title,scheduled_start\nM\u00fcll,{START}\n".encode(charset)
    assert sent(api, text, charset).status_code == 200
    assert Assignment.objects.get().title == "M\u00fcll"


def test_blanks_around_a_date_do_not_matter(api):
    assert sent(api, f"title,scheduled_start,lead_minutes\nx, {START} , 30 \n").status_code == 200
    assert Assignment.objects.get().lead_minutes == 30


def test_an_address_without_a_name_is_its_own_name(api):
    assert sent(api, f"{HEADER}\nW-1,x,{START},,depot@example.com\n").status_code == 200
    assert Assignee.objects.get().name == "depot@example.com"


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("W-1,x,tomorrow,,", "'tomorrow'"),
        (f"W-1,x,{START},Ada,ada", "ada"),
        ("W-1,x,2026-06-15T13:00:00,,", "'2026-06-15T13:00:00'"),
    ],
)
def test_an_error_names_the_value(api, row, value):
    refused = sent(api, f"{HEADER}\n{row}\n")
    assert refused.status_code == 400
    assert value in refused.json()["errors"][0]["message"]


def test_an_unknown_column_is_named_as_it_was_written(api):
    refused = sent(api, "title,scheduled_start,Colour of Door\n")
    assert "'Colour of Door' is not a column" in refused.json()["errors"][0]["message"]


@pytest.mark.parametrize("end", [services.cancel, acting.complete])
def test_work_that_ended_here_and_stands_there_unchanged_is_no_error(api, end):
    end(AssignmentFactory(reference="W-1", title="x", assignee=None).pk)
    assert sent(api, f"{HEADER}\nW-1,x,{START},,\nW-2,x,{START},,\n").json()["unchanged"] == 1
    refused = sent(api, f"{HEADER}\nW-1,x,2026-06-16T13:00:00Z,,\nW-3,x,{START},,\n")
    assert [(one["row"], one["code"]) for one in refused.json()["errors"]] == [(2, "conflict")]


# --- sizes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["kind," * 60_000, "kind;" * 3_000, "a" * 300_000, "," * 10_000])
def test_a_huge_header_is_refused_at_once(header):
    began = time.process_time()
    with pytest.raises(UnreadableFile):
        list(read_csv(io.BytesIO(header.encode())))
    assert time.process_time() - began < 1


# --- formulas --------------------------------------------------------------------------------------------------

PIECES = st.lists(
    st.sampled_from(["'", "=", "+", "-", "@", "\t", "\r", "\n", ";", ",", "x", "\uff1d"]), max_size=8
)


@given(pieces=PIECES)
def test_no_cell_is_a_formula_and_each_comes_back_as_it_was(pieces):
    text = "".join(pieces)
    assert unguarded(guarded(text)) == text
    starts = tuple(FORMULA.strip("[]").replace("\\", ""))
    for separator in ",;\t":
        for cell in guarded(text).split(separator)[:1]:
            assert not cell.startswith(starts[:4] + starts[6:])


@pytest.mark.parametrize("text", ["=1+1", "'=1+1", "''=1", "x;=1+1", "\uff1dcmd", "@a", "-1", "it's", "'a'"])
def test_a_file_that_was_exported_is_imported_unchanged(api, text):
    AssignmentFactory(reference=text, title=text, assignee__name=text, assignee__email="")
    before = [list(model.objects.order_by("pk").values()) for model in (Assignment, Assignee)]
    file = b"".join(api.get("/api/assignments/export"))
    cells = [cell for row in csv.reader(io.StringIO(file.decode())) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d"))]
    assert sent(api, file).json()["unchanged"] == 1
    assert [list(model.objects.order_by("pk").values()) for model in (Assignment, Assignee)] == before
