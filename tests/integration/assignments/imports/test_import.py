"""Many assignments at once: all or nothing, over JSON and CSV, in a number of statements that does not grow."""

import io
import json
import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from assignments import people as assignees
from assignments import services
from assignments.imports.json_rows import read_json
from assignments.imports.writer import import_rows
from assignments.models import Assignee, Assignment
from reminders.models import Reminder
from reminders.web.api import imports as importing
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller

pytestmark = pytest.mark.django_db

URL = "/api/assignments/import"
WORK = {"title": "Check the boiler", "scheduled_start": "2026-06-15T13:00:00Z"}
HEADER = "reference,title,scheduled_start,assignee_name,assignee_email"


@pytest.fixture
def api(clock):
    return ApiCaller("write")


def said(answer):
    """What an import did: created, updated, unchanged."""
    assert answer.status_code == 200, answer.content
    return tuple(answer.json()[name] for name in ("created", "updated", "unchanged"))


def bad(answer):
    """Row, field and code of each error."""
    assert answer.status_code == 400, answer.content
    assert (Assignment.objects.count(), Assignee.objects.count()) == (0, 0)
    return [(fault.get("row"), fault["field"], fault["code"]) for fault in answer.json()["errors"]]


def csv(api, text, query=""):
    body = text if isinstance(text, bytes) else text.encode()
    return api.post(URL + query, body, content_type="text/csv; charset=utf-8")


# --- what it does ----------------------------------------------------------------------------------------------


def test_work_and_people_are_made_and_planned(api):
    ada = {"reference": "P-1", "name": "Ada", "email": "ada@example.test"}
    rows = [
        {**WORK, "reference": "W-1", "assignee": ada, "lead_minutes": 15},
        {**WORK, "reference": "W-2", "assignee": {"reference": "P-1", "name": "Ada"}},
        {**WORK, "assignee": {"name": "Bo"}},
        {**WORK, "status": "COMPLETED", "scheduled_end": "2026-06-15T14:00:00Z"},
    ]
    answer = api.post(URL, rows)
    assert said(answer) == (4, 0, 0)
    made = [Assignment.objects.get(pk=pk) for pk in answer.json()["ids"]]
    assert [work.reference for work in made] == ["W-1", "W-2", None, None]
    assert [work.assignee and work.assignee.name for work in made] == ["Ada", "Ada", "Bo", None]
    assert made[0].assignee.email == "ada@example.test"
    assert Assignee.objects.count() == 2
    planned = Reminder.objects.filter(kind="REMINDER", state="PLANNED").order_by("assignment_id")
    assert [row.assignment_id for row in planned] == [work.pk for work in made[:3]]
    assert planned[0].due_at == NOON + timedelta(minutes=45)


def test_the_same_import_twice_changes_nothing(api):
    rows = [{**WORK, "reference": f"W-{i}", "assignee": {"name": "Ada"}} for i in range(3)]
    assert said(api.post(URL, rows)) == (3, 0, 0)
    before = list(Assignment.objects.order_by("pk").values())
    assert said(api.post(URL, {"assignments": rows})) == (0, 0, 3)
    assert list(Assignment.objects.order_by("pk").values()) == before
    assert Reminder.objects.filter(kind="REMINDER").count() == 3


def test_known_work_is_brought_to_the_values_as_by_put(api):
    there = AssignmentFactory(reference="W-1", location="Main street", title="Check the boiler")
    moved = {
        **WORK,
        "reference": "W-1",
        "scheduled_start": "2026-06-15T13:30:00Z",
        "assignee": {"name": "Bo"},
    }
    assert said(api.post(URL, [moved])) == (0, 1, 0)
    there.refresh_from_db()
    assert (there.version, there.location, there.assignee.name) == (2, "", "Bo")
    assert Reminder.objects.get(version=1, kind="REMINDER").reason == "moved"
    assert Reminder.objects.get(version=2, kind="REMINDER").state == "PLANNED"


@pytest.mark.parametrize(
    "given",
    [
        {"id": 1},
        {"reference": "P-1"},
        {"reference": "P-1", "phone": "+49 30 1230001"},
        {"email": "ada@example.test"},
        {"email": "ada@example.test", "name": "Ada", "language": "de"},
        {"email": "ada@example.test", "name": "Countess"},
        {"name": "Ada"},
        {"name": "Nobody yet"},
        {"name": "ada@example.test", "email": "ADA@example.test"},
        {"email": "ADA@Example.test", "name": "Ada", "phone": "+49301230001"},
        {"email": "nobody@example.test"},
        {"email": None, "name": "Ada", "reference": None},
        {"reference": "P-2", "name": "Bo", "email": "ada@example.test"},
    ],
)
@pytest.mark.parametrize(
    "named", [{"reference": "P-1"}, {"reference": None}, {"reference": None, "email": ""}]
)
def test_a_person_is_found_as_by_a_single_call(api, given, named):
    person = AssigneeFactory(**{"name": "Ada", "email": "ada@example.test", **named})
    AssigneeFactory(name="Cy", email="ada@example.test")
    if "id" in given:
        given = {"id": person.pk}
    outcomes = []
    for call in (
        lambda: api.post("/api/assignments", {**WORK, "assignee": given}),
        lambda: api.post(f"{URL}?match_ids=1", [{**WORK, "assignee": given}, {**WORK, "assignee": given}]),
    ):
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT one")
            status = call().status_code
            people = [
                tuple(getattr(one, name) for name in assignees.CONTACT_FIELDS)
                for one in Assignee.objects.order_by("pk")
            ]
            outcomes.append((status < 300, people))
            cursor.execute("ROLLBACK TO SAVEPOINT one")
    assert outcomes[0] == outcomes[1]


def test_a_corrected_address_gives_failed_reminders_another_chance(api):
    work = AssignmentFactory(reference="W-1", assignee=AssigneeFactory(reference="P-1", email=""))
    Reminder.objects.filter(kind="REMINDER").update(state="FAILED", reason="no_contact", closed_at=NOON)
    row = {
        **WORK,
        "title": work.title,
        "reference": "W-1",
        "assignee": {"reference": "P-1", "email": "a@b.test"},
    }
    assert said(api.post(URL, [row])) == (0, 0, 1)
    assert Reminder.objects.get(kind="REMINDER").state == "PLANNED"


# --- the past, and the former system ---------------------------------------------------------------------------


def test_the_past_is_never_reminded_about(api):
    rows = [{**WORK, "scheduled_start": "2026-06-15T11:55:00Z", "assignee": {"name": "Ada"}}]
    assert said(api.post(URL, rows)) == (1, 0, 0)
    row = Reminder.objects.get(kind="REMINDER")
    assert (row.state, row.reason) == ("SKIPPED", "past")


@pytest.mark.parametrize("start", ["2026-06-15T13:00:00Z", "2026-06-20T13:00:00Z", "2026-06-15T11:55:00Z"])
def test_what_the_former_system_has_told_is_not_told_again(api, start):
    row = {**WORK, "reference": "W-1", "scheduled_start": start, "reminder_status": "SENT"}
    assert said(api.post(URL, [row])) == (1, 0, 0)
    reminder = Reminder.objects.get(kind="REMINDER")
    assert (reminder.state, reminder.reason) == ("SKIPPED", "imported")
    assert Assignment.objects.get().reminder_status == "SENT"
    assert said(api.post(URL, [row])) == (0, 0, 1)
    assert Reminder.objects.filter(kind="REMINDER").count() == 1


def test_what_is_planned_already_is_not_sent_once_it_is_said_to_be_told(api):
    assert said(api.post(URL, [{**WORK, "reference": "W-1"}])) == (1, 0, 0)
    assert said(api.post(URL, [{**WORK, "reference": "W-1", "reminder_status": "SENT"}])) == (0, 0, 1)
    row = Reminder.objects.get(kind="REMINDER")
    assert (row.state, row.reason) == ("SKIPPED", "imported")
    assert Assignment.objects.get().reminder_status == "SENT"


# --- what is refused -------------------------------------------------------------------------------------------


def test_every_bad_row_is_told_and_nothing_is_written(api):
    rows = [
        WORK,
        {"title": ""},
        {**WORK, "scheduled_start": "2026-06-15T13:00:00"},
        {**WORK, "reference": "W-1", "assignee": {"name": "Ada"}},
        {**WORK, "reference": "W-1"},
        {**WORK, "lead_minutes": 0, "colour": "red", "version": 3},
        {**WORK, "assignee": {"name": "Ada", "email": "a@b.test, c@d.test"}},
        {**WORK, "assignee": {"phone": "1"}},
        {**WORK, "assignee": {"id": 999}},
        {**WORK, "scheduled_end": "2026-06-15T12:59:00Z"},
        {**WORK, "notes": "x" * 10_001},
        {**WORK, "title": "a\x00b"},
        {**WORK, "status": "DONE", "reminder_status": True},
        "work",
    ]
    assert bad(api.post(URL, rows)) == [
        (2, "title", "blank"),
        (2, "scheduled_start", "required"),
        (3, "scheduled_start", "naive"),
        (5, "reference", "repeated"),
        (6, "lead_minutes", "min_value"),
        (6, "colour", "unknown_field"),
        (6, "version", "read_only"),
        (7, "assignee.email", "invalid"),
        (8, "assignee", "required"),
        (9, "assignee.id", "ids_not_matched"),
        (10, "scheduled_end", "invalid"),
        (11, "notes", "max_length"),
        (12, "title", "null_characters_not_allowed"),
        (13, "status", "invalid_choice"),
        (13, "reminder_status", "invalid_choice"),
        (14, None, "invalid"),
    ]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({**WORK, "title": ""}, ("title", "blank")),
        ({**WORK, "title": 7}, ("title", "invalid")),
        ({**WORK, "title": "x" * 201}, ("title", "max_length")),
        ({**WORK, "title": "\ud800"}, ("title", "surrogate_characters_not_allowed")),
        ({**WORK, "reference": " "}, ("reference", "blank")),
        ({**WORK, "lead_minutes": 43_201}, ("lead_minutes", "max_value")),
        ({**WORK, "lead_minutes": "30"}, ("lead_minutes", "invalid")),
        ({**WORK, "lead_minutes": True}, ("lead_minutes", "invalid")),
        ({**WORK, "scheduled_start": "0001-01-01T00:00:00Z"}, ("scheduled_start", "out_of_range")),
        ({**WORK, "scheduled_start": "45983.375"}, ("scheduled_start", "spreadsheet_date")),
        ({**WORK, "scheduled_start": 45983.375}, ("scheduled_start", "invalid")),
        ({**WORK, "assignee": "Ada"}, ("assignee", "invalid")),
        ({**WORK, "assignee": {"id": 2**63}}, ("assignee.id", "max_value")),
        (
            {**WORK, "assignee": {"name": "Ada", "time_zone": "Mars/Olympus"}},
            ("assignee.time_zone", "unknown_time_zone"),
        ),
        ({**WORK, "assignee": {"name": "A\x00"}}, ("assignee.name", "null_characters_not_allowed")),
        (
            {**WORK, "assignee": {"name": "A", "language": "Klingon"}},
            ("assignee.language", "unknown_language"),
        ),
        ({**WORK, "reference": "a/../b"}, ("reference", "not_addressable")),
    ],
)
def test_a_value_that_no_single_call_takes_is_refused(api, row, fault):
    assert bad(api.post(URL, [row])) == [(1, *fault)]


def test_a_cancelled_one_is_put_back_only_by_saying_so(api):
    services.cancel(AssignmentFactory(reference="W-1").pk)
    refused = api.post(URL, [{**WORK, "reference": "W-1"}])
    assert [(f["row"], f["field"], f["code"]) for f in refused.json()["errors"]] == [
        (1, "status", "conflict")
    ]
    assert said(api.post(URL, [{**WORK, "reference": "W-1", "status": "SCHEDULED"}])) == (0, 1, 0)


def test_a_reference_of_somebody_else_is_refused(api):
    AssigneeFactory(reference="P-1")
    other = AssigneeFactory(reference="P-2")
    rows = [{**WORK, "assignee": {"id": other.pk, "reference": "P-1"}}]
    refused = api.post(f"{URL}?match_ids=1", rows)
    assert [(f["row"], f["field"], f["code"]) for f in refused.json()["errors"]] == [
        (1, "assignee.reference", "duplicate")
    ]


@pytest.mark.parametrize("body", ["{}", "7", "null", '{"assignments": 7}', '{"assignments": [], "more": 1}'])
def test_what_is_no_list_is_refused(api, body):
    assert bad(api.post(URL, body)) == [(None, None, "unreadable")]


def test_no_more_than_ten_thousand_at_once(api):
    refused = api.post(URL, [WORK] * 10_001)
    assert (refused.status_code, refused.json()["type"]) == (413, "too_large")
    assert not Assignment.objects.exists()


def test_a_dry_run_says_the_same_and_writes_nothing(api):
    there = AssignmentFactory(reference="W-1")
    rows = [{**WORK, "reference": "W-1"}, {**WORK, "reference": "W-2", "assignee": {"name": "Ada"}}]
    answer = api.post(URL + "?dry_run=1", rows)
    assert (said(answer), answer.json()["ids"]) == ((1, 1, 0), [])
    assert (Assignment.objects.count(), Assignee.objects.count()) == (1, 1)
    before = there.title
    there.refresh_from_db()
    assert there.title == before


# --- CSV -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_csv_file_is_read_as_spreadsheets_write_it(api, separator, mark, end):
    lines = [
        HEADER,
        'W-1,"Check, then; ""fill""",2026-06-15T15:00:00+02:00,Ada Müller,ada@example.test',
        ",,,,",
    ]
    text = end.join(lines).replace(",", "\0") if separator != "," else end.join(lines)
    text = text.replace("Check\0", "Check,").replace("\0", separator)
    assert said(csv(api, mark + text)) == (1, 0, 0)
    work = Assignment.objects.get()
    assert (work.reference, work.title) == ("W-1", 'Check, then; "fill"')
    assert (work.assignee.name, work.scheduled_start) == ("Ada Müller", NOON + timedelta(hours=1))


def test_a_cell_that_was_escaped_on_export_is_itself_again(api):
    assert said(csv(api, f"{HEADER}\nW-1,'=1+1,2026-06-15T13:00:00Z,Ada,\n")) == (1, 0, 0)
    assert Assignment.objects.get().title == "=1+1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{HEADER}\nW-1,T,45983.375,Ada,\n", (2, "scheduled_start", "spreadsheet_date")),
        (f"{HEADER}\nW-1,T,2026-06-15 13:00,Ada,\n", (2, "scheduled_start", "naive")),
        (f"{HEADER}\n\nW-1,T,15.06.2026,Ada,\n", (3, "scheduled_start", "invalid")),
        (f"{HEADER}\nW-1,T,2026-06-15T13:00:00Z\n", (2, None, "columns")),
        (f"{HEADER}\nW-1,,2026-06-15T13:00:00Z,Ada,\n", (2, "title", "required")),
        (f"{HEADER},colour\n", (None, None, "unreadable")),
        ("reference,title\n", (None, None, "unreadable")),
        ("title,title,scheduled_start\n", (None, None, "unreadable")),
        (f'{HEADER}\n"W-1,T', (2, None, "broken_csv")),
        (f'{HEADER}\nW-1,"T"x,2026-06-15T13:00:00Z,,\n', (2, None, "broken_csv")),
        (f"{HEADER}\nW-1,Müll,2026-06-15T13:00:00Z,,\n".encode("latin-1"), (None, None, "unreadable")),
    ],
)
def test_a_csv_file_that_cannot_be_read_says_where_and_why(api, text, fault):
    assert bad(csv(api, text)) == [fault]


@pytest.mark.parametrize(
    ("media_type", "words"),
    [
        ("text/csv", "there is no header"),
        ("text/calendar", "this is not a calendar"),
        ("application/json", "a list of assignments is needed"),
    ],
)
def test_an_empty_file_gets_the_message_of_its_format(api, media_type, words):
    refused = api.client.generic("POST", URL, b"", CONTENT_TYPE=media_type, headers=api.headers)
    assert refused.status_code == 400
    assert words in refused.json()["errors"][0]["message"]


# --- size and neighbours ---------------------------------------------------------------------------------------


def rows_of(n, **more):
    return [
        {
            **WORK,
            **more,
            "reference": f"W-{i}",
            "assignee": {"reference": f"P-{i % 7}", "name": f"Person {i % 7}"},
        }
        for i in range(n)
    ]


def statements(given):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        import_rows(list(read_json(io.BytesIO(json.dumps(given).encode()))))
    return len(queries)


def test_the_number_of_statements_does_not_grow_with_the_rows(clock):
    made = {statements(rows_of(n)) for n in (2, 60)} | {statements(rows_of(300))}
    changed = {statements(rows_of(n, scheduled_start="2026-06-15T13:10:00Z")) for n in (50, 300)}
    assert Assignment.objects.count() == 300
    assert max(made | changed) <= 25
    assert statements(rows_of(300, location="x")) <= 25


@pytest.mark.django_db(transaction=True)
def test_imports_and_puts_of_the_same_references_make_each_once():
    api = ApiCaller("write")
    rows = rows_of(20, scheduled_start="2036-06-15T13:00:00Z")
    answers = []

    def send(number):
        try:
            if number % 2:
                answers.append(api.post(URL, rows).status_code)
            else:
                body = {name: value for name, value in rows[number].items() if name != "reference"}
                answers.append(api.put(f"/api/assignments/by-reference/W-{number}", body).status_code)
        finally:
            connections.close_all()

    crew = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for member in crew:
        member.start()
    for member in crew:
        member.join()
    assert set(answers) <= {200, 201}
    assert len(answers) == 8
    assert (Assignment.objects.count(), Assignee.objects.count()) == (20, 7)
    assert json.loads(api.post(URL, rows).content)["unchanged"] == 20


def test_one_import_runs_at_a_time_in_a_process(api, monkeypatch):
    monkeypatch.setattr(importing, "SECONDS_TO_WAIT", 0.01)
    with importing._one_at_a_time():
        refused = api.post(URL, [WORK])
    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    assert refused.json()["errors"][0]["code"] == "import_running"
    assert api.post(URL, [WORK]).status_code == 200


def test_a_thousand_errors_are_listed_and_the_others_counted(api):
    refused = api.post(URL, [{"title": "x"}] * 1_500)
    errors = refused.json()["errors"]
    assert (refused.status_code, len(errors), errors[-1]["code"]) == (400, 1_001, "more")
    assert errors[-1]["message"] == "500 more errors are not listed; 1500 rows are not accepted in all"
