"""The life of a reminder against the real database: planned, claimed, begun, sent, recorded."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from assignments import people, services, teams
from assignments.models import Assignment, ReminderStatus
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, scan
from reminders.ledger import beginning, finishing, leases, records
from reminders.models import Attempt, CircuitBreaker, Kind, Pause, Reason, Reminder, State
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

ChannelOf = Callable[[str], MemoryChannel]


@pytest.fixture
def desk() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def run(config: ReminderConfig, desk: MemoryBroker, channel_of: ChannelOf) -> Callable[[], deliver.Delivered]:
    """One tick of dispatch, and a worker that takes all that was handed over."""

    def turn() -> deliver.Delivered:
        dispatch.dispatch(config=config, broker=desk)
        hints = desk.hints()
        desk.batches.clear()
        return deliver.deliver(hints, config=config, channel=channel_of)

    return turn


def reminder_of(assignment: Assignment, **more: object) -> Reminder:
    return Reminder.objects.get(assignment=assignment, **{"kind": Kind.REMINDER, **more})


def test_a_reminder_is_planned_at_once_and_sent_when_it_is_due(clock, run, outbox):
    assignment = AssignmentFactory()
    planned = reminder_of(assignment)
    assert (planned.state, planned.due_at) == (State.PLANNED, NOON + timedelta(minutes=30))

    assert run().sent == 0
    clock.advance(timedelta(minutes=30))
    assert run().sent == 1

    sent = reminder_of(assignment)
    assignment.refresh_from_db()
    assert sent.state == State.SENT
    assert assignment.reminder_status == ReminderStatus.SENT
    assert [m.address for m in outbox.messages] == [assignment.assignee.email]
    attempt = Attempt.objects.get(reminder=sent)
    assert (attempt.number, attempt.outcome, attempt.ticket) == (1, "accepted", 1)
    assert sent.message_id == outbox.messages[0].message_id


def test_a_mail_names_whom_of_the_team_to_ask(clock, run, outbox):
    """The work's own team counts, else that of its assignee; without either the settings do."""
    north = teams.add_team(name="North", phone="+49 40 55", reply_to="north@example.test")
    south = teams.add_team(name="South", organisation="South & Sons", phone="+49 89 1")
    member = AssigneeFactory(team_id=south.pk)
    for values in (
        {"team_id": north.pk, "assignee": member},
        {"assignee": AssigneeFactory(team_id=south.pk)},
        {},
    ):
        AssignmentFactory(soon=True, **values)
    assert run().sent == 3
    assert [message.reply_to for message in outbox.messages] == ["north@example.test", "", ""]
    questions = [
        line for message in outbox.messages for line in message.text.split("\n") if "Questions?" in line
    ]
    assert questions == [
        "Questions? Reply to this mail, or call +49 40 55.",
        "Questions? Call South & Sons, +49 89 1.",
    ]


def test_a_second_scan_plans_nothing_new(clock, config):
    AssignmentFactory.create_batch(3)
    Reminder.objects.all().delete()
    first = scan.scan(trigger="cli", config=config)
    second = scan.scan(trigger="cli", config=config)
    assert first.counts is not None
    assert second.counts is not None
    assert (first.counts.planned, second.counts.planned) == (3, 0)
    assert Reminder.objects.count() == 3


def test_work_beyond_the_look_ahead_waits_for_a_scan(clock, config):
    assignment = AssignmentFactory(far=True)
    assert not Reminder.objects.exists()
    clock.set(assignment.scheduled_start - timedelta(minutes=119))
    scan.scan(trigger="cli", config=config)
    assert reminder_of(assignment).state == State.PLANNED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: services.cancel(a.pk), Reason.CANCELLED),
        (lambda a: acting.start(a.pk), Reason.STARTED),
        (lambda a: services.reschedule(a.pk, start=a.scheduled_start + timedelta(days=9)), Reason.MOVED),
        (lambda a: services.reassign(a.pk, assignee_id=AssigneeFactory().pk), Reason.REASSIGNED),
        (lambda a: services.change(a.pk, {"lead_minutes": 10}), Reason.REPLANNED),
    ],
)
def test_a_change_of_plan_ends_what_was_planned(clock, change, reason):
    assignment = AssignmentFactory()
    change(assignment)
    old = reminder_of(assignment, version=1)
    assert (old.state, old.reason) == (State.SKIPPED, reason)


def test_a_change_between_claim_and_begin_stops_the_send(clock, config, desk, channel_of, outbox):
    assignment = AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    services.cancel(assignment.pk)
    done = deliver.deliver(desk.hints(), config=config, channel=channel_of)
    assert (done.sent, done.stale) == (0, 1)
    assert outbox.attempts == []


def test_a_repeated_hint_sends_once(clock, config, desk, channel_of, outbox):
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    hints = desk.hints()
    deliver.deliver(hints * 3, config=config, channel=channel_of)
    deliver.deliver(hints, config=config, channel=channel_of)
    assert len(outbox.messages) == 1


def test_what_is_refused_for_now_is_tried_again_later(clock, run, outbox):
    assignment = AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.REFUSED_FOR_NOW)
    run()
    row = reminder_of(assignment)
    assert (row.state, row.failures, row.attempts) == (State.PLANNED, 1, 1)
    assert timedelta(seconds=12) <= row.next_attempt_at - clock.now() <= timedelta(seconds=18.1)
    clock.advance(timedelta(seconds=20))
    assert run().sent == 1
    assert [a.outcome for a in Attempt.objects.order_by("number")] == ["refused_for_now", "accepted"]
    assert len({m.message_id for m in outbox.attempts}) == 1


def test_an_unknowable_send_is_repeated_once_and_then_left_to_an_operator(clock, run, outbox):
    assignment = AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.UNKNOWABLE, Outcome.UNKNOWABLE)
    run()
    assert reminder_of(assignment).state == State.PLANNED
    assert run().sent == 0  # The repeat waits: what was too slow would be too slow again.
    clock.advance(timedelta(seconds=60))
    run()
    row = reminder_of(assignment)
    assert (row.state, row.reason, row.ambiguous) == (State.UNKNOWN, Reason.AMBIGUOUS, 2)
    clock.advance(timedelta(minutes=5))
    assert run().sent == 0
    assert len(outbox.attempts) == 2


def test_a_lease_that_ran_out_before_begin_costs_nothing(clock, config, desk, run, outbox):
    assignment = AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    lost = desk.hints()
    desk.batches.clear()
    clock.advance(config.lease + timedelta(seconds=1))
    assert run().sent == 1
    row = reminder_of(assignment)
    assert (row.ambiguous, row.ticket) == (0, 2)
    assert lost[0].ticket == 1


@pytest.mark.parametrize("sabotage", [False, True])
def test_an_old_ticket_begins_nothing(clock, config, desk, channel_of, outbox, monkeypatch, sabotage):
    """With the ticket's guard taken out of the statement the old hint would send: the guard is what decides."""
    if sabotage:
        guard = "AND r.ticket = hint.ticket AND r.state = 'QUEUED'"
        assert guard in beginning.PICK_RATED
        broken = beginning.PICK_RATED.replace(guard, "AND r.state = 'QUEUED'")
        monkeypatch.setattr(beginning, "PICK_RATED", broken)
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    old = desk.hints()
    clock.advance(config.lease + timedelta(seconds=1))
    dispatch.dispatch(config=config, broker=desk)
    done = deliver.deliver(old, config=config, channel=channel_of)
    assert (done.sent, done.stale) == ((1, 0) if sabotage else (0, 1))


def test_a_worker_that_died_in_a_send_leaves_a_possible_duplicate(clock, config, desk, run, outbox):
    assignment = AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    beginning.begin(desk.hints(), config=config)
    desk.batches.clear()
    clock.advance(config.lease + timedelta(seconds=1))
    assert run().sent == 0  # the worker's answer may yet come
    clock.advance(leases.LATE_ANSWER_WAIT)
    assert run().sent == 1
    row = reminder_of(assignment)
    assert (row.ambiguous, row.attempts) == (1, 2)
    assert [a.outcome for a in Attempt.objects.order_by("number")] == ["unknowable", "accepted"]


def test_a_late_answer_of_a_worker_that_lost_its_lease_counts_if_nobody_began_again(
    clock, config, desk, channel_of, outbox
):
    assignment = AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    begun = beginning.begin(desk.hints(), config=config)
    ends = deliver._send_all(begun.claims, config, channel_of)
    clock.advance(config.lease + timedelta(seconds=1))
    leases.reap(config)
    assert reminder_of(assignment).state == State.PLANNED
    assert len(finishing.finish(ends, config=config).landed) == 1
    row = reminder_of(assignment)
    assert (row.state, row.ambiguous) == (State.SENT, 1)
    assert len(outbox.messages) == 1


@pytest.mark.parametrize("sabotage", [False, True])
def test_a_late_answer_loses_once_somebody_else_has_begun(
    clock, config, desk, channel_of, monkeypatch, sabotage
):
    """With the ticket's guard taken out of the statement the late answer would win: the guard is what decides."""
    if sabotage:
        guard = "(r.state = 'SENDING' AND r.ticket = x.ticket)"
        assert guard in finishing.FINISH
        monkeypatch.setattr(finishing, "FINISH", finishing.FINISH.replace(guard, "r.state = 'SENDING'"))
    AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    begun = beginning.begin(desk.hints(), config=config)
    ends = deliver._send_all(begun.claims, config, channel_of)
    clock.advance(config.lease + timedelta(seconds=1))
    desk.batches.clear()
    leases.reap(config)
    clock.advance(leases.LATE_ANSWER_WAIT)
    dispatch.dispatch(config=config, broker=desk)
    beginning.begin(desk.hints(), config=config)
    assert len(finishing.finish(ends, config=config).landed) == (1 if sabotage else 0)


def test_work_nobody_started_is_marked_and_supervisors_are_told_once(clock, config, run, outbox, settings):
    settings.REMINDERS = ReminderConfig(channel="memory", ops_emails=("ops@example.test",))
    assignment = AssignmentFactory(soon=True)
    run()
    clock.set(assignment.scheduled_start + timedelta(minutes=31))
    scan.scan(trigger="cli", config=settings.REMINDERS)
    desk = MemoryBroker()
    for _ in range(3):
        dispatch.dispatch(config=settings.REMINDERS, broker=desk)
        deliver.deliver(desk.hints(), config=settings.REMINDERS, channel=lambda _: outbox)
        desk.batches.clear()
    assignment.refresh_from_db()
    assert assignment.reminder_status == ReminderStatus.OVERDUE
    assert [m.address for m in outbox.messages] == [assignment.assignee.email, "ops@example.test"]
    assert sorted(Reminder.objects.values_list("state", flat=True)) == ["MARKED", "SENT", "SENT"]


def test_work_entered_after_its_start_is_not_reminded_of(clock, run, outbox):
    assignment = AssignmentFactory(past=True)
    row = reminder_of(assignment)
    assert (row.state, row.reason) == (State.SKIPPED, Reason.PAST)
    assert run().sent == 0


def test_back_to_a_start_that_was_told_already_says_nothing_again(clock, run, outbox):
    assignment = AssignmentFactory(soon=True)
    run()
    other = AssigneeFactory()
    services.reassign(assignment.pk, assignee_id=other.pk)
    services.reassign(assignment.pk, assignee_id=assignment.assignee_id)
    assignment.refresh_from_db()
    row = reminder_of(assignment, version=3)
    assert (row.state, row.reason) == (State.SKIPPED, Reason.ALREADY_TOLD)
    assert assignment.reminder_status == ReminderStatus.SENT
    assert run().sent == 0


def test_a_reset_reminds_again_though_it_was_told_already(clock, run, outbox):
    assignment = AssignmentFactory(soon=True)
    run()
    clock.advance(timedelta(seconds=1))
    assert services.remind_again([assignment.pk]) == [assignment.pk]
    assert run().sent == 0  # they had one a second ago
    clock.advance(timedelta(seconds=59))
    assert run().sent == 1
    assert len(outbox.messages) == 2


def test_a_person_without_address_fails_with_a_reason_and_revives_when_corrected(clock, run, outbox):
    assignment = AssignmentFactory(soon=True, assignee__unreachable=True)
    run()
    row = reminder_of(assignment)
    assert (row.state, row.reason) == (State.FAILED, Reason.NO_CONTACT)
    people.change_assignee(assignment.assignee_id, {"email": "found@example.test"})
    assert run().sent == 1
    assert [m.address for m in outbox.messages] == ["found@example.test"]


def test_a_dead_broker_claims_nothing(clock, config, desk):
    assignment = AssignmentFactory(soon=True)
    desk.down = True
    dispatch.dispatch(config=config, broker=desk)
    assert reminder_of(assignment).state == State.PLANNED


def test_a_refused_hint_goes_back_at_once(clock, config, desk):
    assignment = AssignmentFactory(soon=True)
    desk.refuse = True
    done = dispatch.dispatch(config=config, broker=desk)
    assert (done.handed_over, done.refused) == (0, 1)
    assert reminder_of(assignment).state == State.PLANNED


def test_one_poisoned_row_costs_its_neighbours_nothing(clock, run, outbox):
    AssignmentFactory.create_batch(5, soon=True)
    outbox.answer_with(Outcome.ACCEPTED, RuntimeError("poison"))
    done = run()
    assert (done.sent, done.again) == (4, 1)


def test_a_channel_that_is_down_is_left_alone_and_costs_nobody_an_attempt(clock, config, run, outbox):
    AssignmentFactory.create_batch(4, soon=True)
    outbox.answer_with(Outcome.CHANNEL_DOWN)
    done = run()
    assert (done.sent, done.again) == (0, 4)
    assert len(outbox.attempts) == 1
    assert run().sent == 0
    clock.advance(timedelta(seconds=6))
    assert run().sent == 4
    assert set(Reminder.objects.values_list("failures", flat=True)) == {0}


def test_disabled_means_nothing_is_planned_queued_or_sent(clock, config, desk, channel_of, outbox, settings):
    planned = AssignmentFactory(soon=True)
    dispatch.dispatch(config=config, broker=desk)
    settings.REMINDERS = off = ReminderConfig(channel="memory", enabled=False)
    unplanned = AssignmentFactory(soon=True)
    done = deliver.deliver(desk.hints(), config=off, channel=channel_of)
    assert (done.sent, done.settled) == (0, 1)
    assert dispatch.dispatch(config=off, broker=desk).handed_over == 0
    with pytest.raises(scan.Disabled):
        scan.scan(trigger="cli", config=off)
    assert not Reminder.objects.filter(assignment=unplanned).exists()
    assert reminder_of(planned).state == State.PLANNED
    assert outbox.attempts == []


def test_a_tick_survives_a_broken_connection_of_the_one_before(clock, config, desk):
    """The database ends the connection in a statement outside any transaction; the next task starts afresh."""
    from celery.signals import task_prerun
    from django.db import connection

    import reminders.delivery.tasks  # noqa: F401 - its listener is what is tried

    closed = []
    connection.errors_occurred = True

    def close() -> None:
        closed.append(True)
        connection.health_check_done = True  # a closed one leaves nothing to check

    before, connection.close = connection.close, close
    usable, connection.is_usable = connection.is_usable, lambda: False
    atomic, connection.in_atomic_block = connection.in_atomic_block, False
    try:
        task_prerun.send(sender=None)
    finally:
        connection.close, connection.is_usable, connection.in_atomic_block = before, usable, atomic
        connection.errors_occurred = False
    assert closed == [True]


def begun(desk: MemoryBroker, config: ReminderConfig) -> list[records.Claim]:
    """What is due right now, begun and not sent yet."""
    desk.batches.clear()
    dispatch.dispatch(config=config, broker=desk)
    return beginning.begin(desk.hints(), config=config).claims


def test_a_start_that_is_being_told_right_now_counts_as_the_last_one_heard(
    clock, config, desk, run, outbox, channel_of
):
    """Told 12:10; moved to 12:15 and that is being sent while it moves back: the person must hear 12:10 again."""
    assignment = AssignmentFactory(soon=True)
    run()
    services.reschedule(assignment.pk, start=NOON + timedelta(minutes=15))
    clock.advance(config.correction_grace)
    claims = begun(desk, config)
    services.reschedule(assignment.pk, start=NOON + timedelta(minutes=10))
    finishing.finish(deliver._send_all(claims, config, channel_of), config=config)
    clock.advance(config.correction_grace)
    assert run().sent == 1
    assert len(outbox.messages) == 3
    assert reminder_of(assignment, version=3).state == State.SENT


def test_a_change_during_the_send_that_tells_the_same_start_is_not_told_twice(
    clock, config, desk, run, outbox, channel_of
):
    assignment = AssignmentFactory(soon=True)
    claims = begun(desk, config)
    services.cancel(assignment.pk)
    services.reinstate(assignment.pk)
    finishing.finish(deliver._send_all(claims, config, channel_of), config=config)
    assert run().sent == 0
    assert len(outbox.messages) == 1
    row = reminder_of(assignment, version=3)
    assert (row.state, row.reason) == (State.SKIPPED, Reason.ALREADY_TOLD)
    assignment.refresh_from_db()
    assert assignment.reminder_status == ReminderStatus.SENT


def test_supervisors_are_told_though_the_plan_changed_during_a_pause(clock, outbox, settings):
    settings.REMINDERS = config = ReminderConfig(channel="memory", ops_emails=("ops@example.test",))
    desk = MemoryBroker()
    assignment = AssignmentFactory(soon=True)
    clock.set(assignment.scheduled_start + timedelta(minutes=31))
    pause = Pause.objects.create(by="ops", reason="storm")
    scan.scan(trigger="cli", config=config)
    for _ in range(2):
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=lambda _: outbox)
    services.reassign(assignment.pk, assignee_id=AssigneeFactory().pk)
    Pause.objects.filter(pk=pause.pk).update(ended_at=clock.now())
    for _ in range(2):
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=lambda _: outbox)
    assert [m.address for m in outbox.messages] == ["ops@example.test"]


def test_the_shortest_accepted_lease_still_sends_a_whole_slice(clock, outbox, desk):
    config = ReminderConfig(channel="memory", lease=timedelta(seconds=20))
    assert config.contradictions() == []
    AssignmentFactory.create_batch(20, soon=True)
    dispatch.dispatch(config=config, broker=desk)
    assert deliver.deliver(desk.hints(), config=config, channel=lambda _: outbox).sent == 20


def test_more_queued_than_the_limit_is_no_trouble(clock, config, desk):
    AssignmentFactory.create_batch(5, soon=True)
    dispatch.dispatch(config=config, broker=desk)
    smaller = ReminderConfig(channel="memory", queue_limit=2, batch_size=2)
    assert dispatch.dispatch(config=smaller, broker=desk).handed_over == 0


def test_a_clock_set_back_sends_nothing_early(clock, config, desk, run, outbox):
    assignment = AssignmentFactory(scheduled_start=NOON + timedelta(minutes=30))
    dispatch.dispatch(config=config, broker=desk)
    clock.advance(-timedelta(minutes=20))
    desk.batches.clear()
    scan.scan(trigger="cli", config=config)
    assert run().sent == 0
    assert reminder_of(assignment).state == State.PLANNED
    clock.set(NOON)
    assert run().sent == 1


def test_an_address_corrected_during_the_send_gets_a_send_of_its_own(
    clock, config, desk, run, outbox, channel_of
):
    assignment = AssignmentFactory(soon=True)
    claims = begun(desk, config)
    clock.advance(timedelta(seconds=1))
    people.change_assignee(assignment.assignee_id, {"email": "right@example.test"})
    outbox.answer_with(Outcome.REJECTED)
    finishing.finish(deliver._send_all(claims, config, channel_of), config=config)
    assert run().sent == 1
    assert [m.address for m in outbox.messages] == ["right@example.test"]


def test_a_hold_that_outlasts_the_use_of_a_reminder_ends_it_at_once(clock, config, run, outbox):
    assignment = AssignmentFactory(soon=True)
    clock.set(assignment.scheduled_start + timedelta(minutes=30) - timedelta(seconds=2))
    outbox.answer_with(Outcome.CHANNEL_DOWN)
    run()
    row = reminder_of(assignment)
    assert (row.state, row.reason) == (State.FAILED, Reason.EXHAUSTED)


def test_a_hold_ends_with_the_first_answer_of_the_channel_whatever_it_says(clock, config, run, outbox):
    AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.CHANNEL_DOWN, Outcome.REJECTED)
    run()
    assert CircuitBreaker.objects.count() == 1
    clock.advance(timedelta(seconds=6))
    run()
    assert CircuitBreaker.objects.count() == 0


def test_an_older_answer_does_not_lift_a_newer_hold(clock, config, desk, channel_of, outbox):
    AssignmentFactory.create_batch(2, soon=True)
    CircuitBreaker.objects.create(channel="memory", until=NOON - timedelta(seconds=1))
    claims = begun(desk, config)
    good = deliver._send_all(claims[:1], config, channel_of)
    outbox.answer_with(Outcome.CHANNEL_DOWN)
    finishing.finish(deliver._send_all(claims[1:], config, channel_of), config=config)
    finishing.finish(good, config=config)
    assert CircuitBreaker.objects.get().failures == 2


def test_moved_to_a_start_that_is_not_overdue_yet_is_no_longer_overdue(clock, config, run):
    assignment = AssignmentFactory(soon=True)
    clock.set(assignment.scheduled_start + timedelta(minutes=31))
    scan.scan(trigger="cli", config=config)
    run()
    assignment.refresh_from_db()
    assert assignment.reminder_status == ReminderStatus.OVERDUE
    services.reschedule(assignment.pk, start=clock.now() - timedelta(minutes=1))
    assignment.refresh_from_db()
    assert (assignment.reminder_status, assignment.overdue_at) == (ReminderStatus.NONE, None)
