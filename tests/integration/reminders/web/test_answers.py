"""What assignees answer: confirmed or can't make it, kept for the appointment they have seen, and for no other."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from assignments import acts, services
from assignments.history import Actor
from assignments.imports import rows, writer
from assignments.models import Act, Answer, Assignment
from assignments.signals import acted, plan_changed
from reminders.models import Reminder
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(clock: object) -> Assignment:
    return AssignmentFactory(reference="W-1")


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What the signal has said, and whether it was said inside a transaction."""
    heard: list[dict[str, Any]] = []

    def hear(*, acts: list[Act], **_: object) -> None:
        (act,) = acts
        heard.append({"id": act.assignment_id, "act": act.act, "atomic": connection.in_atomic_block})

    acted.connect(hear)
    yield heard
    acted.disconnect(hear)


def confirm(work: Assignment, *, version: int = 1) -> Assignment:
    return acting.confirm(work, version=version)


def decline(work: Assignment, *, note: str = "", version: int = 1) -> Assignment:
    return acting.decline(work, note=note, version=version)


def kept(work: Assignment) -> tuple[str, str, bool]:
    work.refresh_from_db()
    return work.answer, work.answer_note, work.answered_at is not None


def test_an_answer_is_kept_and_announced_and_is_no_change_of_plan(work, told):
    plans: list[object] = []

    def plan(**_: object) -> None:
        plans.append(1)

    plan_changed.connect(plan)
    try:
        assert confirm(work).answer == "CONFIRMED"
    finally:
        plan_changed.disconnect(plan)
    assert kept(work) == ("CONFIRMED", "", True)
    assert (work.version, plans, Reminder.objects.filter(assignment=work).count()) == (1, [], 1)
    assert told == [{"id": work.pk, "act": "confirm", "atomic": True}]


def test_another_answer_takes_its_place_and_the_same_one_changes_nothing(work, told):
    decline(work, note="ill")
    first = Assignment.objects.get(pk=work.pk).answered_at
    decline(work, note="ill")
    assert Assignment.objects.get(pk=work.pk).answered_at == first
    confirm(work)
    assert kept(work) == ("CONFIRMED", "", True)
    assert [one["act"] for one in told] == ["decline", "confirm"]


CHANGES = {
    "moved": lambda work: services.reschedule(work.pk, start=NOON + timedelta(hours=3)),
    "reassigned": lambda work: services.reassign(work.pk, assignee_id=AssigneeFactory().pk),
    "unassigned": lambda work: services.reassign(work.pk, assignee_id=None),
    "cancelled": lambda work: services.cancel(work.pk),
    "imported": lambda work: writer.import_rows(
        [rows.ImportRow(number=1, values={"reference": "W-1", "title": "T", "scheduled_start": NOON})]
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_appointment_takes_the_answer_away(work, what):
    decline(work, note="ill")
    CHANGES[what](work)
    assert kept(work) == ("", "", False)
    assert work.version == 2


KEEPS = {
    "title": lambda work: services.change(work.pk, {"title": "Other", "notes": "n"}),
    "lead": lambda work: services.change(work.pk, {"lead_minutes": 45}),
    "sent again": lambda work: services.remind_again([work.pk]),
    "started": lambda work: acting.start(work.pk),
    "completed": lambda work: acting.complete(work.pk),
}


@pytest.mark.parametrize("what", KEEPS)
def test_what_is_no_other_appointment_leaves_the_answer(work, what):
    decline(work, note="ill")
    KEEPS[what](work)
    assert kept(work) == ("DECLINED", "ill", True)


def test_what_is_not_theirs_or_not_so_any_more_is_refused(work, told):
    other = AssigneeFactory()
    with pytest.raises(services.NotAssigned):
        acts.confirm(work.pk, actor=Actor.assignee(other.pk), version=1)
    with pytest.raises(services.UnknownAssignment):
        acts.confirm(work.pk + 1, actor=Actor.assignee(other.pk), version=1)
    services.reschedule(work.pk, start=NOON + timedelta(hours=3))
    with pytest.raises(services.Stale):
        confirm(work)
    acting.start(work.pk)
    with pytest.raises(services.Refused, match="is IN_PROGRESS"):
        confirm(work, version=2)
    assert (kept(work), [one["act"] for one in told]) == (("", "", False), ["start"])


@pytest.mark.parametrize(("note", "words"), [("n" * 201, "no more than 200"), ("a\x00b", "NUL")])
def test_a_note_that_cannot_be_kept_is_refused(work, told, note, words):
    with pytest.raises(ValidationError, match=words):
        decline(work, note=note)
    assert (kept(work), told) == (("", "", False), [])


def test_the_database_refuses_an_answer_without_its_instant(work):
    with pytest.raises(IntegrityError, match="assignment_answer_has_instant"), transaction.atomic():
        Assignment.objects.filter(pk=work.pk).update(answer=Answer.CONFIRMED)
