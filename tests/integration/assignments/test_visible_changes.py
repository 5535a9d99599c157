"""How often what a calendar shows of an assignment has changed: counted by the database, whoever writes."""

from datetime import timedelta

import pytest

from assignments.models import Answer, Assignment, ReminderStatus, Status
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def work():
    return AssignmentFactory(scheduled_start=NOON)


def changes(work: Assignment) -> int:
    return Assignment.objects.values_list("visible_changes", flat=True).get(pk=work.pk)


@pytest.mark.parametrize(
    "changed",
    [
        {"title": "Other"},
        {"location": "Elsewhere"},
        {"scheduled_start": NOON - timedelta(hours=1)},
        {"scheduled_end": NOON + timedelta(hours=9)},
        {"assignee": None},
        {"status": Status.CANCELLED},
    ],
)
def test_what_a_calendar_shows_is_counted_once_however_often_it_is_written(work, changed):
    assert changes(work) == 0
    Assignment.objects.filter(pk=work.pk).update(**changed)
    Assignment.objects.filter(pk=work.pk).update(**changed)
    assert changes(work) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"notes": "Ring twice."},
        {"version": 7},
        {"reminder_status": ReminderStatus.SENT},
        {"status": Status.IN_PROGRESS},
        {"answer": Answer.CONFIRMED, "answered_at": NOON},
    ],
)
def test_what_a_calendar_does_not_show_is_not_counted(work, changed):
    Assignment.objects.filter(pk=work.pk).update(**changed)
    assert changes(work) == 0


def test_who_writes_a_row_that_they_read_before_does_not_set_the_count_back(work):
    read_before = Assignment.objects.get(pk=work.pk)
    Assignment.objects.filter(pk=work.pk).update(title="Other")
    Assignment.objects.filter(pk=work.pk).update(assignee=AssigneeFactory())
    read_before.title = "Third"
    read_before.save()
    assert changes(work) == 3
