"""Claiming what is due: cheap while nothing is, and fair where a channel takes only so many."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from reminders.ledger import claims
from reminders.models import ChannelPace, Kind, Reminder, State
from tests.factories import NOON, AssignmentFactory, overdue_notice
from tests.plans import plan_with_only

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def claim(config, room: int = 1_000) -> list[claims.Claimed]:
    return claims.claim(config, room=room, ahead=timedelta()) or []


@pytest.fixture
def statements(asked_by) -> list[str]:
    """What a claim asks of the database."""
    return asked_by(claims)


def test_a_tick_in_which_nothing_is_due_asks_one_statement_with_a_pace_and_without(clock, config, statements):
    """A statement for each class, and for paces, would cost every tick."""
    AssignmentFactory.create_batch(3)
    claim(config)
    ChannelPace.objects.create(
        channel="memory", per_minute=20, refilled_at=NOON, raised_at=NOON, throttled_at=NOON
    )
    claim(config)
    assert statements == [claims.WORK, claims.WORK]


def test_a_lone_reminder_is_claimed_by_three_statements(clock, config, statements):
    """Nothing is asked about classes of which there is none."""
    AssignmentFactory(soon=True)
    assert len(claim(config)) == 1
    assert len(statements) == 3


def test_the_question_what_there_is_to_do_reads_the_first_open_row(clock, config):
    AssignmentFactory.create_batch(50)
    index = "reminder_open_idx"
    assert index in plan_with_only(index, claims.WORK, [claims.DISPATCH_LOCK, timedelta()])


@pytest.fixture
def many(clock, config) -> Iterator[None]:
    """Due reminders and due notices to supervisors, more of each than the channel takes."""
    works = AssignmentFactory.create_batch(60, soon=True)
    for work in works:
        overdue_notice(work, recipient=f"ops:{work.pk}", due_at=NOON - 10 * SECOND)


@pytest.mark.parametrize("per_minute", [6, 12, 20, 60])
def test_whatever_the_pace_both_reminders_and_notices_go_on(clock, config, many, per_minute, monkeypatch):
    """At six a minute a token comes every ten seconds: a share that goes by the clock would give all to one class."""
    draws = iter(range(10_000))
    monkeypatch.setattr(claims.random, "randrange", lambda most: next(draws) % most)
    ChannelPace.objects.create(
        channel="memory",
        per_minute=per_minute,
        refilled_at=NOON,
        raised_at=NOON + timedelta(hours=1),
        throttled_at=NOON,
    )
    handed_over: list[str] = []
    while len(handed_over) < 40:
        clock.advance(SECOND)
        handed_over += [row.kind for row in claim(config)]
    assert handed_over.count(Kind.OVERDUE) == pytest.approx(4, abs=1)


def test_rows_that_are_too_late_are_handed_over_without_a_token(clock, config):
    works = AssignmentFactory.create_batch(5, soon=True)
    late = [work.pk for work in works[:4]]
    Reminder.objects.filter(assignment__in=late).update(not_after=NOON - SECOND)
    ChannelPace.objects.create(
        channel="memory", per_minute=20, tokens=1, refilled_at=NOON, raised_at=NOON, throttled_at=NOON
    )
    assert len(claim(config)) == 5
    assert ChannelPace.objects.get().tokens == 0
    assert Reminder.objects.filter(kind=Kind.REMINDER, state=State.QUEUED).count() == 5


def test_no_more_rows_are_too_late_at_once_than_there_is_room_for(clock, config):
    works = AssignmentFactory.create_batch(5, soon=True)
    Reminder.objects.filter(assignment__in=works).update(not_after=NOON - SECOND)
    ChannelPace.objects.create(
        channel="memory", per_minute=20, tokens=3, refilled_at=NOON, raised_at=NOON, throttled_at=NOON
    )
    assert len(claim(config, room=3)) == 3
