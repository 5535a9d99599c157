"""Years of history: closed reminders of finished work move to the archive, whole, and can still be read."""

from datetime import timedelta

import pytest

from assignments import services
from assignments.models import Assignment
from reminders.conf import ReminderConfig
from reminders.delivery import retention
from reminders.ledger import archive
from reminders.models import ArchivedReminder, Attempt, Kind, Reminder, State
from tests import acting
from tests.factories import NOON, AssignmentFactory
from tests.fakes.api_caller import ApiCaller

pytestmark = pytest.mark.django_db
DAYS_90 = timedelta(days=90)


def sent(**wanted) -> Assignment:
    """An assignment whose reminder was sent at the second attempt."""
    assignment = AssignmentFactory(**wanted)
    rows = Reminder.objects.filter(assignment=assignment, kind=Kind.REMINDER)
    now = NOON
    rows.update(state=State.SENT, sent_at=now, closed_at=now, begun_at=now, attempts=2, failures=1, ticket=2)
    for number, outcome in ((1, "refused_for_now"), (2, "accepted")):
        Attempt.objects.create(
            reminder=rows.get(),
            number=number,
            ticket=number,
            started_at=now,
            finished_at=now,
            outcome=outcome,
        )
    return assignment


def values_of(row) -> dict:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.fixture
def finished(clock):
    clock.set(NOON)
    assignment = sent(scheduled_start=NOON + timedelta(hours=1))
    acting.start(assignment.pk)
    acting.complete(assignment.pk)
    return assignment


def test_a_closed_reminder_of_finished_work_moves_whole_and_once(clock, finished):
    row = Reminder.objects.get(assignment=finished, kind=Kind.REMINDER)
    before = values_of(row), [values_of(attempt) for attempt in row.attempt_rows.order_by("number")]
    clock.set(NOON + DAYS_90 + timedelta(hours=2))
    count = Reminder.objects.filter(assignment=finished).count()
    assert archive.archive_batch(after=DAYS_90) == count
    assert archive.archive_batch(after=DAYS_90) == 0
    assert not Reminder.objects.exists()
    assert not Attempt.objects.exists()
    [again] = [row for row in archive.archived_rows(finished.pk) if row.kind == Kind.REMINDER]
    assert (values_of(again), [values_of(attempt) for attempt in again.attempt_rows.all()]) == before


def test_what_started_less_long_ago_stays(clock, finished):
    clock.set(NOON + DAYS_90 - timedelta(hours=2))
    assert archive.archive_batch(after=DAYS_90) == 0


def test_what_is_still_scheduled_stays(clock):
    clock.set(NOON)
    assignment = sent(scheduled_start=NOON + timedelta(hours=1))
    clock.set(NOON + timedelta(days=400))
    assert archive.archive_batch(after=DAYS_90) == 0
    assert Reminder.objects.filter(assignment=assignment, state=State.SENT).count() == 1


def test_what_is_open_stays(clock, finished):
    Reminder.objects.update(state=State.PLANNED, sent_at=None, closed_at=None, reason="")
    clock.set(NOON + timedelta(days=400))
    assert archive.archive_batch(after=DAYS_90) == 0


def test_a_scan_archives_batch_after_batch_unless_it_is_told_not_to(clock, finished, monkeypatch):
    monkeypatch.setattr(archive, "BATCH", 1)
    services.cancel(sent(scheduled_start=NOON + timedelta(hours=1)).pk)
    clock.set(NOON + timedelta(days=400))
    retention.prune(ReminderConfig(archive_after=timedelta()))
    assert not ArchivedReminder.objects.exists()
    retention.prune(ReminderConfig())
    assert ArchivedReminder.objects.count() == 2


def test_what_stays_is_looked_at_once_and_keeps_nothing_behind_it(clock, finished, monkeypatch):
    """Rows whose work is still SCHEDULED, closed before and at the same instant as those that move."""
    monkeypatch.setattr(archive, "BATCH", 2)
    rows = Reminder.objects.filter(assignment=finished)
    start = NOON + timedelta(hours=1)
    others = [sent(scheduled_start=start) for _ in range(3)]
    row = rows.get(kind=Kind.REMINDER)
    for number in range(4):
        row.pk, row.rule = None, f"copy {number}"
        row.save(force_insert=True)
    count = rows.count()
    clock.set(NOON + DAYS_90 + timedelta(hours=2))
    moved = list(archive.archive_batches(after=DAYS_90))
    assert sum(moved) == count
    assert moved[:-1] == [2] * (len(moved) - 1)
    assert not rows.exists()
    assert {row.assignment_id for row in Reminder.objects.all()} == {work.pk for work in others}


def test_the_api_still_shows_what_was_archived(clock, finished):
    api = ApiCaller("read")
    address = f"/api/assignments/{finished.pk}/reminders"
    before = api.get(address).json()
    assert len(before["results"]) > 0
    clock.set(NOON + timedelta(days=400))
    archive.archive_batch(after=DAYS_90)
    assert api.get(address).json() == before
