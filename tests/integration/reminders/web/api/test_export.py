"""Assignments and the delivery log as files."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.models import QuerySet

from assignments import teams
from assignments.models import Assignee, Assignment
from reminders.ledger import archive
from reminders.models import ArchivedReminder, Reminder
from reminders.web.api import exports
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(clock):
    return ApiCaller("read", "write")


def content(answer):
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def test_what_was_exported_is_imported_unchanged(api):
    ada = AssigneeFactory(reference="P-1", name="=HYPERLINK()", phone="+49301230001")
    AssignmentFactory(reference="W-1", title='-1;"x"', assignee=ada, lead_minutes=5, notes="a\nb")
    AssignmentFactory(reference="W-2", title="@b", assignee=None, scheduled_end=NOON + timedelta(hours=2))
    work = AssignmentFactory(reference="W-3")
    acting.decline(work, note="=ill")
    file = content(api.get("/api/assignments/export"))
    assert file.decode().splitlines()[-1].endswith(",DECLINED,2026-06-15T12:00:00Z,'=ill,,,,")
    cells = [cell for row in csv.reader(io.StringIO(file.decode())) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
    before = [list(model.objects.order_by("pk").values()) for model in (Assignment, Assignee)]
    answer = api.post("/api/assignments/import", file, content_type="text/csv")
    assert (answer.status_code, answer.json()["unchanged"]) == (200, 3)
    assert [list(model.objects.order_by("pk").values()) for model in (Assignment, Assignee)] == before


def test_filters_narrow_the_export_down(api):
    AssignmentFactory(title="a")
    AssignmentFactory(title="b", far=True)
    asked = {"starts_after": (NOON + timedelta(days=1)).isoformat(), "format": "json"}
    answer = api.get("/api/assignments/export", asked)
    rows = json.loads(content(answer))
    assert [(row["title"], row["reminder_status"]) for row in rows] == [("b", "NONE")]
    assert answer["Content-Disposition"] == 'attachment; filename="assignments.json"'
    assert content(api.get("/api/assignments/export", {"status": "CANCELLED", "format": "json"})) == b"[]"
    assert api.get("/api/assignments/export", {"format": "xml"}).status_code == 400


def test_the_log_says_what_came_of_each_reminder_without_addresses(api):
    work = AssignmentFactory()
    file = content(api.get("/api/admin/reminders/export", {"state": "PLANNED"})).decode()
    row = next(row for row in csv.DictReader(io.StringIO(file)) if row["kind"] == "REMINDER")
    assert (row["assignment_id"], row["due_at"]) == (str(work.pk), "2026-06-15T12:30:00Z")
    assert "example.test" not in file
    assert len(file.splitlines()) == 1 + Reminder.objects.filter(state="PLANNED").count()


def test_the_log_names_work_and_people_as_other_systems_do(api, clock):
    work = AssignmentFactory(reference="W-1", assignee=AssigneeFactory(reference="P-1"))
    (row,) = json.loads(content(api.get("/api/admin/reminders/export", {"format": "json"})))
    assert (row["assignment_reference"], row["recipient_reference"]) == ("W-1", "P-1")
    acting.complete(work.pk)
    clock.advance(timedelta(days=91))
    archive.archive_batch(after=timedelta(days=90))
    (row,) = json.loads(content(api.get("/api/admin/reminders/export", {"format": "json"})))
    assert (row["assignment_reference"], row["recipient_reference"]) == ("W-1", "P-1")


def test_the_log_of_a_team_names_nobody_of_another(clock, api):
    north, south = teams.add_team(name="North"), teams.add_team(name="South")
    person = AssigneeFactory(reference="P-1", team_id=south.pk)
    AssignmentFactory(reference="W-1", assignee=person, team_id=north.pk)
    limited = ApiCaller("read", teams=[north])
    (row,) = json.loads(content(limited.get("/api/admin/reminders/export", {"format": "json"})))
    assert (row["assignment_reference"], row["recipient_reference"]) == ("W-1", None)


def test_the_log_holds_what_the_archive_has_taken(api, clock, monkeypatch):
    monkeypatch.setattr(exports, "CHUNK", 2)
    done = AssignmentFactory.create_batch(3)
    before = json.loads(content(api.get("/api/admin/reminders/export", {"format": "json"})))
    for work in done:
        acting.complete(work.pk)
    now = clock.advance(timedelta(days=91))
    archive.archive_batch(after=timedelta(days=90))
    live = AssignmentFactory(scheduled_start=now + timedelta(hours=1))
    assert ArchivedReminder.objects.count() == len(before) == 3
    log = json.loads(content(api.get("/api/admin/reminders/export", {"format": "json"})))
    assert [row["assignment_id"] for row in log] == [work.pk for work in (*done, live)]
    changed = {"state": "SKIPPED", "reason": "started", "closed_at": "2026-06-15T12:00:00Z"}
    assert log[:3] == [row | changed for row in before]
    for asked, count in (
        ({"state": "SKIPPED"}, 3),
        ({"state": "SENT"}, 0),
        ({"due_before": "2026-06-15T12:30:00Z"}, 0),
        ({"due_before": "2026-06-15T12:30:01Z"}, 3),
        ({"due_after": "2026-06-15T12:30:01Z"}, 1),
    ):
        rows = json.loads(content(api.get("/api/admin/reminders/export", {**asked, "format": "json"})))
        assert len(rows) == count, asked


def test_no_cell_of_the_log_is_a_formula(api, clock):
    work = AssignmentFactory()
    Reminder.objects.filter(assignment=work).update(message_id="=cmd|' /C calc'!A0", recipient="@x")
    file = content(api.get("/api/admin/reminders/export")).decode()
    row = next(csv.DictReader(io.StringIO(file)))
    assert (row["message_id"], row["recipient"]) == ("'=cmd|' /C calc'!A0", "'@x")
    acting.complete(work.pk)
    clock.advance(timedelta(days=91))
    archive.archive_batch(after=timedelta(days=90))
    file = content(api.get("/api/admin/reminders/export")).decode()
    assert next(csv.DictReader(io.StringIO(file)))["message_id"] == "'=cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    ("accept", "query", "media_type"),
    [
        ("application/json", {}, "application/json"),
        ("text/csv;q=0.5, application/json", {}, "application/json"),
        ("text/csv", {}, "text/csv"),
        ("*/*", {}, "text/csv"),
        ("image/png", {}, "text/csv"),
        ("application/json", {"format": "csv"}, "text/csv"),
        ("text/csv", {"format": "json"}, "application/json"),
    ],
)
@pytest.mark.parametrize("url", ["/api/assignments/export", "/api/admin/reminders/export"])
def test_an_export_has_the_format_that_is_accepted(api, url, accept, query, media_type):
    answer = api.get(url, query, Accept=accept)
    content(answer)
    assert answer["Content-Type"].startswith(media_type)
    assert answer["Vary"].startswith("Accept")


@pytest.mark.parametrize("url", ["/api/assignments/export", "/api/admin/reminders/export"])
def test_a_database_that_is_away_is_answered_before_the_file_begins(api, url, monkeypatch):
    def away(*_args, **_values):
        raise OperationalError("server closed the connection") from None
        yield

    monkeypatch.setattr(QuerySet, "iterator", away)
    monkeypatch.setattr(archive, "live_and_archived", away)
    answer = api.get(url)
    assert (answer.status_code, answer.json()["type"]) == (503, "unavailable")


def test_a_fault_in_the_middle_breaks_the_file_off(api, monkeypatch, caplog):
    AssignmentFactory.create_batch(2)

    def breaks(rows, *_args, **_values):
        yield rows[0]
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(QuerySet, "iterator", breaks)
    answer = api.get("/api/assignments/export", {"format": "json"})
    with pytest.raises(OperationalError):
        content(answer)
    assert "Export broken off" in caplog.text


def test_an_export_that_nobody_reads_closes_its_cursor(api):
    AssignmentFactory.create_batch(3)
    answer = api.get("/api/assignments/export")
    for close in answer._resource_closers:  # As `close` does, which would end the test's own connection too.
        close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors")
        assert cursor.fetchone() == (0,)
