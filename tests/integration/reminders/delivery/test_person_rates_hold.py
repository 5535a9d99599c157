"""Whatever happens in whatever order, each reminder of a person ends once, and nobody gets more messages than their rate."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assignments import acts, services
from assignments.models import Assignment, Status
from assignments.services import Refused
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, scan
from reminders.ledger import beginning
from reminders.models import OPEN, Kind, Reminder, State
from reminders.policy import rates
from reminders.policy.rates import Due, RateLimits
from tests import acting
from tests.conftest import NOON, DatabaseClock
from tests.depth import FULL, examples
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
ENDS = [Outcome.ACCEPTED] * 12 + [Outcome.REFUSED_FOR_NOW, Outcome.UNKNOWABLE, Outcome.REJECTED]


@pytest.mark.no_cover
@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6) if FULL else (0, 1, 5))  # Each of the three rates once.
def test_in_any_order_each_row_ends_once_and_no_minute_has_two(
    clock: DatabaseClock, config: ReminderConfig, channel_of, outbox: MemoryChannel, seed
):
    chance = random.Random(seed)
    people = AssigneeFactory.create_batch(2)
    rules = replace(config, rate_per_hour=chance.choice([0, 4, 10]))
    held: list = []
    for _ in range(90):
        works = list(Assignment.objects.filter(status=Status.SCHEDULED))
        work = chance.choice(works) if works else None
        match chance.choice(
            ["plan", "plan", "move", "cancel", "give", "decline", "confirm", "tick", "tick", "die"]
        ):
            case "plan":
                start = clock.now() + timedelta(seconds=chance.randrange(60, 2400))
                AssignmentFactory.create_batch(
                    chance.randrange(1, 4), assignee=chance.choice(people), scheduled_start=start
                )
            case "move" if work:
                services.reschedule(
                    work.pk, start=clock.now() + timedelta(seconds=chance.randrange(60, 2400))
                )
            case "cancel" if work:
                services.cancel(work.pk)
            case "give" if work:
                services.reassign(work.pk, assignee_id=chance.choice(people).pk)
            case "decline" | "confirm" as act if work:
                try:
                    (acts.decline if act == "decline" else acts.confirm)(work.pk, actor=acting.OLGA)
                except Refused:
                    pass
            case "die":
                broker = MemoryBroker()
                dispatch.dispatch(config=rules, broker=broker)
                held += beginning.begin(broker.hints(), config=rules).claims
            case "tick":
                outbox.answer_with(*chance.choices(ENDS, k=3))
                turn(rules, channel_of)
        clock.advance(timedelta(seconds=chance.randrange(1, 12)))
    outbox._answers.clear()
    for _ in range(60):
        scan.scan(trigger="cli", config=rules)
        turn(rules, channel_of)
        clock.advance(MINUTE)
    nudges = Reminder.objects.filter(kind=Kind.REMINDER)
    assert not nudges.filter(state__in=OPEN).exists()
    check_messages(outbox, nudges)


def turn(rules: ReminderConfig, channel_of) -> None:
    broker = MemoryBroker()
    dispatch.dispatch(config=rules, broker=broker)
    for batch in broker.batches:
        deliver.deliver(batch.hints, config=rules, channel=channel_of)


def check_messages(outbox: MemoryChannel, nudges) -> None:
    """Each message that was accepted has rows, twice only where in doubt; two of one person have a minute between them."""
    sent = nudges.filter(state=State.SENT)
    accepted = Counter(message.message_id for message in outbox.messages)
    doubtful = {row.message_id for row in sent if row.ambiguous}
    for row in sent:
        assert accepted[row.message_id] == 1 or row.message_id in doubtful
    begun: dict[str, dict[str, datetime]] = defaultdict(dict)
    for row in sent.exclude(ambiguous__gt=0):
        begun[row.recipient][row.message_id] = row.begun_at
    for instants in begun.values():
        found = sorted(instants.values())
        for earlier, later in pairwise(found):
            assert later - earlier >= MINUTE, "two messages to one person within a minute"


@settings(max_examples=examples(300), deadline=None)
@given(
    due=st.lists(
        st.tuples(st.integers(0, 7200), st.integers(60, 7200), st.sampled_from(["email", "sms"])), max_size=25
    ),
    had=st.lists(st.integers(0, 3599), max_size=6, unique=True),
    per_minute=st.integers(0, 3),
    per_hour=st.integers(0, 12),
)
def test_what_is_foreseen_keeps_the_rate_and_loses_nothing(due, had, per_minute, per_hour):
    limits = RateLimits(per_minute, per_hour)
    waiting = [
        Due(NOON + at * SECOND, NOON + (at + lead) * SECOND, NOON + (at + lead + 1800) * SECOND, way)
        for at, lead, way in due
    ]
    begun = [NOON - ago * SECOND for ago in had]
    left = list(rates.departures(waiting, begun, limits))
    assert Counter(one for one, _, _ in left) == Counter(waiting)
    messages: dict[int, list] = defaultdict(list)
    for one, at, number in left:
        assert one.at <= at
        assert at <= max(one.at, one.not_after)
        messages[number].append((one, at))
    instants = sorted(at for of in messages.values() for _, at in of[:1])
    for of in messages.values():
        assert len({(one.way, at) for one, at in of}) == 1
    if per_minute:
        for at in instants:
            assert sum(at <= other < at + MINUTE for other in instants) <= per_minute
