"""The explainer foretells what the pipeline then does, and says why afterwards."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assignments import services
from assignments.models import Assignment, Status
from notifications.channels.memory import MemoryChannel
from notifications.message import Outcome
from reminders import lifecycle
from reminders.conf import ReminderConfig
from reminders.explain import WORDS, explain, find
from reminders.models import ChannelHold, Kind, Pause, Reason, Reminder
from tests.conftest import NOON, DatabaseClock
from tests.desk import Desk
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db


def deliver(config: ReminderConfig, outbox: MemoryChannel) -> None:
    desk = Desk()
    lifecycle.dispatch(config=config, broker=desk)
    lifecycle.deliver(desk.hints(), config=config, channel=lambda _: outbox)


def says(assignment: Assignment, config: ReminderConfig) -> str:
    assignment.refresh_from_db()
    return explain(assignment, config=config).says


def test_before_and_after(clock, config, outbox):
    far = AssignmentFactory(far=True)
    assert says(far, config) == (
        "The reminder is due at 2026-06-18 11:30:00+00:00. It is planned once the start comes within the "
        "look-ahead, from 2026-06-18 10:00:00+00:00 on."
    )
    near = AssignmentFactory()
    assert says(near, config) == "The reminder will be sent at 2026-06-15 12:30:00+00:00."
    clock.advance(timedelta(minutes=30))
    assert says(near, config) == "The reminder will be sent now: every gate is open."
    deliver(config, outbox)
    assert says(near, config) == "The reminder was accepted at 2026-06-15 12:30:00+00:00."


def test_each_switch_is_named(clock, config):
    assignment = AssignmentFactory(soon=True)
    Pause.objects.create(by="ops", reason="storm")
    assert says(assignment, config) == "The reminder waits: sending is paused."
    off = ReminderConfig(channel="memory", enabled=False)
    assert "REMINDER_WORKER_ENABLED=false" in says(assignment, off)
    Pause.objects.all().delete()
    ChannelHold.objects.create(channel="memory", until=NOON + timedelta(seconds=30))
    assert "the channel does not work at present" in says(assignment, config)


def test_what_stands_in_the_way_later_is_said_before(clock, config):
    assignment = AssignmentFactory()
    Pause.objects.create(by="ops", reason="storm")
    assert says(assignment, config).endswith("12:30:00+00:00, but as things stand sending is paused.")


def test_attempts_and_old_versions_are_told(clock, config, outbox):
    assignment = AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.REJECTED)
    deliver(config, outbox)
    services.reschedule(assignment.pk, start=NOON + timedelta(hours=1))
    assignment.refresh_from_db()
    answer = explain(assignment, config=config)
    old = next(s for s in answer.stories if s.version == 1 and s.kind == Kind.REMINDER)
    assert (old.says, [t.outcome for t in old.tries]) == (
        "failed: the mail server refused it for good",
        ["rejected"],
    )
    assert answer.will_send


def test_every_reason_has_words():
    assert set(WORDS) == set(Reason) - {Reason.STALE}


def test_the_command_answers_in_words_and_in_json(clock, config):
    assignment = AssignmentFactory(reference="R-9")
    out = io.StringIO()
    call_command("explain_reminder", "R-9", stdout=out)
    assert "The reminder will be sent at 2026-06-15 12:30:00+00:00." in out.getvalue()
    assert "[FAIL] due: next attempt at 2026-06-15T12:30:00+00:00" in out.getvalue()
    out = io.StringIO()
    call_command("explain_reminder", str(assignment.pk), "--json", stdout=out)
    assert json.loads(out.getvalue())["assignment_id"] == assignment.pk
    with pytest.raises(CommandError, match="there is no assignment with the id or reference 'nope'"):
        call_command("explain_reminder", "nope")


def test_a_reference_goes_before_an_id(clock):
    first = AssignmentFactory()
    second = AssignmentFactory(reference=str(first.pk))
    assert find(str(first.pk)).pk == second.pk


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    start=st.integers(-60, 200),
    wait=st.integers(0, 120),
    status=st.sampled_from(list(Status)),
    paused=st.booleans(),
    held=st.booleans(),
    moved=st.booleans(),
)
def test_what_it_foretells_is_what_happens(start, wait, status, paused, held, moved):
    """Random starts, clocks, pauses and edits; then one tick of the pipeline decides who was right."""
    from django.db import transaction

    config = ReminderConfig(channel="memory")
    outbox = MemoryChannel()
    with transaction.atomic():
        clock = DatabaseClock()
        clock.set(NOON)
        assignment = AssignmentFactory(scheduled_start=NOON + timedelta(minutes=start))
        if moved:
            services.reschedule(assignment.pk, start=NOON + timedelta(minutes=start + 15))
        if status != Status.SCHEDULED:
            services.change(assignment.pk, {"status": status})
        clock.advance(timedelta(minutes=wait))
        if paused:
            Pause.objects.create(by="ops", reason="x")
        if held:
            ChannelHold.objects.create(channel="memory", until=clock.now() + timedelta(minutes=1))
        lifecycle.scan(trigger="cli", config=config)
        assignment.refresh_from_db()
        answer = explain(assignment, config=config)
        expected = answer.will_send and answer.next_at is not None and answer.next_at <= clock.now()
        deliver(config, outbox)
        assert (len(outbox.messages) == 1) == expected
        sent = Reminder.objects.filter(assignment=assignment, kind=Kind.REMINDER, state="SENT").exists()
        assert sent == expected
        transaction.set_rollback(True)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET search_path = public")
