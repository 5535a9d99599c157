"""What is changed of work is recorded with who did it, in the transaction of the change, and stays as it was written."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from assignments import services
from assignments.history import Actor
from assignments.imports.portions import import_portion
from assignments.imports.rows import row_of
from assignments.imports.writer import import_rows
from assignments.models import Act, Assignment, CalendarSource, ChangeRecord, Status
from assignments.team_scope import TeamScope
from reminders.delivery import retention
from reminders.insight.change_words import Names, sentence
from reminders.insight.explain.explain import explain
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller

pytestmark = pytest.mark.django_db

OPS = Actor.ops("olga")


def told(work):
    records = list(work.change_records.all())
    return [sentence(one, Names.of(records)) for one in records]


def test_a_move_says_from_when_to_when_and_by_whom(clock):
    work = AssignmentFactory()
    services.reschedule(work.pk, start=NOON + timedelta(hours=25), actor=OPS)
    [record] = ChangeRecord.objects.all()
    assert (record.assignment_id, record.version, record.via, record.actor) == (work.pk, 2, "ops", "olga")
    assert record.at == NOON
    assert record.before == {"scheduled_start": "2026-06-15T13:00:00+00:00"}
    assert record.after == {"scheduled_start": "2026-06-16T13:00:00+00:00"}
    assert told(work) == ["Moved from 2026-06-15 13:00:00 UTC to 2026-06-16 13:00:00 UTC by olga."]


def test_every_field_that_people_ask_about_is_told(clock):
    ada, ben = AssigneeFactory(name="Ada"), AssigneeFactory(name="Ben")
    work = AssignmentFactory(assignee=ada, title="Boiler", scheduled_end=NOON + timedelta(hours=2))
    api = Actor.api("planning")
    services.change(work.pk, {"assignee_id": ben.pk, "title": "Boiler check"}, actor=api)
    services.change(work.pk, {"location": "Hall 2", "lead_minutes": 45}, actor=OPS)
    services.change(work.pk, {"scheduled_end": NOON + timedelta(hours=3)})
    services.reschedule(work.pk, start=NOON + timedelta(hours=2), actor=OPS)
    services.cancel(work.pk, actor=OPS)
    services.reinstate(work.pk)
    services.change(work.pk, {"assignee_id": None}, actor=OPS)
    assert told(work) == [
        "Given to Ben in place of Ada, renamed from “Boiler” to “Boiler check” by planning, through the API.",
        "Its place changed from none to “Hall 2”, its lead changed from the default to 45 minutes by olga.",
        "Its end changed from 2026-06-15 14:00:00 UTC to 2026-06-15 15:00:00 UTC.",
        "Moved from 2026-06-15 13:00:00 UTC to 2026-06-15 14:00:00 UTC by olga.",
        "Cancelled by olga.",
        "Put back.",
        "Taken away from Ben by olga.",
    ]


def test_what_is_an_act_or_no_change_is_not_recorded(clock):
    work = AssignmentFactory()
    acting.confirm(work)
    acting.start(work.pk)
    services.change(work.pk, {"title": work.title}, actor=OPS)
    services.change(work.pk, {"notes": "Ring twice."}, actor=OPS)
    assert Act.objects.count() == 2
    assert not ChangeRecord.objects.exists()


def test_a_refused_change_leaves_none(clock):
    work = AssignmentFactory()
    with pytest.raises(services.Stale):
        services.change(work.pk, {"title": "Other"}, if_match="x", actor=OPS)
    assert not ChangeRecord.objects.exists()


def test_imports_and_calendars_leave_one_for_each_changed_assignment(clock):
    work, same = AssignmentFactory(reference="W-1"), AssignmentFactory(reference="W-2")
    rows = [
        {
            "reference": one.reference,
            "title": title,
            "scheduled_start": one.scheduled_start,
            "assignee": {"email": one.assignee.email, "name": one.assignee.name},
        }
        for one, title in ((work, "Other"), (same, same.title))
    ]
    rows.append({"title": "New", "reference": "W-3", "scheduled_start": NOON + timedelta(hours=8)})
    import_rows([row_of(n, row) for n, row in enumerate(rows, 1)], actor=Actor.api("planning"))
    [record] = ChangeRecord.objects.all()
    assert (record.assignment_id, record.actor, record.after) == (work.pk, "planning", {"title": "Other"})
    services.cancel_many([work.pk], only=type(work).objects.all(), now=NOON, actor=Actor.calendar("Depot"))
    assert told(work)[-1] == "Cancelled by calendar Depot, through the API."


def test_calls_of_the_api_name_their_token(clock):
    work = AssignmentFactory()
    api = ApiCaller("write")
    api.post(f"/api/assignments/{work.pk}/reschedule", {"scheduled_start": "2026-06-16T13:00:00Z"})
    api.patch(f"/api/assignments/{work.pk}", {"title": "Other"})
    api.post(f"/api/assignments/{work.pk}/cancel", {})
    assert {(one.via, one.actor) for one in ChangeRecord.objects.all()} == {("api", f"token:{api.name}")}
    assert [list(one.after) for one in ChangeRecord.objects.all()] == [
        ["scheduled_start"],
        ["title"],
        ["status"],
    ]


@pytest.mark.parametrize("statement", ["UPDATE {} SET actor = 'x'", "DELETE FROM {}"])
def test_nobody_changes_or_removes_what_is_younger_than_two_years(clock, statement):
    services.cancel(AssignmentFactory().pk, actor=OPS)
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format("assignments_changerecord"))


def test_what_is_older_is_forgotten(clock, config):
    services.cancel(AssignmentFactory().pk, actor=OPS)
    clock.advance(timedelta(days=2 * 366))
    retention.prune(config)
    assert not ChangeRecord.objects.exists()


def test_the_explanation_tells_changes_in_their_place(clock, config):
    work = AssignmentFactory()
    clock.advance(timedelta(minutes=1))
    services.change(work.pk, {"status": Status.CANCELLED}, actor=OPS)
    found = explain(work, config=config)
    history = [step.summary for step in found.history]
    assert history[0] == "The assignment was entered."
    assert "Cancelled by olga." in history
    [change] = found.changes
    assert (change.summary, change.before, change.after) == (
        "Cancelled by olga.",
        {"status": "SCHEDULED"},
        {"status": "CANCELLED"},
    )


def first_step(work, config):
    return explain(work, config=config).history[0].summary


def test_the_history_begins_with_who_entered_the_work(clock, config):
    new = services.NewAssignment(title="Boiler", scheduled_start=NOON + timedelta(hours=8))
    planner = Actor.ops("olga")
    by_nobody, by_ops = services.create(new), services.create(new, actor=planner)
    assert first_step(by_nobody, config) == "The assignment was entered."
    assert first_step(by_ops, config) == "The assignment was entered by olga."
    services.cancel(by_ops.pk, actor=Actor.ops("ben"))
    assert first_step(by_ops, config) == "The assignment was entered by olga."


def test_new_rows_of_imports_say_who_imported_them_and_of_calendars_which(clock, config):
    feed = CalendarSource.objects.create(name="Depot", url="https://calendar.example/depot.ics")

    def row(reference):
        return row_of(
            1, {"title": "New", "reference": reference, "scheduled_start": NOON + timedelta(hours=8)}
        )

    import_rows([row("W-1")], actor=OPS)
    import_portion([row("W-2")], skip_bad=True, feed=feed.pk, actor=Actor.calendar("Depot"))
    import_rows([row("W-1")], actor=Actor.ops("ben"))
    assert [first_step(one, config) for one in Assignment.objects.order_by("reference")] == [
        "The assignment was imported by olga.",
        "The assignment came from the calendar Depot.",
    ]


def test_calls_of_the_api_that_make_work_name_their_token(clock, config):
    api = ApiCaller("write")
    values = {"title": "Boiler", "scheduled_start": "2026-06-16T13:00:00Z"}
    api.post("/api/assignments", values)
    api.put("/api/assignments/by-reference/W-1", values)
    said = f"The assignment was entered by token:{api.name}, through the API."
    assert [first_step(one, config) for one in Assignment.objects.all()] == [said, said]


def test_a_limited_reader_sees_changes_of_their_teams_alone(clock):
    work = AssignmentFactory()
    services.cancel(work.pk, actor=OPS)
    assert not ChangeRecord.objects.visible_to(TeamScope(frozenset({0}))).exists()
