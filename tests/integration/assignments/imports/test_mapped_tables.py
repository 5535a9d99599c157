"""Tables under a mapping: in the command and in the API, twice, with errors that name the column, and within team limits."""

import csv
import io
import json

import pytest
from django.core.management import CommandError, call_command
from openpyxl import Workbook

from assignments import teams
from assignments.import_models import ImportMapping
from assignments.imports.formats import XLSX
from assignments.models import Assignee, Assignment
from reminders.models import Audit, Reminder
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller
from tests.unit.assignments.imports import exports

pytestmark = pytest.mark.django_db

URL, MAPPINGS = "/api/assignments/import", "/api/import-mappings"
GOOGLE = {
    "columns": {
        "title": "Subject",
        "start_date": "Start Date",
        "start_time": "Start Time",
        "end_date": "End Date",
        "end_time": "End Time",
        "location": "Location",
    },
    "key": ["Subject", "Start Date", "Start Time"],
    "date_format": "day_first",
    "zone": "Europe/Berlin",
    "constants": {"kind": "visit"},
}


@pytest.fixture
def mapped(api):
    assert api.post(MAPPINGS, {"name": "Google", "mapping": GOOGLE}).status_code == 201
    return api


def sent(api, text, query="?mapping=google", content_type="text/csv"):
    return api.post(URL + query, text, content_type=content_type)


def test_the_same_file_twice_changes_nothing(mapped):
    assert sent(mapped, exports.GOOGLE).json()["created"] == 1
    work = Assignment.objects.get()
    assert (work.title, work.kind, work.location) == ("Boiler check", "visit", "Hill Road 4")
    assert work.scheduled_start.isoformat() == "2026-11-23T08:00:00+00:00"
    assert work.reference.startswith("table:")
    assert sent(mapped, exports.GOOGLE).json()["unchanged"] == 1


def test_what_differs_in_no_key_column_is_the_same_work(mapped):
    sent(mapped, exports.GOOGLE)
    assert sent(mapped, exports.GOOGLE.replace("Hill Road", "Main Road")).json()["updated"] == 1
    assert sent(mapped, exports.GOOGLE.replace("09:00", "08:00")).json()["created"] == 1


def test_errors_name_row_column_value_and_the_accepted_form(mapped):
    text = (
        exports.GOOGLE
        + "x,31/02/2026,09:00,,10:00,,,,\n"
        + "x,23/11/2026,25:00,,,,,,\n"
        + "x,25/10/2026,02:30,,,,,,\n"
        + "x,23/11/2026,09:00,23/11/2026,08:00,,,,\n"
    )
    errors = sent(mapped, text).json()["errors"]
    assert [(one["row"], one["column"], one["code"]) for one in errors] == [
        (3, "Start Date", "invalid_date"),
        (4, "Start Time", "invalid_time"),
        (5, "Start Date, Start Time", "ambiguous"),
        (6, "End Date, End Time", "invalid"),
    ]
    assert errors[3]["message"] == "the end 2026-11-23 08:00 is before the start 2026-11-23 09:00"
    assert errors[0]["message"] == (
        "'31/02/2026' is not a date: one such as 23.11.2026, 23/11/2026 or 23-11-2026 is needed"
    )
    assert Assignment.objects.count() == 0


def test_an_error_of_a_person_names_the_column_too(api):
    mapping = {
        "columns": {"title": "What", "scheduled_start": "When", "assignee_email": "Mail", "reference": "Key"}
    }
    api.post(MAPPINGS, {"name": "m", "mapping": mapping})
    text = "What;When;Mail;Key\nx;2026-11-23T09:00:00Z;nobody;1\n"
    (error,) = sent(api, text, "?mapping=m").json()["errors"]
    assert (error["field"], error["column"]) == ("assignee.email", "Mail")


def test_a_mapping_without_a_way_to_know_work_again_is_refused(api):
    refused = api.post(MAPPINGS, {"name": "m", "mapping": {**GOOGLE, "key": []}})
    assert [(one["field"], refused.status_code) for one in refused.json()["errors"]] == [("mapping.key", 400)]
    assert "importing the file once more changes nothing" in refused.json()["errors"][0]["message"]
    assert not ImportMapping.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"columns": {"colour": "x"}}, "mapping.columns"),
        ({"columns": []}, "mapping.columns"),
        ({"zone": "Berlin"}, "mapping.zone"),
        ({"date_format": "d.m.y"}, "mapping.date_format"),
        ({"decimal": ";"}, "mapping.decimal"),
        ({"header_row": 0}, "mapping.header_row"),
        ({"all_day_start": "8"}, "mapping.all_day_start"),
        ({"charset": "klingon"}, "mapping.charset"),
        ({"separator": "-"}, "mapping.separator"),
        ({"status_words": {"off": "GONE"}}, "mapping.status_words"),
        ({"constants": {"title": "a\u0000"}}, "mapping.constants"),
        ({"colour": "red"}, "mapping.colour"),
    ],
)
def test_what_a_mapping_does_not_take_is_named(api, change, field):
    refused = api.post(MAPPINGS, {"name": "m", "mapping": {**GOOGLE, **change}})
    assert {one["field"] for one in refused.json()["errors"]} == {field}


def test_a_saved_mapping_is_changed_by_its_name_and_recorded(mapped):
    again = mapped.post(MAPPINGS, {"name": "GOOGLE", "mapping": {**GOOGLE, "zone": "UTC"}, "reason": "moved"})
    assert (again.status_code, again.json()["mapping"]["zone"]) == (200, "UTC")
    found = mapped.get(f"{MAPPINGS}/{again.json()['id']}").json()
    assert found["mapping"] == again.json()["mapping"]
    assert mapped.delete(f"{MAPPINGS}/{found['id']}").status_code == 204
    assert mapped.get(f"{MAPPINGS}/{found['id']}").status_code == 404
    assert list(Audit.objects.order_by("id").values_list("action", "reason")) == [
        ("save_import_mapping", ""),
        ("save_import_mapping", "moved"),
        ("remove_import_mapping", ""),
    ]


def test_an_unknown_mapping_and_a_table_without_its_columns_are_refused(mapped):
    (error,) = sent(mapped, exports.GOOGLE, "?mapping=other").json()["errors"]
    assert (error["field"], "'Google'" in error["message"]) == ("mapping", True)
    (error,) = sent(mapped, exports.OUTLOOK_GERMAN).json()["errors"]
    assert "the table has no column 'End Date', 'End Time'" in error["message"]
    (error,) = sent(mapped, "[]", content_type="application/json").json()["errors"]
    assert (error["field"], error["code"]) == ("mapping", "no_table")


def test_a_spreadsheet_is_imported_under_a_mapping(mapped):
    book = Workbook()
    for row in csv.reader(exports.GOOGLE.splitlines()):
        book.active.append(row)
    book.create_sheet("Other").append(["x"])
    file = io.BytesIO()
    book.save(file)
    (error,) = sent(mapped, file.getvalue(), content_type=XLSX).json()["errors"]
    assert "several sheets" in error["message"]
    assert sent(mapped, file.getvalue(), "?mapping=Google&sheet=Sheet", XLSX).json()["created"] == 1
    assert sent(mapped, exports.GOOGLE).json()["unchanged"] == 1


def test_the_api_guesses_and_asks(api):
    guessed = api.post(f"{MAPPINGS}/guess?zone=Europe/Berlin", exports.GOOGLE, content_type="text/csv").json()
    assert (guessed["questions"], guessed["mapping"]["date_format"]) == ([], "day_first")
    assert guessed["preview"][0]["values"]["scheduled_start"] == "2026-11-23T08:00:00Z"
    assert guessed["unused"] == ["Private"]
    text = exports.GOOGLE.replace("23/11", "05/11")
    asked = api.post(f"{MAPPINGS}/guess", text, content_type="text/csv").json()
    assert [one["part"] for one in asked["questions"]] == ["date_format"]
    assert asked["preview"] == []
    assert not ImportMapping.objects.exists()


def test_mappings_of_a_team_are_those_of_its_callers(clock, settings, tmp_path):
    settings.SECURE_SSL_REDIRECT = False
    settings.STATIC_ROOT = tmp_path
    mine, other = teams.add_team(name="North"), teams.add_team(name="South")
    limited, everybody = ApiCaller("read", "write", teams=[mine]), ApiCaller("read", "write")
    everybody.post(MAPPINGS, {"name": "Theirs", "team": other.pk, "mapping": GOOGLE})
    made = limited.post(MAPPINGS, {"name": "Ours", "mapping": GOOGLE}).json()
    assert made["team"] == mine.pk
    assert [one["name"] for one in limited.get(MAPPINGS).json()["results"]] == ["Ours"]
    assert limited.post(MAPPINGS, {"name": "Theirs", "mapping": GOOGLE}).status_code == 400
    assert limited.post(MAPPINGS, {"name": "New", "team": other.pk, "mapping": GOOGLE}).status_code == 400
    assert sent(limited, exports.GOOGLE, "?mapping=Theirs").status_code == 400
    sent(limited, exports.GOOGLE, "?mapping=Ours")
    assert Assignment.objects.get().team == mine


# --- the command ---


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("import_assignments", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "google.csv"
    path.write_text(exports.GOOGLE)
    return path


def test_the_command_guesses_into_a_file_and_imports_by_it(table, clock):
    out, err = run(table, "--guess", "--zone", "Europe/Berlin")
    assert '"title": "Boiler check"' in err
    assert not Assignment.objects.exists()
    file = table.with_name("google.json")
    file.write_text(out)
    assert "1 created" in run(table, "--mapping", file)[0]
    assert "1 unchanged" in run(table, "--mapping", file)[0]


def test_the_command_saves_what_it_has_guessed(table, clock):
    run(table, "--guess", "--save", "Google calendar")
    assert "1 would be created" in run(table, "--mapping", "google calendar", "--dry-run")[0]
    assert Audit.objects.get().actor == "import_assignments"


def test_the_command_asks_for_the_order_of_day_and_month(table, clock):
    table.write_text(exports.GOOGLE.replace("23/11", "05/11"))
    _, err = run(table, "--guess")
    assert "date_format: Is the day first or the month?" in err
    with pytest.raises(CommandError, match="--save g: Is the day first or the month"):
        run(table, "--guess", "--save", "g")
    assert not ImportMapping.objects.exists()
    answer = json.loads(run(table, "--guess", "--date-format", "day_first", "--json")[0])
    assert answer["preview"][0]["values"]["scheduled_start"] == "2026-11-05T09:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--mapping", "none"], "there is no mapping 'none': none is saved"),
        (["--mapping", "none.json"], "none.json: No such file"),
        (["--zone", "UTC"], "--zone needs --mapping or --guess"),
        (["--guess", "--zone", "Berlin"], "'Berlin' is not a time zone"),
    ],
)
def test_what_the_command_does_not_take_is_said_in_one_line(table, clock, arguments, why):
    with pytest.raises(CommandError) as refusal:
        run(table, *arguments)
    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_command_names_the_column_of_a_bad_row(table, clock):
    run(table, "--guess", "--save", "g")
    table.write_text(exports.GOOGLE + "x,32/11/2026,09:00,,,,,,\n")
    errors = table.with_name("errors.csv")
    out, _ = run(table, "--mapping", "g", "--skip-bad", "--errors", errors)
    assert "row 3: Start Date: '32/11/2026' is not a date" in out
    (line,) = csv.DictReader(errors.read_text("utf-8-sig").splitlines())
    assert (line["row"], line["column"], line["code"]) == ("3", "Start Date", "invalid_date")
    assert "1 created" in out


# --- out and in again ---


def test_an_export_is_the_same_work_in_an_empty_installation(api):
    """In each format, and as a spreadsheet saves the CSV: people by reference and address, teams by name, no id."""
    team = teams.add_team(name="North")
    ada = AssigneeFactory(
        reference="P-1", name="Ada", email="ada@example.test", team_id=team.pk, time_zone="Asia/Tokyo"
    )
    bo = AssigneeFactory(reference=None, name="Bo", email="bo@example.test")
    AssignmentFactory(reference="W-1", assignee=ada, title="=1+1", notes="a\n;b", lead_minutes=45)
    AssignmentFactory(reference="W-2", assignee=bo, team_id=team.pk, kind="visit", location="\u00dcber, 4")
    before = described()
    as_csv, as_json = (
        b"".join(api.get("/api/assignments/export", {"format": one})) for one in ("csv", "json")
    )
    ids = [*Assignee.objects.values_list("pk", flat=True), *Assignment.objects.values_list("pk", flat=True)]
    assert not any(f'"id": {pk}' in as_json.decode() for pk in ids)
    files = {"text/csv": as_csv, "application/json": as_json, XLSX: saved_as_xlsx(as_csv)}
    for media_type, file in files.items():
        Reminder.objects.all()._raw_delete("default")
        Assignment.objects.all()._raw_delete("default")
        Assignee.objects.all()._raw_delete("default")
        assert api.post(URL, file, content_type=media_type).json()["created"] == 2
        assert described() == before
        assert api.post(URL, file, content_type=media_type).json()["unchanged"] == 2


def saved_as_xlsx(text):
    book = Workbook()
    for row in csv.reader(io.StringIO(text.decode("utf-8-sig"), newline="")):
        book.active.append([f"'{one}" if one.startswith("=") else one for one in row])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def described():
    fields = (
        "reference",
        "title",
        "kind",
        "location",
        "notes",
        "team__name",
        "status",
        "scheduled_start",
        "scheduled_end",
    )
    people = ("reference", "name", "email", "phone", "time_zone", "language", "team__name")
    columns = [*fields, "lead_minutes", *(f"assignee__{name}" for name in people)]
    return list(Assignment.objects.order_by("reference").values_list(*columns))
