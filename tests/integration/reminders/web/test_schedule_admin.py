"""Beat's entries in the admin: ours are switched with a reason, and by nothing else."""

import pytest
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from reminders.delivery import beat_schedule
from reminders.ledger.switches import switch_off_in_force
from reminders.models import Audit

pytestmark = pytest.mark.django_db

LIST = reverse("admin:django_celery_beat_periodictask_changelist")


@pytest.fixture(autouse=True)
def _entries(db, config):
    beat_schedule.set_up(config)


def dispatch() -> PeriodicTask:
    return PeriodicTask.objects.get(task=beat_schedule.DISPATCH)


def address(entry: PeriodicTask, page: str = "change") -> str:
    return reverse(f"admin:django_celery_beat_periodictask_{page}", args=[entry.pk])


def act(client, action: str, *entries: PeriodicTask):
    values = {"action": action, "_selected_action": [entry.pk for entry in entries]}
    return client.post(LIST, values, follow=True)


def test_it_is_switched_off_and_on_with_a_reason_that_is_recorded(root):
    reply = root.post(address(dispatch()), {"reason": "the import runs"})
    assert reply.status_code == 302
    assert dispatch().enabled is False
    found = switch_off_in_force(beat_schedule.DISPATCH)
    assert found is not None
    assert (found.by, found.reason) == ("root", "the import runs")

    root.post(address(dispatch()), {"enabled": "on", "reason": "it is done"})
    assert dispatch().enabled
    assert switch_off_in_force(beat_schedule.DISPATCH) is None
    assert list(Audit.objects.order_by("id").values_list("action", "actor", "reason")) == [
        ("switch_off_schedule", "root", "the import runs"),
        ("switch_on_schedule", "root", "it is done"),
    ]


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_it_is_not_switched(root, reason):
    reply = root.post(address(dispatch()), {"reason": reason})
    assert reply.status_code == 200
    assert "Write why" in reply.content.decode()
    assert dispatch().enabled
    assert Audit.objects.count() == 0


def test_its_page_offers_the_switch_and_nothing_else(root):
    reply = root.get(address(dispatch()))
    assert reply.status_code == 200
    assert set(reply.context["adminform"].form.fields) == {"enabled", "reason"}


def test_saved_without_a_change_it_stays_as_it_is(root):
    assert root.post(address(dispatch()), {"enabled": "on", "reason": ""}).status_code == 302
    assert (dispatch().enabled, Audit.objects.count()) == (True, 0)


@pytest.mark.parametrize("action", ["disable_tasks", "toggle_tasks"])
def test_actions_for_many_leave_ours_alone_and_say_so(root, action):
    other = PeriodicTask.objects.create(
        name="other", task="other.task", interval=IntervalSchedule.objects.first()
    )
    reply = act(root, action, dispatch(), other)
    assert "Left as they are: reminders.dispatch." in reply.content.decode()
    other.refresh_from_db()
    assert (dispatch().enabled, other.enabled) == (True, False)


def test_it_is_not_deleted(root):
    assert root.post(address(dispatch(), "delete"), {"post": "yes"}).status_code == 403
    values = {"action": "delete_selected", "_selected_action": [dispatch().pk], "post": "yes"}
    root.post(LIST, values)
    assert PeriodicTask.objects.filter(task=beat_schedule.DISPATCH).exists()


def test_entries_of_other_programs_are_edited_as_ever(root):
    other = PeriodicTask.objects.create(
        name="other", task="other.task", interval=IntervalSchedule.objects.first()
    )
    form = root.get(address(other)).context["adminform"].form
    assert {"name", "task", "kwargs", "expires"} <= set(form.fields)
    assert root.get(LIST).status_code == 200
