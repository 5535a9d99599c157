"""What operators do on purpose: rescan, reset, resend, pause, resume, close; and what is written down about it."""

import logging
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from assignments import services
from assignments.models import Act, Assignment, ReminderStatus, Status
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, heartbeats, outage, retention, scan, tasks
from reminders.ledger import beginning, replanning, scans
from reminders.ledger.pauses import pause_in_force
from reminders.models import Audit, Pause, Process, Reason, Reminder, ScanRun, State
from reminders.operations import closing, pauses, plans, rescans, resets
from reminders.operations.pauses import BacklogPart
from reminders.operations.plans import Effect, Selection, Skipped, Why
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

OFF = ReminderConfig(channel="memory", enabled=False)


def out_of_sync(**values) -> Assignment:
    """Work whose roll-up says SENT though the ledger knows of no message, as after a restored backup."""
    assignment = AssignmentFactory(**values)
    Reminder.objects.filter(assignment=assignment).delete()
    Assignment.objects.filter(pk=assignment.pk).update(reminder_status=ReminderStatus.SENT)
    return assignment


# --- rescan ----------------------------------------------------------------------------------------------------


def test_a_rescan_plans_what_is_missing_and_is_written_down(clock, config):
    AssignmentFactory.create_batch(2)
    Reminder.objects.all().delete()
    done = rescans.rescan(trigger="admin", by="olga", reason="after the restore", config=config)
    assert done.counts is not None
    assert (done.is_new, done.counts.planned) == (True, 2)
    run = ScanRun.objects.get(pk=done.scan_id)
    assert (run.trigger, run.by, run.counts["planned"]) == ("admin", "olga", 2)
    audit = Audit.objects.get()
    assert (audit.actor, audit.action, audit.reason) == ("olga", "rescan", "after the restore")
    assert audit.after == {"scan_id": done.scan_id}


def test_a_second_rescan_answers_with_the_running_one(clock, config):
    running = scans.open_scan(trigger="beat", by="")
    done = rescans.rescan(trigger="api", by="olga", config=config)
    assert (done.scan_id, done.is_new, done.counts) == (running.scan_id, False, None)
    assert not Audit.objects.exists()


def test_a_rescan_is_refused_while_reminders_are_switched_off(clock):
    with pytest.raises(scan.Disabled):
        rescans.rescan(trigger="api", by="olga", config=OFF)
    assert not ScanRun.objects.exists()
    assert not Audit.objects.exists()


def test_a_rescan_that_takes_too_long_is_handed_over_and_finished_under_its_own_number(clock, config):
    AssignmentFactory()
    Reminder.objects.all().delete()
    taken = []
    done = rescans.rescan(
        trigger="api",
        by="olga",
        config=config,
        budget=timedelta(),
        hand_over=lambda scan_id: bool(taken.append(scan_id)) or True,
    )
    assert (done.counts, done.handed_over, taken) == (None, True, [done.scan_id])
    assert ScanRun.objects.get().finished_at is None
    finished = scan.resume_scan(done.scan_id, config=config)
    assert finished is not None
    assert finished.counts is not None
    assert finished.counts.planned == 1
    assert ScanRun.objects.get().finished_at == NOON
    assert scan.resume_scan(done.scan_id, config=config) is None


def test_a_rescan_that_nobody_takes_over_says_so(clock, config):
    done = rescans.rescan(
        trigger="api", by="olga", config=config, budget=timedelta(), hand_over=lambda _: False
    )
    run = ScanRun.objects.get()
    assert (done.counts, done.handed_over) == (None, False)
    assert (run.finished_at, run.counts) == (NOON, None)
    assert run.error == "Time was over and the broker took no message: the next scan does the rest."


@pytest.mark.parametrize("rules", [ReminderConfig(channel="memory"), OFF])
def test_a_preview_changes_nothing_and_says_nothing(clock, rules, caplog):
    late = AssignmentFactory(scheduled_start=NOON - timedelta(minutes=5))
    AssignmentFactory()
    Reminder.objects.all().delete()
    Assignment.objects.filter(pk=late.pk).update(known_at=NOON - timedelta(days=1))
    caplog.clear()
    with caplog.at_level(logging.INFO):
        preview = rescans.preview_rescan(config=rules)
    assert (preview.complete, preview.counts.planned, preview.counts.markers) == (True, 2, 1)
    assert not Reminder.objects.exists()
    assert not ScanRun.objects.exists()
    assert caplog.messages == []


def test_a_scan_says_what_it_ended_and_its_preview_does_not(clock, config, caplog):
    AssignmentFactory(past=True)
    Reminder.objects.all().delete()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        rescans.preview_rescan(config=config)
        assert "Reminder job skipped" not in caplog.messages
        rescans.rescan(trigger="cli", by="olga", config=config)
    assert caplog.messages.count("Reminder job skipped") == 1


# --- reset -----------------------------------------------------------------------------------------------------


def test_by_default_only_what_is_out_of_sync_is_reset(clock, config, run):
    told = AssignmentFactory(soon=True)
    run()
    lost = out_of_sync(soon=True)
    untold = AssignmentFactory()
    plan = resets.plan_reset(Selection(), config=config)
    assert [target.id for target in plan.targets] == [lost.pk]
    done = resets.run_reset(plan, by="olga", reason="restored backup")
    assert done.ids == (lost.pk,)
    for assignment, version, status in ((told, 1, "SENT"), (lost, 2, "NONE"), (untold, 1, "NONE")):
        assignment.refresh_from_db()
        assert (assignment.version, assignment.reminder_status) == (version, status)
    assert Reminder.objects.get(assignment=lost, version=2, kind="REMINDER").state == State.PLANNED


def test_what_was_imported_as_sent_is_not_out_of_sync(clock, config):
    imported = out_of_sync()
    Reminder.objects.create(
        assignment=imported,
        version=1,
        kind="REMINDER",
        channel="memory",
        planned_start=imported.scheduled_start,
        due_at=NOON,
        next_attempt_at=NOON,
        state=State.SKIPPED,
        reason=Reason.IMPORTED,
        closed_at=NOON,
    )
    assert resets.plan_reset(Selection(), config=config).targets == ()


def test_the_default_reset_done_twice_does_nothing_more(clock, config):
    lost = out_of_sync()
    resets.run_reset(resets.plan_reset(Selection(), config=config), by="olga", reason="once")
    second = resets.run_reset(resets.plan_reset(Selection(), config=config), by="olga", reason="twice")
    lost.refresh_from_db()
    assert (second.ids, lost.version) == ((), 2)
    assert Audit.objects.count() == 1


def test_one_plan_carried_out_twice_resets_once(clock, config, run):
    assignment = AssignmentFactory(soon=True)
    run()
    plan = resets.plan_reset(Selection(ids=(assignment.pk,)), config=config)
    assert resets.run_reset(plan, by="olga", reason="again").ids == (assignment.pk,)
    assert resets.run_reset(plan, by="olga", reason="again").skipped == (Skipped(assignment.pk, Why.CHANGED),)
    assignment.refresh_from_db()
    assert assignment.version == 2


def test_a_reset_is_written_down_with_before_and_after(clock, config):
    lost = out_of_sync()
    resets.run_reset(resets.plan_reset(Selection(), config=config), by="olga", reason=" restored ")
    audit = Audit.objects.get()
    assert (audit.actor, audit.action, audit.reason) == ("olga", "reset", "restored")
    assert audit.selection == {"scope": "out of sync"}
    assert audit.before == {
        str(lost.pk): {"version": 1, "status": "SCHEDULED", "reminder_status": "SENT"},
    }
    assert audit.after == {
        str(lost.pk): {"version": 2, "status": "SCHEDULED", "reminder_status": "NONE"},
    }


def test_the_literal_scope_says_how_many_are_nudged_again(clock, config, run):
    person = AssigneeFactory()
    AssignmentFactory.create_batch(2, soon=True, assignee=person)
    AssignmentFactory(soon=True)
    run()
    out_of_sync(soon=True)
    AssignmentFactory()
    plan = resets.plan_reset(Selection(future=True), config=config)
    assert (len(plan.targets), len(plan.again), plan.people_again) == (4, 3, 2)
    assert (
        resets.plan_reset(
            Selection(future=True, starts_after=NOON + timedelta(minutes=11)), config=config
        ).targets
        == ()
    )


def test_the_literal_scope_leaves_the_past_alone(clock, config, run):
    AssignmentFactory(soon=True)
    run()
    clock.advance(timedelta(minutes=11))
    assert resets.plan_reset(Selection(future=True), config=config).targets == ()


@pytest.mark.parametrize(
    ("make", "effect"),
    [
        (lambda: AssignmentFactory(), Effect.FIRST),
        (lambda: AssignmentFactory(unassigned=True), Effect.NOTHING),
        (lambda: AssignmentFactory(past=True), Effect.NOTHING),
    ],
)
def test_a_preview_says_who_is_written_to(clock, config, make, effect):
    assignment = make()
    plan = resets.plan_reset(Selection(ids=(assignment.pk,)), config=config)
    assert [target.effect for target in plan.targets] == [effect]


def test_what_may_have_arrived_counts_as_nudged_again(clock, config, run, outbox):
    assignment = AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.UNKNOWABLE, Outcome.UNKNOWABLE)
    run()
    clock.advance(timedelta(seconds=80))  # A minute, more or less a fifth.
    run()
    plan = resets.plan_reset(Selection(ids=(assignment.pk,)), config=config)
    assert [target.effect for target in plan.targets] == [Effect.AGAIN]


def test_a_reset_names_what_it_leaves_alone_and_why(clock, config, desk_with_a_row_in_sending):
    sending = desk_with_a_row_in_sending
    cancelled = AssignmentFactory()
    services.cancel(cancelled.pk)
    plan = resets.plan_reset(Selection(ids=(sending.pk, cancelled.pk, 2**62)), config=config)
    assert plan.targets == ()
    assert set(plan.skipped) == {
        Skipped(sending.pk, Why.SENDING),
        Skipped(cancelled.pk, Why.NOT_SCHEDULED),
        Skipped(2**62, Why.NOT_FOUND),
    }


@pytest.fixture
def desk_with_a_row_in_sending(clock, config):
    assignment = AssignmentFactory(soon=True)
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    beginning.begin(desk.hints(), config=config)
    return assignment


def test_a_row_that_began_after_the_preview_is_not_reset(clock, config):
    assignment = AssignmentFactory(soon=True)
    plan = resets.plan_reset(Selection(ids=(assignment.pk,)), config=config)
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    beginning.begin(desk.hints(), config=config)
    done = resets.run_reset(plan, by="olga", reason="again")
    assert (done.ids, done.skipped) == ((), (Skipped(assignment.pk, Why.SENDING),))
    assignment.refresh_from_db()
    assert assignment.version == 1
    assert not Audit.objects.exists()


def test_a_plan_that_shows_something_else_by_now_is_refused(clock, config):
    lost = out_of_sync()
    shown = resets.plan_reset(Selection(ids=(lost.pk,)), config=config).fingerprint
    resets.plan_reset(Selection(ids=(lost.pk,)), config=config).confirm(shown)
    services.remind_again([lost.pk])
    with pytest.raises(plans.PlanChanged):
        resets.plan_reset(Selection(ids=(lost.pk,)), config=config).confirm(shown)


def test_an_overdue_assignment_goes_back_to_none(clock, config, run):
    assignment = AssignmentFactory(soon=True)
    run()
    clock.advance(timedelta(minutes=41))
    scan.scan(trigger="cli", config=config)
    run()
    assignment.refresh_from_db()
    assert assignment.reminder_status == ReminderStatus.OVERDUE
    plan = resets.plan_reset(Selection(ids=(assignment.pk,)), config=config)
    resets.run_reset(plan, by="olga", reason="marked by a wrong clock")
    assignment.refresh_from_db()
    assert assignment.reminder_status == ReminderStatus.NONE


def test_a_large_reset_is_done_part_by_part(clock, config, monkeypatch):
    lost = [out_of_sync().pk for _ in range(3)]
    monkeypatch.setattr("reminders.operations.plans.AT_ONCE", 2)
    done = resets.run_reset(resets.plan_reset(Selection(), config=config), by="olga", reason="all")
    assert sorted(done.ids) == sorted(lost)
    assert Audit.objects.count() == 2


def test_a_resend_sends_once_more(clock, config, run, outbox):
    assignment = AssignmentFactory(soon=True)
    run()
    clock.advance(timedelta(minutes=1))
    resets.resend(assignment.pk, by="olga", reason="phone was off", config=config)
    assert run().sent == 1
    assert len(outbox.messages) == 2
    assert Audit.objects.get().action == "resend"


def test_a_resend_of_cancelled_work_says_what_stands_against_it(clock, config):
    assignment = AssignmentFactory()
    services.cancel(assignment.pk)
    with pytest.raises(resets.NothingToDo, match="not SCHEDULED any more"):
        resets.resend(assignment.pk, by="olga", reason="please", config=config)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\x00b"])
def test_a_reset_needs_a_reason(clock, config, reason):
    plan = resets.plan_reset(Selection(ids=(out_of_sync().pk,)), config=config)
    with pytest.raises(ValidationError) as refusal:
        resets.run_reset(plan, by="olga", reason=reason)
    assert list(refusal.value.message_dict) == ["reason"]
    assert not Audit.objects.exists()


def test_a_preview_gives_up_a_statement_that_takes_too_long(clock, config, monkeypatch):
    def void():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")

    AssignmentFactory()
    Reminder.objects.all().delete()
    with monkeypatch.context() as patched:
        patched.setattr(replanning, "void", void)
        stopped = rescans.preview_rescan(config=config, budget=timedelta(milliseconds=50))
    assert (stopped.complete, stopped.counts.planned) == (False, 0)
    whole = rescans.preview_rescan(config=config, budget=timedelta(minutes=1))
    assert (whole.complete, whole.counts.planned) == (True, 1)
    assert not Reminder.objects.exists()


# --- pause and resume ------------------------------------------------------------------------------------------


def test_while_paused_nothing_is_sent_and_resuming_sends_it(clock, config, run):
    AssignmentFactory(soon=True)
    pauses.pause(by="olga", reason="wrong template")
    assert run().sent == 0
    resumed = pauses.resume(by="petra")
    assert resumed.backlog == pauses.Backlog(useful=1)
    assert run().sent == 1
    assert list(Audit.objects.order_by("id").values_list("actor", "action")) == [
        ("olga", "pause"),
        ("petra", "resume"),
    ]


def test_only_one_pause_is_in_force(clock):
    first = pauses.pause(by="olga", reason="one")
    with pytest.raises(pauses.AlreadyPaused):
        pauses.pause(by="petra", reason="two")
    assert pause_in_force() == first
    assert (Pause.objects.count(), Audit.objects.count()) == (1, 1)


def test_a_pause_ends_by_itself_at_its_instant(clock):
    pauses.pause(by="olga", reason="one", until=NOON + timedelta(minutes=5))
    clock.advance(timedelta(minutes=5))
    assert pause_in_force() is None
    with pytest.raises(pauses.NotPaused):
        pauses.resume(by="olga")
    assert pauses.pause(by="olga", reason="two").reason == "two"


def test_a_pause_until_now_is_refused(clock):
    with pytest.raises(ValidationError, match="in the future"):
        pauses.pause(by="olga", reason="one", until=NOON)


def test_resuming_what_is_not_paused_is_refused(clock):
    with pytest.raises(pauses.NotPaused):
        pauses.resume(by="olga")


def test_the_backlog_is_told_apart_by_what_it_is_still_worth(clock, config):
    for minutes in (10, 20, 29):
        AssignmentFactory(scheduled_start=NOON + timedelta(minutes=minutes))
    pauses.pause(by="olga", reason="one")
    assert pauses.backlog(config=config) == pauses.Backlog(useful=3)
    clock.advance(timedelta(minutes=25))
    assert pauses.backlog(config=config) == pauses.Backlog(useful=1, late=2)
    clock.advance(timedelta(minutes=20))
    assert pauses.backlog(config=config) == pauses.Backlog(late=2, too_late=1)


def test_late_reminders_can_be_skipped_on_resuming(clock, config, run, outbox):
    late = AssignmentFactory(soon=True)
    useful = AssignmentFactory(scheduled_start=NOON + timedelta(minutes=20))
    pauses.pause(by="olga", reason="one")
    clock.advance(timedelta(minutes=15))
    resumed = pauses.resume(by="olga", reason="stale", skip=[BacklogPart.LATE])
    assert (resumed.backlog.late, resumed.skipped) == (1, 1)
    row = Reminder.objects.get(assignment=late, kind="REMINDER")
    assert (row.state, row.reason) == (State.SKIPPED, Reason.OPERATOR)
    assert run().sent == 1
    assert [m.address for m in outbox.messages] == [useful.assignee.email]


def test_each_part_of_the_backlog_can_be_skipped_alone(clock, run, outbox, settings):
    settings.REMINDERS = config = ReminderConfig(channel="memory", ops_emails=("ops@example.test",))
    overdue = AssignmentFactory(scheduled_start=NOON + timedelta(minutes=1))
    pauses.pause(by="olga", reason="one")
    clock.advance(timedelta(minutes=31))
    scan.scan(trigger="cli", config=config)
    dispatch.dispatch(config=config, broker=(desk := MemoryBroker()))
    deliver.deliver(desk.hints(), config=config)
    late = AssignmentFactory(scheduled_start=clock.now() + timedelta(minutes=1))
    clock.advance(timedelta(minutes=2))
    useful = AssignmentFactory(scheduled_start=clock.now() + timedelta(minutes=1))
    waits = pauses.Backlog(useful=1, late=1, too_late=1, notices=1)
    assert pauses.backlog(config=config) == waits
    for part, assignment in (
        (BacklogPart.NOTICES, overdue),
        (BacklogPart.LATE, late),
        (BacklogPart.USEFUL, useful),
    ):
        with transaction.atomic():
            assert pauses.resume(by="olga", reason="stale", skip=[part]).skipped == 1
            skipped = Reminder.objects.get(reason=Reason.OPERATOR)
            assert skipped.assignment == assignment
            transaction.set_rollback(True)
    assert pauses.backlog(config=config) == waits


def test_skipping_needs_a_reason_and_is_on_record(clock):
    AssignmentFactory(soon=True)
    pauses.pause(by="olga", reason="one")
    with pytest.raises(ValidationError, match="a reason is needed"):
        pauses.resume(by="olga", skip=[BacklogPart.USEFUL])
    assert pause_in_force() is not None
    pauses.resume(by="olga", reason="told by phone", skip=[BacklogPart.USEFUL])
    audit = Audit.objects.latest("id")
    assert (audit.reason, audit.after) == ("told by phone", {"skip": ["useful"], "skipped": 1})
    assert audit.before["backlog"]["useful"] == 1


def test_a_hint_that_is_under_way_finds_nothing_to_send_after_the_skip(clock, config, channel_of, outbox):
    AssignmentFactory(soon=True)
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    pauses.pause(by="olga", reason="one")
    assert pauses.resume(by="olga", reason="stale", skip=[BacklogPart.USEFUL]).skipped == 1
    assert deliver.deliver(desk.hints(), config=config, channel=channel_of).stale == 1
    assert outbox.attempts == []


def test_a_pause_that_expires_sends_what_is_of_use_and_skips_the_rest(clock, run, outbox):
    too_late = AssignmentFactory(scheduled_start=NOON + timedelta(minutes=1))
    late = AssignmentFactory(soon=True)
    useful = AssignmentFactory(scheduled_start=NOON + timedelta(minutes=50))
    pauses.pause(by="olga", reason="one", until=NOON + timedelta(minutes=35))
    clock.advance(timedelta(minutes=34))
    assert run().sent == 0
    clock.advance(timedelta(minutes=1))
    assert run().sent == 2
    assert {m.address for m in outbox.messages} == {late.assignee.email, useful.assignee.email}
    row = Reminder.objects.get(assignment=too_late, kind="REMINDER")
    assert (row.state, row.reason) == (State.SKIPPED, Reason.TOO_LATE)


def test_after_an_outage_what_no_scan_has_seen_is_in_the_backlog(clock, config):
    AssignmentFactory(soon=True)
    Reminder.objects.all().delete()
    pauses.pause(by="olga", reason="after the outage")
    assert pauses.backlog(config=config) == pauses.Backlog(unplanned=1)
    rescans.rescan(trigger="cli", by="olga", config=config)
    assert pauses.backlog(config=config) == pauses.Backlog(useful=1)


def test_a_late_reminder_that_may_have_arrived_is_not_called_skipped(clock, run, outbox):
    assignment = AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.UNKNOWABLE)
    run()
    pauses.pause(by="olga", reason="one")
    clock.advance(timedelta(minutes=15))
    assert pauses.resume(by="olga", reason="stale", skip=[BacklogPart.LATE]).skipped == 1
    row = Reminder.objects.get(assignment=assignment, kind="REMINDER")
    assert (row.state, row.reason) == (State.UNKNOWN, Reason.AMBIGUOUS)


HOLDING = ReminderConfig(channel="memory", hold_after=timedelta(hours=1))


def seen_before(span: timedelta) -> None:
    heartbeats.record("scanner", at_once=True)
    Process.objects.update(seen_at=NOON - span)


def test_after_a_long_outage_sending_waits_for_an_operator_but_not_for_ever(clock, run):
    AssignmentFactory(soon=True)
    seen_before(timedelta(hours=3))
    held = outage.pause_after_outage(HOLDING)
    assert (held.by, held.until) == ("system", NOON + timedelta(minutes=15))
    assert held.reason == "Nothing was dispatched for 180 minutes: review the backlog, then resume."
    assert run().sent == 0
    assert pauses.backlog(config=HOLDING) == pauses.Backlog(useful=1)
    pauses.resume(by="olga")
    assert outage.pause_after_outage(HOLDING) is None
    assert run().sent == 1


@pytest.mark.parametrize(
    ("config", "away"),
    [
        (HOLDING, timedelta(minutes=59)),
        (ReminderConfig(channel="memory"), timedelta(days=3)),
        (ReminderConfig(channel="memory", hold_after=timedelta(hours=1), enabled=False), timedelta(days=3)),
    ],
)
def test_nothing_is_held_after_a_short_outage_or_where_nobody_wants_it(clock, config, away):
    seen_before(away)
    assert outage.pause_after_outage(config) is None
    assert pause_in_force() is None


def test_a_system_that_starts_for_the_first_time_or_is_paused_is_not_held(clock):
    assert outage.pause_after_outage(HOLDING) is None
    seen_before(timedelta(hours=3))
    pauses.pause(by="olga", reason="one")
    assert outage.pause_after_outage(HOLDING) is None


def test_a_worker_that_stands_in_pauses_once_and_is_no_sign_of_a_scanner(clock, settings, monkeypatch):
    monkeypatch.setattr(tasks, "CeleryBroker", MemoryBroker)
    settings.REMINDERS = HOLDING
    seen_before(timedelta(hours=3))
    tasks.dispatch_task(standby=True)
    pauses.resume(by="olga")
    clock.advance(timedelta(seconds=30))
    tasks.dispatch_task(standby=True)
    assert pause_in_force() is None
    assert heartbeats.seconds_since("scanner") == timedelta(hours=3, seconds=30).total_seconds()


def test_the_scanner_holds_before_it_hands_anything_over(clock, settings):
    settings.REMINDERS = HOLDING
    AssignmentFactory(soon=True)
    seen_before(timedelta(hours=3))
    tasks.dispatch_task()
    assert Reminder.objects.get().state == State.PLANNED
    assert pause_in_force().by == "system"


# --- close as not done -----------------------------------------------------------------------------------------


def test_forgotten_work_is_closed_as_not_done(clock, config, run):
    forgotten = AssignmentFactory(soon=True)
    clock.advance(timedelta(minutes=41))
    scan.scan(trigger="cli", config=config)
    run()
    alive = AssignmentFactory(scheduled_start=NOON + timedelta(hours=2))
    plan = closing.plan_close([forgotten.pk, alive.pk, 2**62])
    assert [target.id for target in plan.targets] == [forgotten.pk]
    assert plan.skipped == (Skipped(alive.pk, Why.NOT_OVERDUE), Skipped(2**62, Why.NOT_FOUND))
    done = closing.run_close(plan, by="olga", reason="nobody came")
    assert done.ids == (forgotten.pk,)
    forgotten.refresh_from_db()
    assert forgotten.status == Status.CANCELLED
    audit = Audit.objects.get()
    assert (audit.action, audit.reason) == ("close_as_not_done", "nobody came")
    assert audit.before[str(forgotten.pk)]["reminder_status"] == "OVERDUE"
    assert audit.after[str(forgotten.pk)]["status"] == "CANCELLED"


def test_work_that_was_started_after_the_preview_is_not_closed(clock, config, run):
    forgotten = AssignmentFactory(soon=True)
    clock.advance(timedelta(minutes=41))
    scan.scan(trigger="cli", config=config)
    run()
    plan = closing.plan_close([forgotten.pk])
    acting.start(forgotten.pk)
    done = closing.run_close(plan, by="olga", reason="nobody came")
    assert (done.ids, done.skipped) == ((), (Skipped(forgotten.pk, Why.CHANGED),))
    forgotten.refresh_from_db()
    assert forgotten.status == Status.IN_PROGRESS


# --- the audit trail -------------------------------------------------------------------------------------------


def test_the_audit_trail_cannot_be_changed_and_keeps_its_lines(clock, config):
    pauses.pause(by="olga", reason="one")
    for change in (
        lambda: Audit.objects.update(reason="two"),
        lambda: Audit.objects.all().delete(),
        lambda: Audit.objects.get().save(),
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()
    clock.set(Audit.objects.get().at + timedelta(days=729))
    retention.prune(config)
    assert Audit.objects.get().reason == "one"


def test_retention_removes_what_is_older_than_two_years(clock, config):
    pauses.pause(by="olga", reason="one")
    acting.start(AssignmentFactory(soon=True).pk)
    assert {model.objects.get().at for model in (Act, Audit)} == {NOON}
    for days, kept in ((729, 1), (732, 0)):
        clock.set(NOON + timedelta(days=days))
        retention.prune(config)
        assert [model.objects.count() for model in (Act, Audit)] == [kept, kept], days
