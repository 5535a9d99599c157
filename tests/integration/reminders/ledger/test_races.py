"""Two who want the same row: real connections in real threads, and one winner."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from assignments import acts, services
from assignments.models import Assignment
from reminders.delivery import deliver, dispatch, scan
from reminders.ledger import beginning, records
from reminders.models import Kind, Reason, Reminder, State
from tests import acting
from tests.depth import examples
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

RACES = examples(500)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.no_cover]


def soon() -> object:
    return timezone.now() + timedelta(minutes=10)


def at_once(*jobs: Callable[[], object]) -> list[object]:
    """Runs the jobs in threads that start together, each on a connection of its own."""
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> object:
        try:
            gate.wait(timeout=30)
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


@contextmanager
def elsewhere(job: Callable[[], object]) -> Iterator[threading.Thread]:
    """Runs a job in another thread while the block goes on."""

    def run() -> None:
        try:
            job()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_four_dispatchers_claim_each_row_once(config):
    AssignmentFactory.create_batch(60, scheduled_start=soon())
    desks = [MemoryBroker() for _ in range(4)]
    at_once(*[lambda desk=desk: dispatch.dispatch(config=config, broker=desk) for desk in desks])
    dispatch.dispatch(config=config, broker=desks[0])
    hints = [hint for desk in desks for hint in desk.hints()]
    assert len(hints) == 60
    assert len({hint.reminder_id for hint in hints}) == 60


def test_four_workers_with_the_same_hints_send_each_once(config, outbox, channel_of):
    AssignmentFactory.create_batch(60, scheduled_start=soon())
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    at_once(*[lambda: deliver.deliver(desk.hints(), config=config, channel=channel_of) for _ in range(4)])
    assert len(outbox.messages) == 60
    assert len({message.message_id for message in outbox.messages}) == 60
    assert Reminder.objects.filter(state=State.SENT).count() == 60


def test_scans_at_once_plan_each_assignment_once(config):
    AssignmentFactory.create_batch(40, scheduled_start=soon())
    Reminder.objects.all().delete()
    at_once(*[lambda: scan.scan(trigger="cli", config=config) for _ in range(4)])
    assert Reminder.objects.filter(kind=Kind.REMINDER).count() == 40


def test_begin_does_not_wait_for_a_change_and_never_wins_against_it(config):
    """The change holds the assignment's lock; begin steps aside, and afterwards finds the plan gone."""
    assignment = AssignmentFactory(scheduled_start=soon())
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    begun: list[records.Begun] = []
    with transaction.atomic():
        services.cancel(assignment.pk)
        with elsewhere(lambda: begun.append(beginning.begin(desk.hints(), config=config))):
            pass
    assert begun[0].claims == []
    assert begun[0].busy == desk.hints()
    later = beginning.begin(desk.hints(), config=config)
    assert (later.claims, later.stale) == ([], desk.hints())
    assert Reminder.objects.get(kind=Kind.REMINDER).reason == Reason.CANCELLED


def test_finish_and_reschedule_of_the_same_work_do_not_lock_each_other_out(config, channel_of):
    work = AssignmentFactory.create_batch(20, scheduled_start=soon())
    for _ in range(5):
        desk = MemoryBroker()
        dispatch.dispatch(config=config, broker=desk)
        at_once(
            lambda desk=desk: deliver.deliver(desk.hints(), config=config, channel=channel_of),
            *[
                lambda part=part: [
                    services.reschedule(a.pk, start=timezone.now() + timedelta(minutes=7)) for a in part
                ]
                for part in (work[:10], work[10:][::-1])
            ],
        )
    assert not Reminder.objects.filter(state=State.SENDING).exists()


def test_many_races_of_a_change_against_a_send(config, outbox, channel_of, settings):
    """Reschedule, cancel and reassign against deliver: the plan in force is told once, the cancelled never later.

    Without a rate: it is asked how each row ends in a moment, and one person is told of many changes in it.
    """
    config = settings.REMINDERS = replace(
        config, correction_grace=timedelta(), rate_per_minute=0, rate_per_hour=0
    )
    other = AssigneeFactory()
    changes = [
        lambda pk: services.cancel(pk),
        lambda pk: services.reschedule(pk, start=timezone.now() + timedelta(minutes=9)),
        lambda pk: services.reassign(pk, assignee_id=other.pk),
    ]
    work = AssignmentFactory.create_batch(RACES, scheduled_start=soon())
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    hints = desk.hints()

    def change() -> None:
        for n, assignment in enumerate(work):
            changes[n % 3](assignment.pk)

    at_once(
        change,
        lambda: [
            deliver.deliver(hints[i : i + 5], config=config, channel=channel_of) for i in range(0, RACES, 5)
        ],
    )
    for _ in range(3):
        desk.batches.clear()
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=channel_of)
    for n, assignment in enumerate(work):
        assignment.refresh_from_db()
        rows = Reminder.objects.filter(assignment=assignment, kind=Kind.REMINDER)
        assert rows.filter(version=1, state__in=[State.SENT, State.SKIPPED]).count() == 1
        if n % 3:
            assert rows.get(version=assignment.version).state == State.SENT
            assert assignment.reminder_status == "SENT"
        else:
            assert Assignment.objects.filter(pk=assignment.pk, status="CANCELLED").exists()
    assert len({message.message_id for message in outbox.messages}) == len(outbox.messages)


def test_a_notice_whose_work_somebody_changes_just_now_goes_with_the_next_message(config, outbox, channel_of):
    """Begin waits for no lock: it leaves out what it cannot judge, and puts it back."""
    rules = replace(config, ops_emails=("chief@example.test",))
    overdue = [AssignmentFactory(scheduled_start=soon()) for _ in range(3)]
    start = timezone.now() - rules.overdue - timedelta(minutes=1)
    Reminder.objects.all().delete()
    Assignment.objects.update(scheduled_start=start, known_at=start - timedelta(days=1))
    scan.scan(trigger="cli", config=rules)
    deliver_all(rules)
    broker = MemoryBroker()
    dispatch.dispatch(config=rules, broker=broker)
    handed_over = Reminder.objects.get(state=State.QUEUED)
    locked = next(work for work in overdue if work.pk != handed_over.assignment_id)
    gate, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Assignment.objects.select_for_update(no_key=True).get(pk=locked.pk)
            gate.set()
            assert done.wait(timeout=30)

    with elsewhere(hold):
        assert gate.wait(timeout=30)
        deliver.deliver(broker.hints(), config=rules, channel=channel_of)
        done.set()
    assert outbox.messages[0].subject == "Overdue: 2 assignments that nobody has started"
    left = Reminder.objects.get(assignment=locked, recipient__startswith="ops:")
    assert (left.state, left.digest_id, left.attempts) == (State.PLANNED, None, 0)


def deliver_all(config) -> None:
    """Marks what is overdue; its notices stay planned."""
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    deliver.deliver(broker.hints(), config=config)


def test_many_races_of_a_start_against_the_marker(config, outbox, channel_of):
    """Exactly one wins: the work is marked and its start ends the notices, or it is started and never marked."""
    config = replace(config, ops_emails=("ops@example.test",))
    work = AssignmentFactory.create_batch(RACES, scheduled_start=timezone.now() + timedelta(minutes=1))
    Reminder.objects.all().delete()
    past = timezone.now() - timedelta(minutes=40)
    Assignment.objects.update(scheduled_start=past, known_at=past - timedelta(hours=1))
    scan.scan(trigger="cli", config=config)
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    hints = desk.hints()
    markers = set(Reminder.objects.filter(channel="none").values_list("pk", flat=True))
    assert {hint.reminder_id for hint in hints} >= markers
    assert len(markers) == RACES

    def mark() -> None:
        for i in range(0, len(hints), 5):
            busy = hints[i : i + 5]
            deadline = time.monotonic() + 60
            while busy:  # begin steps aside while a start holds the assignment
                assert time.monotonic() < deadline
                busy = beginning.begin(busy, config=config).busy

    at_once(mark, lambda: [acts.start(a.pk, actor=acting.by_link(a)) for a in work])
    winners = Counter()
    for assignment in work:
        assignment.refresh_from_db()
        assert assignment.status == "IN_PROGRESS"
        marker = Reminder.objects.get(assignment=assignment, kind=Kind.OVERDUE, channel="none")
        notices = Reminder.objects.filter(assignment=assignment, kind=Kind.OVERDUE).exclude(channel="none")
        if marker.state == State.MARKED:
            winners["marker"] += 1
            assert (assignment.reminder_status, assignment.overdue_at is not None) == ("OVERDUE", True)
            assert [(row.state, row.reason) for row in notices] == [(State.SKIPPED, Reason.STARTED)]
        else:
            winners["start"] += 1
            assert (marker.state, marker.reason) == (State.SKIPPED, Reason.STARTED)
            assert (assignment.reminder_status, assignment.overdue_at) == ("NONE", None)
            assert not notices.exists()
    assert winners.total() == RACES
    assert not Reminder.objects.filter(closed_at__isnull=True).exists()
