"""The reminders of several rules for one assignment, on their way: beside corrections, answers, outages and resets."""

from dataclasses import replace
from datetime import timedelta

import pytest

from assignments import acts, people, services
from assignments.models import Assignment
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, scan
from reminders.insight.explain.explain import explain
from reminders.ledger import rule_changes
from reminders.models import Kind, Reminder, ReminderRule, State
from tests import acting
from tests.conftest import NOON, DatabaseClock
from tests.factories import AssignmentFactory
from tests.rule_factory import key, rule
from tests.stage import MINUTE, Ticks

pytestmark = pytest.mark.django_db

START = NOON + timedelta(hours=2)


class RuledStage(Ticks):
    """Work at 14:00, of which a rule reminds at 12:10, another one at 13:00 and the built-in one at 13:30."""

    def __init__(self, clock: DatabaseClock, config: ReminderConfig, outbox: MemoryChannel) -> None:
        super().__init__(clock, config, outbox)
        self.first, self.second = rule(minutes=110), rule(minutes=60)
        scan.scan(trigger="cli", config=config)
        self.work: Assignment = AssignmentFactory(
            title="Pump", location="Hall 1", scheduled_start=START, assignee__time_zone="UTC"
        )

    def tick(self, at: timedelta) -> list[str]:
        """The subjects of what is sent by this time after noon."""
        self.clock.set(NOON + at)
        return self.deliver_due()

    def rows(self, kind: Kind = Kind.REMINDER) -> list[tuple[str, str, str]]:
        """Rule, state and reason of the rows of the version in force, in the order in which they are due."""
        self.work.refresh_from_db()
        found = Reminder.objects.filter(assignment=self.work, kind=kind)
        if kind is Kind.REMINDER:
            found = found.filter(version=self.work.version)
        return [(row.rule, row.state, row.reason) for row in found.order_by("due_at", "id")]

    @property
    def rules(self) -> tuple[str, str, str]:
        return key(self.first), key(self.second), "default"


@pytest.fixture
def stage(clock: DatabaseClock, config: ReminderConfig, outbox: MemoryChannel) -> RuledStage:
    return RuledStage(clock, config, outbox)


REMINDER = "Reminder: Pump, Mon 15 Jun, 14:00"
LATE = f"Late {REMINDER[0].lower()}{REMINDER[1:]}"


def test_each_rule_reminds_once_at_its_instant(stage):
    assert stage.tick(9 * MINUTE) == []
    assert stage.tick(10 * MINUTE) == [REMINDER]
    assert stage.tick(59 * MINUTE) == []
    assert stage.tick(60 * MINUTE) == [REMINDER]
    assert stage.tick(90 * MINUTE) == [REMINDER]
    assert stage.rows() == [(rule, State.SENT, "") for rule in stage.rules]
    stage.work.refresh_from_db()
    assert stage.work.reminder_status == "SENT"


def test_a_new_version_with_the_same_start_is_reminded_by_what_has_not_reminded_yet(stage):
    stage.tick(10 * MINUTE)
    services.change(stage.work.pk, {"lead_minutes": 20})
    services.change(stage.work.pk, {"lead_minutes": None})
    first, second, default = stage.rules
    assert stage.rows() == [
        (first, State.SKIPPED, "already_told"),
        (second, State.PLANNED, ""),
        (default, State.PLANNED, ""),
    ]
    assert stage.tick(60 * MINUTE) == [REMINDER]
    assert stage.tick(90 * MINUTE) == [REMINDER]


def test_a_send_of_one_rule_that_ends_after_the_change_swallows_no_other_rule(stage):
    """The plan changes while the first reminder is being sent; its own row of the new version ends, and no other."""
    stage.clock.set(NOON + 10 * MINUTE)
    dispatch.dispatch(config=stage.config, broker=stage.desk)

    class Changing:
        def __getattr__(self, name):
            return getattr(stage.outbox, name)

        def send_announcing(self, *args, **kwargs):
            services.change(stage.work.pk, {"lead_minutes": 20})
            services.change(stage.work.pk, {"lead_minutes": None})
            return stage.outbox.send_announcing(*args, **kwargs)

    deliver.deliver(stage.desk.hints(), config=stage.config, channel=lambda _: Changing())
    first, second, default = stage.rules
    assert stage.rows() == [
        (first, State.SKIPPED, "already_told"),
        (second, State.PLANNED, ""),
        (default, State.PLANNED, ""),
    ]


def test_what_was_told_is_over_all_rules_and_a_move_gives_one_correction(stage):
    stage.tick(10 * MINUTE)
    services.reschedule(stage.work.pk, start=START + 4 * 60 * MINUTE)
    assert stage.tick(12 * MINUTE) == ["Moved from 14:00 to 18:00: Pump"]
    assert stage.tick(60 * MINUTE) == []
    services.reschedule(stage.work.pk, start=START)
    assert stage.tick(62 * MINUTE) == [REMINDER]
    assert "It was moved from 18:00 to 14:00." in stage.outbox.messages[-1].text
    assert [state for _, state, _ in stage.rows(Kind.CORRECTION)] == [State.SENT, State.SKIPPED]


def test_a_reminder_that_is_due_before_the_correction_waits_for_it(stage):
    stage.tick(10 * MINUTE)
    stage.clock.set(NOON + 59.5 * MINUTE)
    services.reschedule(stage.work.pk, start=START + MINUTE)
    first, second, default = stage.rules
    assert stage.rows() == [
        (first, State.PLANNED, ""),  # missed by the new plan, so it is due at once
        (second, State.SKIPPED, "too_close"),
        (default, State.PLANNED, ""),
    ]
    held = Reminder.objects.get(rule=first, version=2)
    assert held.next_attempt_at == NOON + 60.5 * MINUTE
    services.reschedule(stage.work.pk, start=START)
    assert stage.tick(61 * MINUTE) == [REMINDER]
    assert stage.rows(Kind.CORRECTION)[-1][1:] == (State.SKIPPED, "as_told")


def test_a_reminder_that_its_condition_will_skip_states_no_correction(stage):
    ReminderRule.objects.filter(pk=stage.second.pk).update(condition="not_confirmed")
    stage.tick(10 * MINUTE)
    acting.confirm(stage.work)
    stage.clock.set(NOON + 59.5 * MINUTE)
    services.change(stage.work.pk, {"location": "Hall 2"})
    assert stage.tick(61 * MINUTE) == ["Changed: Pump, Mon 15 Jun, 14:00"]
    assert stage.rows()[1] == (key(stage.second), State.SKIPPED, "confirmed")
    assert stage.rows(Kind.CORRECTION)[-1][1:] == (State.SENT, "")


def test_who_confirms_after_having_declined_gets_back_what_is_not_due_yet(stage):
    acting.decline(stage.work)
    assert {reason for _, _, reason in stage.rows()} == {"declined"}
    stage.clock.set(NOON + 20 * MINUTE)
    acting.confirm(stage.work)
    first, second, default = stage.rules
    assert stage.rows() == [
        (first, State.SKIPPED, "declined"),
        (second, State.PLANNED, ""),
        (default, State.PLANNED, ""),
    ]
    assert stage.tick(60 * MINUTE) == [REMINDER]


def test_who_confirms_after_a_rule_has_changed_is_reminded_as_it_is_now(stage):
    acting.decline(stage.work)
    _, second, _ = stage.rules
    ReminderRule.objects.filter(pk=stage.first.pk).update(minutes=80)
    stage.second.delete()
    rule_changes.announce_change()
    scan.scan(trigger="cli", config=stage.config)
    acting.confirm(stage.work)
    assert stage.rows() == [
        (key(stage.first), State.PLANNED, ""),
        (second, State.SKIPPED, "replanned"),
        ("default", State.PLANNED, ""),
    ]
    assert stage.tick(30 * MINUTE) == []
    assert stage.tick(40 * MINUTE) == [REMINDER]


def test_two_reminders_that_an_outage_has_made_due_together_are_one(stage):
    assert stage.tick(65 * MINUTE) == [LATE]
    first, second, default = stage.rules
    assert stage.rows() == [
        (first, State.SENT, ""),
        (second, State.SKIPPED, "too_close"),
        (default, State.PLANNED, ""),
    ]
    assert stage.tick(90 * MINUTE) == [REMINDER]


def test_of_reminders_that_are_due_together_the_one_of_the_earlier_instant_is_sent(stage):
    """Whichever of their rows was made first."""
    ReminderRule.objects.filter(pk=stage.first.pk).update(minutes=50)
    rule_changes.announce_change()
    scan.scan(trigger="cli", config=stage.config)
    assert stage.tick(75 * MINUTE) == [LATE]
    first, second, default = stage.rules
    assert stage.rows() == [
        (second, State.SENT, ""),
        (first, State.SKIPPED, "too_close"),
        (default, State.PLANNED, ""),
    ]


def test_two_workers_that_begin_one_after_the_other_keep_the_distance(stage):
    assert stage.tick(55 * MINUTE) == [LATE]
    seen = explain(stage.work, config=stage.config)
    coming = next(row for row in seen.reminders if row.kind == "REMINDER" and row.state == "PLANNED")
    assert coming.summary == (
        "will not be sent: another reminder to this person about this work is less than 10 minutes before it"
    )
    assert stage.tick(60 * MINUTE) == []
    assert stage.rows()[1] == (key(stage.second), State.SKIPPED, "too_close")


def test_a_reminder_that_states_a_change_is_never_too_close(stage):
    stage.tick(55 * MINUTE)
    services.change(stage.work.pk, {"location": "Hall 2"})
    stage.clock.set(NOON + 59.5 * MINUTE)
    sent = stage.tick(60 * MINUTE)
    assert len(sent) == 1
    assert "Hall 2" in stage.outbox.messages[-1].text


def test_a_reset_reminds_once_at_once_and_of_what_is_to_come(stage):
    stage.tick(10 * MINUTE)
    stage.tick(60 * MINUTE)
    stage.clock.set(NOON + 65 * MINUTE)
    services.remind_again([stage.work.pk])
    first, second, default = stage.rules
    assert stage.rows() == [
        (first, State.SKIPPED, "short_notice"),
        (second, State.PLANNED, ""),
        (default, State.PLANNED, ""),
    ]
    assert stage.tick(66 * MINUTE) == [REMINDER]
    assert stage.tick(90 * MINUTE) == [REMINDER]


def test_a_corrected_address_brings_the_latest_of_the_failed_reminders_back(stage):
    person = stage.work.assignee
    people.change_assignee(person.pk, {"email": ""})
    stage.tick(10 * MINUTE)
    stage.tick(60 * MINUTE)
    assert [state for _, state, _ in stage.rows()] == [State.FAILED, State.FAILED, State.PLANNED]
    people.change_assignee(person.pk, {"email": "new@example.test"})
    assert [state for _, state, _ in stage.rows()] == [State.FAILED, State.PLANNED, State.PLANNED]
    assert stage.tick(63 * MINUTE) == [LATE]


def test_a_refused_reminder_leaves_the_next_rule_as_it_was(stage):
    stage.outbox.answer_with(Outcome.REJECTED)
    stage.tick(10 * MINUTE)
    assert stage.tick(60 * MINUTE) == [REMINDER]
    assert [state for _, state, _ in stage.rows()] == [State.FAILED, State.SENT, State.PLANNED]


def test_who_runs_late_is_reminded_as_before_and_the_reminders_are_of_use_for_longer(stage):
    acts.run_late(stage.work.pk, minutes=60, actor=acting.OLGA)
    found = Reminder.objects.filter(kind=Kind.REMINDER).order_by("due_at")
    assert [row.not_after for row in found] == [START + 90 * MINUTE] * 3
    assert [row.due_at for row in found] == [START - one * MINUTE for one in (110, 60, 30)]


def test_plans_that_change_while_reminders_are_off_are_planned_by_rules_afterwards(stage, settings):
    settings.REMINDERS = replace(stage.config, enabled=False)
    services.reschedule(stage.work.pk, start=START + 30 * MINUTE)
    other = AssignmentFactory(scheduled_start=START)
    settings.REMINDERS = stage.config
    counts = scan.scan(trigger="cli", config=stage.config).counts
    assert (counts.planned, counts.unaccounted) == (6, 0)
    assert [rule for rule, _, _ in stage.rows()] == list(stage.rules)
    assert Reminder.objects.filter(assignment=other).count() == 3
