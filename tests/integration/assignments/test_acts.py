"""What people do about their work: what is stored, what is recorded, and what an act refuses."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from assignments import acts, services
from assignments.history import Actor
from assignments.imports import rows, writer
from assignments.models import Act, Assignment
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
ACTS = {
    "confirm": acts.confirm,
    "decline": acts.decline,
    "on_my_way": acts.on_my_way,
    "late": lambda pk, **more: acts.run_late(pk, minutes=15, **more),
    "start": acts.start,
    "complete": acts.complete,
}


@pytest.fixture
def work(clock: object) -> Assignment:
    return AssignmentFactory(reference="W-1", scheduled_start=NOON + 30 * MINUTE)


def recorded() -> list[tuple[str, str, str]]:
    return [(act.act, act.via, act.actor) for act in Act.objects.all()]


def state(work: Assignment) -> dict[str, Any]:
    return Assignment.objects.filter(pk=work.pk).values().get()


@pytest.mark.parametrize(
    "actor", [Actor.assignee(1), Actor.api("rota"), Actor.ops("olga")], ids=lambda a: a.way
)
@pytest.mark.parametrize("act", ACTS)
def test_each_act_is_recorded_once_with_actor_way_and_version(work, act, actor):
    if actor.assignee_id:
        actor = acting.by_link(work)
    if act == "complete":
        acting.start(work.pk)
    ACTS[act](work.pk, actor=actor, version=1)
    once = state(work)
    ACTS[act](work.pk, actor=actor, version=1)
    ACTS[act](work.pk, actor=actor)
    assert state(work) == once
    made = Act.objects.order_by("-id")[0]
    assert (made.act, made.via, made.actor, made.version, made.at) == (act, actor.way, actor.name, 1, NOON)
    assert Act.objects.filter(act=act).count() == 1
    assert once["version"] == 1


def test_what_each_act_sets(work, clock):
    def seen() -> dict[str, Any]:
        work.refresh_from_db()
        names = ("answer", "on_my_way_at", "expected_start", "status", "started_at", "completed_at")
        return {name: getattr(work, name) for name in names if getattr(work, name)}

    acting.confirm(work)
    assert seen() == {"answer": "CONFIRMED", "status": "SCHEDULED"}
    acts.on_my_way(work.pk, actor=acting.OLGA, minutes=20)
    acts.run_late(work.pk, actor=acting.OLGA, minutes=15)
    said = {"answer": "CONFIRMED", "on_my_way_at": NOON, "expected_start": NOON + 45 * MINUTE}
    assert seen() == {**said, "status": "SCHEDULED"}
    clock.advance(MINUTE)
    acting.start(work.pk)
    clock.advance(MINUTE)
    acting.complete(work.pk)
    assert seen() == {
        **said,
        "status": "COMPLETED",
        "started_at": NOON + MINUTE,
        "completed_at": NOON + 2 * MINUTE,
    }


def test_a_decline_is_not_on_the_way_any_more(work):
    acts.on_my_way(work.pk, actor=acting.OLGA)
    acting.decline(work, note="ill")
    assert state(work)["on_my_way_at"] is None


def test_other_minutes_are_another_word_about_the_way(work, clock):
    for minutes, words in ((20, 1), (None, 1), (20, 1), (10, 2), (None, 2)):
        acts.on_my_way(work.pk, actor=acting.OLGA, minutes=minutes)
        assert Act.objects.count() == words
        clock.advance(MINUTE)


def test_late_counts_from_the_planned_start_and_twice_at_most(work):
    for minutes in (60, 60, 30):
        acts.run_late(work.pk, actor=acting.OLGA, minutes=minutes)
        assert state(work)["expected_start"] == work.scheduled_start + minutes * MINUTE
    with pytest.raises(services.Refused, match="late 2 times already"):
        acts.run_late(work.pk, actor=acting.OLGA, minutes=45)
    assert [act.minutes for act in Act.objects.all()] == [60, 30]
    services.reschedule(work.pk, start=NOON + 50 * MINUTE)
    assert (state(work)["expected_start"], state(work)["times_late"]) == (None, 0)
    acts.run_late(work.pk, actor=acting.OLGA, minutes=45)


@pytest.mark.parametrize("minutes", [-1, 0, 4, 241, 10**9])
def test_minutes_out_of_range_are_refused_by_name(work, minutes):
    with pytest.raises(ValidationError) as refused:
        acts.run_late(work.pk, actor=acting.OLGA, minutes=minutes)
    accepted = "a whole number of minutes from 5 to 240 is needed"
    assert refused.value.message_dict == {"minutes": [f"{minutes} is not accepted: {accepted}"]}
    assert recorded() == []


CHANGES = {
    "moved": lambda work: services.reschedule(work.pk, start=NOON + 90 * MINUTE),
    "reassigned": lambda work: services.reassign(work.pk, assignee_id=AssigneeFactory().pk),
    "cancelled": lambda work: services.cancel(work.pk),
    "imported": lambda work: writer.import_rows(
        [rows.ImportRow(number=1, values={"reference": "W-1", "title": "T", "scheduled_start": NOON})]
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_appointment_takes_away_what_was_said_and_the_history_stays(work, what):
    acting.confirm(work)
    acts.on_my_way(work.pk, actor=acting.OLGA)
    acts.run_late(work.pk, actor=acting.OLGA, minutes=15)
    CHANGES[what](work)
    after = state(work)
    assert (after["answer"], after["on_my_way_at"], after["expected_start"], after["times_late"]) == (
        *("", None, None),
        0,
    )
    assert [act for act, _, _ in recorded()] == ["confirm", "on_my_way", "late"]
    for name in ("confirm", "late", "start"):
        with pytest.raises(services.Stale, match="version 1 of assignment"):
            ACTS[name](work.pk, actor=acting.API, version=1)


def test_work_that_is_put_back_was_neither_started_nor_completed(work):
    acting.start(work.pk)
    services.change(work.pk, {"status": "SCHEDULED"})
    assert state(work)["started_at"] is None
    acting.start(work.pk)
    assert [act for act, _, _ in recorded()] == ["start", "start"]


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        ("IN_PROGRESS", {"confirm", "decline", "on_my_way", "late"}),
        ("COMPLETED", {"confirm", "decline", "on_my_way", "late", "start"}),
        ("CANCELLED", {"confirm", "decline", "on_my_way", "late", "start", "complete"}),
    ],
)
def test_a_state_that_forbids_an_act_refuses_it_and_nothing_is_written(work, status, refused):
    services.change(work.pk, {"status": status})
    before = state(work)
    for act in refused:
        with pytest.raises(services.Refused, match=f"is {status}"):
            ACTS[act](work.pk, actor=acting.API)
    assert (state(work), recorded()) == (before, [])


@pytest.mark.parametrize("act", ACTS)
def test_nobody_acts_for_themselves_on_what_is_not_theirs(work, act):
    with pytest.raises(services.NotAssigned):
        ACTS[act](work.pk, actor=Actor.assignee(AssigneeFactory().pk))
    with pytest.raises(services.UnknownAssignment):
        ACTS[act](work.pk + 1, actor=acting.API)
    with pytest.raises(services.Stale):
        ACTS[act](work.pk, actor=acting.API, if_match="0" * 32)
    assert recorded() == []


def test_a_change_of_status_is_an_act_too_whichever_way_it_comes(work):
    services.change(work.pk, {"status": "IN_PROGRESS"}, actor=Actor.ops("olga"))
    row = rows.ImportRow(
        number=1,
        values={"reference": "W-1", "title": "T", "scheduled_start": work.scheduled_start},
        assignee={"id": work.assignee_id},
        status="COMPLETED",
    )
    writer.import_rows([row], match_ids=True, actor=Actor.api("rota"))
    writer.import_rows([row], match_ids=True, actor=Actor.api("rota"))
    assert recorded() == [("start", "ops", "olga"), ("complete", "api", "rota")]
    assert state(work)["completed_at"] == NOON


def test_an_import_that_completes_many_records_them_all_in_as_many_statements_as_one(clock):
    def imported(number: int, start: int) -> int:
        names = [f"N-{n}" for n in range(start, start + number)]
        made = [
            AssignmentFactory(reference=name, scheduled_start=NOON + 30 * MINUTE, assignee=None, title="T")
            for name in names
        ]
        given = [
            rows.ImportRow(
                number=n,
                values={"reference": one.reference, "title": "T", "scheduled_start": one.scheduled_start},
                status="COMPLETED",
            )
            for n, one in enumerate(made, 1)
        ]
        with CaptureQueriesContext(connection) as asked:
            writer.import_rows(given, actor=Actor.api("rota"))
        return len(asked)

    assert imported(40, 100) == imported(1, 0)
    assert recorded() == [("complete", "api", "rota")] * 41


def test_the_database_keeps_the_history_as_it_was(work):
    acting.confirm(work)
    for change in (lambda: Act.objects.update(actor="nobody"), lambda: Act.objects.all().delete()):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    assert [act for act, _, _ in recorded()] == ["confirm"]
