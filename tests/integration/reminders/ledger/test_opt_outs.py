"""Whoever wants no reminders of a rule gets none, at planning, at begin and in what is foreseen, until that is undone."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from assignments import people, services
from notifications.message import Outcome
from reminders.delivery import deliver, dispatch, scan
from reminders.insight.explain.answer import Outlook
from reminders.insight.explain.explain import explain
from reminders.insight.simulator.simulator import simulate
from reminders.ledger import beginning, opt_outs
from reminders.ledger.sql import bigints
from reminders.models import Audit, OptOut, Reminder
from reminders.operations import reminder_rules
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.rule_factory import key, rule
from tests.stage import Ticks

pytestmark = pytest.mark.django_db
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PAGE = OptOut.Via.PAGE


@pytest.fixture
def ann(clock):
    return AssigneeFactory(name="Ann", time_zone="UTC")


def work_of(person, minutes=90, **values):
    return AssignmentFactory(
        assignee=person, scheduled_start=NOON + timedelta(minutes=minutes), title="Pump", **values
    )


def stop(person, of="default", *, config, via=PAGE):
    return opt_outs.opt_out(person.pk, of, via=via, config=config)


def undo(person, of="default", *, config, by="olga"):
    return opt_outs.undo(person.pk, [of], by=by, reason="they asked by phone", config=config)[0]


def rows(work):
    found = Reminder.objects.filter(assignment=work, kind="REMINDER").order_by("due_at", "id")
    return [(row.rule, row.state, row.reason) for row in found]


def test_what_is_open_ends_and_what_is_planned_later_is_skipped(ann, config):
    open_, other = work_of(ann), work_of(AssigneeFactory())
    scan.scan(trigger="cli", config=config)
    assert [(row.reason, row.assignment_id) for row in stop(ann, config=config)] == [("opted_out", open_.pk)]
    assert rows(open_) == [("default", "SKIPPED", "opted_out")]
    assert rows(other) == [("default", "PLANNED", "")]
    later = work_of(ann)
    scan.scan(trigger="cli", config=config)
    assert rows(later) == [("default", "SKIPPED", "opted_out")]
    services.change(later.pk, {"scheduled_start": NOON + 100 * MINUTE})
    assert rows(later)[-1] == ("default", "SKIPPED", "opted_out")


def test_twice_is_once(ann, config):
    assert stop(ann, config=config) == []
    stop(ann, config=config, via=OptOut.Via.ONE_CLICK)
    assert [(one.rule, one.via) for one in opt_outs.in_force(ann.pk)] == [("default", "page")]
    with pytest.raises(IntegrityError), transaction.atomic():
        OptOut.objects.create(person=ann, rule="default", via=PAGE)


def test_all_lead_times_of_work_are_one_rule(ann, config):
    work = work_of(ann, 110, lead_minutes=[30, 60])
    scan.scan(trigger="cli", config=config)
    assert {state for _, state, _ in rows(work)} == {"PLANNED"}
    stop(ann, "default:2", config=config)
    assert [(state, reason) for _, state, reason in rows(work)] == [("SKIPPED", "opted_out")] * 2


def test_it_is_undone_with_a_reason_and_what_is_not_due_yet_is_planned_again(ann, config):
    work = work_of(ann)
    scan.scan(trigger="cli", config=config)
    stop(ann, config=config)
    assert undo(ann, config=config) == ["default"]
    assert rows(work) == [("default", "PLANNED", "")]
    one = OptOut.objects.get()
    assert (one.undone_at, one.undone_by, one.undone_reason) == (NOON, "olga", "they asked by phone")
    line = Audit.objects.get(action="undo_opt_out")
    assert (line.actor, line.reason) == ("olga", "they asked by phone")
    assert line.selection == {"person": ann.pk, "rules": ["default"]}
    assert undo(ann, config=config) == []
    assert Audit.objects.filter(action="undo_opt_out").count() == 1


def test_what_has_become_due_meanwhile_does_not_come_back(ann, config, clock):
    work = work_of(ann)
    scan.scan(trigger="cli", config=config)
    stop(ann, config=config)
    clock.advance(61 * MINUTE)
    undo(ann, config=config)
    assert rows(work) == [("default", "SKIPPED", "opted_out")]


def test_one_rule_ends_and_the_others_go_on(ann, config):
    hour = rule(minutes=60)
    work = work_of(ann)
    scan.scan(trigger="cli", config=config)
    stop(ann, key(hour), config=config)
    assert rows(work) == [(key(hour), "SKIPPED", "opted_out"), ("default", "PLANNED", "")]
    undo(ann, key(hour), config=config)
    assert rows(work) == [(key(hour), "PLANNED", ""), ("default", "PLANNED", "")]


def test_what_was_too_close_to_a_reminder_that_is_not_sent_any_more_is_sent(ann, config):
    rule(minutes=35)
    close = rule(minutes=40)
    work = work_of(ann)
    scan.scan(trigger="cli", config=config)
    assert [(state, reason) for _, state, reason in rows(work)] == [
        ("PLANNED", ""),
        ("SKIPPED", "too_close"),
        ("PLANNED", ""),
    ]
    stop(ann, key(close), config=config)
    assert [(state, reason) for _, state, reason in rows(work)] == [
        ("SKIPPED", "opted_out"),
        ("PLANNED", ""),
        ("SKIPPED", "too_close"),
    ]


def test_a_mandatory_rule_is_sent_in_spite_of_it_and_one_that_becomes_so_comes_back(ann, config):
    hour = rule(minutes=60)
    work = work_of(ann)
    scan.scan(trigger="cli", config=config)
    stop(ann, key(hour), config=config)
    reminder_rules.change_rule(hour.pk, {"mandatory": True}, by="olga")
    scan.scan(trigger="cli", config=config)
    assert rows(work) == [(key(hour), "PLANNED", ""), ("default", "PLANNED", "")]
    assert opt_outs.is_mandatory(key(hour))
    assert not opt_outs.is_mandatory("default")


def test_what_was_planned_at_the_same_moment_is_not_sent(ann, config, clock, outbox):
    work = work_of(ann)
    ticks = Ticks(clock, config, outbox)
    scan.scan(trigger="cli", config=config)
    OptOut.objects.create(person=ann, rule="default", via=PAGE)  # committed while the scan planned the row
    clock.advance(60 * MINUTE)
    assert ticks.deliver_due() == []
    assert rows(work) == [("default", "SKIPPED", "opted_out")]


def test_a_reminder_that_is_being_sent_may_arrive_and_is_not_tried_again(ann, config, clock, outbox):
    work = work_of(ann, 30)
    scan.scan(trigger="cli", config=config)
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)

    class Refusing:
        def __getattr__(self, name):
            return getattr(outbox, name)

        def send_announcing(self, *args, **kwargs):
            stop(ann, config=config)
            return outbox.send_announcing(*args, **kwargs)

    outbox.answer_with(Outcome.REFUSED_FOR_NOW)
    deliver.deliver(broker.hints(), config=config, channel=lambda _: Refusing())
    assert [state for _, state, _ in rows(work)] == ["PLANNED"]
    clock.advance(MINUTE)
    assert Ticks(clock, config, outbox).deliver_due() == []
    assert rows(work) == [("default", "SKIPPED", "opted_out")]


def test_corrections_and_notices_are_sent_all_the_same(ann, config, clock, outbox):
    work = work_of(ann, 20)
    ticks = Ticks(clock, config, outbox)
    scan.scan(trigger="cli", config=config)
    assert ticks.deliver_due() == ["Reminder: Pump, Mon 15 Jun, 12:20"]
    stop(ann, config=config)
    services.change(work.pk, {"scheduled_start": NOON + 4 * HOUR})
    clock.advance(2 * MINUTE)
    assert ticks.deliver_due() == ["Moved from 12:20 to 16:00: Pump"]
    assert "List-Unsubscribe" not in outbox.messages[-1].headers


def test_it_is_explained_before_and_after(ann, config):
    stop(ann, config=config)
    far = work_of(ann, 600)
    before = explain(far, config=config)
    assert (before.outlook, before.will_send) == (Outlook.NOT_SENT, False)
    assert (
        before.summary
        == "The reminder will not be sent: this person wants no such messages, or none at that address."
    )
    assert "undo their opt-out" in before.advice
    assert [gate.name for gate in before.gates if not gate.passed] == [
        "within the look-ahead",
        "not opted out",
    ]
    near = work_of(ann)
    scan.scan(trigger="cli", config=config)
    after = explain(near, config=config)
    assert (after.outlook, after.summary) == (
        Outlook.NOT_SENT,
        "The reminder was not sent: this person wants no such messages, or none at that address.",
    )


def test_each_rule_is_explained(ann, config):
    hour = rule(minutes=60, name="An hour")
    stop(ann, key(hour), config=config)
    told = {one.name: one.summary for one in explain(work_of(ann, 600), config=config).rules}
    assert told["An hour"] == "will not be sent: this person wants no such messages, or none at that address"
    assert "will be sent at" in told["30 minutes before the start (built-in)"]


def test_the_simulator_foresees_what_then_happens(ann, config):
    hour = rule(minutes=60)
    work_of(ann)
    work_of(AssigneeFactory(), 100)
    stop(ann, "default", config=config)
    sends = [send.at for send in simulate(since=NOON, until=NOON + 3 * HOUR, config=config).sends]
    assert sends == [NOON + 30 * MINUTE, NOON + 40 * MINUTE, NOON + 70 * MINUTE]
    scan.scan(trigger="cli", config=config)
    planned = Reminder.objects.filter(state="PLANNED", kind="REMINDER").order_by("due_at")
    assert [row.due_at for row in planned] == sends
    stop(ann, key(hour), config=config)
    assert len(simulate(since=NOON, until=NOON + 3 * HOUR, config=config).sends) == 2
    reminder_rules.change_rule(hour.pk, {"mandatory": True}, by="olga")
    assert len(simulate(since=NOON, until=NOON + 3 * HOUR, config=config).sends) == 3


def test_who_takes_over_the_work_is_reminded(ann, config):
    work = work_of(ann)
    stop(ann, config=config)
    scan.scan(trigger="cli", config=config)
    services.change(work.pk, {"assignee_id": AssigneeFactory().pk})
    assert rows(work)[-1] == ("default", "PLANNED", "")


def test_a_decline_is_not_undone_with_it(ann, config):
    work = work_of(ann)
    scan.scan(trigger="cli", config=config)
    stop(ann, config=config)
    acting.decline(work)
    undo(ann, config=config)
    assert rows(work) == [("default", "SKIPPED", "opted_out")]


def test_a_changed_address_does_not_bring_reminders_back(ann, config):
    work = work_of(ann)
    scan.scan(trigger="cli", config=config)
    stop(ann, config=config)
    people.change_assignee(ann.pk, {"email": "new@example.test"})
    assert rows(work) == [("default", "SKIPPED", "opted_out")]


def test_while_nobody_has_opted_out_nobody_is_looked_up(ann, config):
    """The statement that begins rows looks once for all of them, and for none by itself."""
    work_of(ann, 30)
    scan.scan(trigger="cli", config=config)
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    (row,) = Reminder.objects.filter(state="QUEUED")
    hints = [bigints([row.pk]), bigints([row.ticket])]

    def looked_up() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {beginning.PICK}", hints)
            plan = [line for (line,) in cursor.fetchall()]
        assert any("on reminders_optout" in line and "on reminders_optout o" not in line for line in plan)
        return [line for line in plan if "on reminders_optout o" in line]

    assert all("never executed" in line for line in looked_up())
    stop(AssigneeFactory(), config=config)
    assert not all("never executed" in line for line in looked_up())
