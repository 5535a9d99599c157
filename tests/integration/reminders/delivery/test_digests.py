"""Notices to supervisors: the first leaves at once, those after it go together, and each is told exactly once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from assignments.models import Assignment
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Delivery, Message, Outcome, Subject
from reminders.conf import ReminderConfig
from reminders.content import compose
from reminders.delivery import deliver, dispatch, scan
from reminders.ledger import beginning, claims, counters, leases
from reminders.models import Attempt, DigestWindow, Kind, Reason, Reminder, State
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.plans import plan_with_only

pytestmark = pytest.mark.django_db

CHIEFS = ("chief@example.test", "deputy@example.test")


@pytest.fixture
def config(config: ReminderConfig) -> ReminderConfig:
    return replace(config, ops_emails=CHIEFS[:1])


@pytest.fixture
def tick(config: ReminderConfig, channel_of) -> Callable[..., list[int]]:
    """One dispatch, and a worker for each message; returns how many rows each message sent."""

    def turn(rules: ReminderConfig = config) -> list[int]:
        broker = MemoryBroker()
        dispatch.dispatch(config=rules, broker=broker)
        return [deliver.deliver(b.hints, config=rules, channel=channel_of).sent for b in broker.batches]

    return turn


def overdue(number: int, rules: ReminderConfig, *, since: timedelta = timedelta(minutes=1)) -> list[int]:
    """Work that is marked OVERDUE, with a notice for each supervisor that nobody has begun; in the order of the notices:
    markers that are due together are begun in any order.
    """
    person = AssigneeFactory(phone="+49 30 123456")
    works = AssignmentFactory.create_batch(number, assignee=person)
    ids = [work.pk for work in works]
    start = NOON - rules.overdue - since
    Reminder.objects.filter(assignment__in=ids).delete()
    Assignment.objects.filter(pk__in=ids).update(scheduled_start=start, known_at=start - timedelta(days=1))
    scan.scan(trigger="cli", config=rules)
    broker = MemoryBroker()
    dispatch.dispatch(config=rules, broker=broker)
    deliver.deliver(broker.hints(), config=rules)
    return list(dict.fromkeys(notice.assignment_id for notice in notices()))


def notices(**more: object) -> list[Reminder]:
    return list(
        Reminder.objects.filter(kind=Kind.OVERDUE, recipient__startswith="ops:", **more).order_by("id")
    )


def states(**more: object) -> list[str]:
    return [f"{row.state} {row.reason}".strip() for row in notices(**more)]


def to(outbox: MemoryChannel, address: str) -> list[Message]:
    return [message for message in outbox.messages if message.address == address]


def counted(name: str) -> float:
    with connection.cursor() as cursor:
        return counters.totals(cursor).get((name, ""), 0.0)


def test_one_notice_is_a_message_of_its_own(clock, config, tick, outbox):
    overdue(1, config)
    assert tick() == [1]
    (sent,) = notices()
    assert outbox.messages[0].subject.startswith("Overdue: Job ")
    assert (sent.digest_id, sent.message_id) == (None, outbox.messages[0].message_id)


def test_several_notices_are_one_message_with_the_id_of_the_first(clock, config, tick, outbox):
    overdue(42, config)
    assert tick() == [42]
    (message,) = outbox.messages
    assert message.subject == "Overdue: 42 assignments that nobody has started"
    rows = notices()
    lead = rows[0]
    assert {(row.state, row.digest_id, row.message_id) for row in rows} == {
        (State.SENT, lead.pk, message.message_id)
    }
    assert message.message_id == compose.message_id(beginning.row_of(vars(lead)))
    assert Attempt.objects.filter(outcome="accepted", reminder__in=rows).count() == 42
    assert (counted(counters.DIGESTS), counted(counters.DIGEST_ROWS)) == (1, 42)


def test_each_supervisor_has_a_message_of_their_own(clock, config, tick, outbox):
    rules = replace(config, ops_emails=CHIEFS)
    overdue(5, rules)
    assert tick(rules) == [5, 5]
    assert [len(to(outbox, chief)) for chief in CHIEFS] == [1, 1]


def test_the_first_leaves_at_once_and_later_ones_wait_to_be_joined(clock, config, tick, outbox):
    overdue(1, config)
    assert tick() == [1]
    overdue(3, config)
    assert tick() == []
    clock.advance(timedelta(seconds=30))
    overdue(4, config)
    assert tick() == []
    clock.advance(timedelta(seconds=30))
    assert tick() == [7]
    assert states() == ["SENT"] * 8


def test_without_a_wait_only_what_is_due_at_the_same_moment_is_joined(clock, config, tick, outbox):
    rules = replace(config, digest_wait=timedelta())
    overdue(2, rules)
    assert tick(rules) == [2]
    overdue(1, rules)
    assert tick(rules) == [1]
    assert DigestWindow.objects.count() == 0


def test_a_notice_that_was_handed_over_while_another_left_is_put_back(clock, config, tick, channel_of):
    """An older dispatcher hands notices over one by one: all but the first wait to be joined."""
    overdue(1, config)
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    DigestWindow.objects.create(
        recipient=notices()[0].recipient, channel="memory", until=NOON + timedelta(seconds=20)
    )
    deliver.deliver(broker.hints(), config=config, channel=channel_of)
    (row,) = notices()
    assert (row.state, row.reason, row.next_attempt_at) == (
        State.PLANNED,
        Reason.TO_BE_JOINED,
        NOON + timedelta(seconds=20),
    )


def test_a_worker_that_got_several_notices_of_an_older_dispatcher_sends_one_message(
    clock, config, outbox, channel_of
):
    overdue(5, config)
    Reminder.objects.filter(kind=Kind.OVERDUE, state=State.PLANNED).update(
        state=State.QUEUED, ticket=7, lease_until=NOON + timedelta(seconds=25)
    )
    hints = [beginning.Hint(row.pk, 7) for row in notices()]
    deliver.deliver(hints, config=config, channel=channel_of)
    assert len(outbox.messages) == 1
    assert states() == ["SENT"] * 5


def test_work_that_was_started_meanwhile_is_left_out(clock, config, outbox, channel_of):
    ids = overdue(4, config)
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    acting.start(ids[1])
    # Nobody has ended this row, and still it is not sent.
    Reminder.objects.filter(assignment=ids[1], recipient__startswith="ops:").update(
        state=State.PLANNED, reason="", closed_at=None
    )
    deliver.deliver(broker.hints(), config=config, channel=channel_of)
    assert states() == ["SENT", "SKIPPED started", "SENT", "SENT"]
    (message,) = outbox.messages
    assert message.subject == "Overdue: 3 assignments that nobody has started"


def test_a_repeat_after_doubt_has_the_same_list_and_the_same_id(clock, config, tick, outbox):
    ids = overdue(4, config)
    outbox.answer_with(Outcome.UNKNOWABLE)
    tick()
    assert {(row.state, row.ambiguous) for row in notices()} == {(State.PLANNED, 1)}
    acting.start(ids[0])
    overdue(2, config)
    clock.advance(timedelta(seconds=61))
    assert tick() == [2]
    assert tick() == [3]
    first, others, second = outbox.attempts
    assert others.subject == "Overdue: 2 assignments that nobody has started"
    assert first.message_id == second.message_id
    assert first.subject == second.subject == "Overdue: 4 assignments that nobody has started"
    assert first.text.split("Further")[0] == second.text.split("Further")[0].split("All that")[0]
    assert states()[:4] == ["UNKNOWN ambiguous", "SENT", "SENT", "SENT"]
    assert {row.message_id for row in notices(state=State.SENT)[:3]} == {first.message_id}


def test_a_second_doubt_leaves_every_member_to_an_operator(clock, config, tick, outbox):
    overdue(3, config)
    outbox.answer_with(Outcome.UNKNOWABLE, Outcome.UNKNOWABLE)
    tick()
    clock.advance(timedelta(seconds=61))
    tick()
    assert states() == ["UNKNOWN ambiguous"] * 3
    clock.advance(timedelta(minutes=5))
    assert tick() == []


def test_a_worker_that_died_in_a_digest_costs_one_possible_repeat(clock, config, tick, outbox):
    overdue(3, config)
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    (claim,) = beginning.begin(broker.hints(), config=config).claims
    assert len(claim.message) == 3
    clock.advance(config.lease + timedelta(seconds=1))
    leases.reap(config)
    clock.advance(leases.LATE_ANSWER_WAIT)
    assert tick() == [3]
    assert {(row.state, row.ambiguous) for row in notices()} == {(State.SENT, 1)}
    assert {row.message_id for row in notices()} == {compose.message_id(claim.row)}


def test_a_refusal_for_now_lets_each_row_go_its_own_way(clock, config, tick, outbox):
    ids = overdue(3, config)
    outbox.answer_with(Outcome.REFUSED_FOR_NOW)
    tick()
    assert {(row.state, row.failures, row.digest_id) for row in notices()} == {(State.PLANNED, 1, None)}
    assert len({row.next_attempt_at for row in notices()}) == 1
    assert DigestWindow.objects.count() == 0
    acting.start(ids[0])
    clock.advance(timedelta(seconds=20))
    assert tick() == [2]
    assert outbox.messages[0].subject == "Overdue: 2 assignments that nobody has started"


def test_a_broken_channel_costs_no_row_an_attempt(clock, config, tick, outbox):
    overdue(3, config)
    outbox.answer_with(Outcome.CHANNEL_DOWN)
    tick()
    assert {(row.state, row.failures, row.digest_id) for row in notices()} == {(State.PLANNED, 0, None)}
    clock.advance(timedelta(seconds=6))
    assert tick() == [3]


def test_a_dead_mailbox_fails_every_row_by_one_message(clock, config, tick, outbox):
    overdue(3, config)
    outbox.answer_with(Delivery(Outcome.REJECTED, "550", "no such user", subject=Subject.RECIPIENT))
    tick()
    assert states() == ["FAILED rejected"] * 3
    assert len(outbox.attempts) == 1


def test_a_row_that_spoils_its_message_fails_alone(clock, config, tick, outbox, monkeypatch):
    """The message is sent in halves until the row to blame is alone."""
    overdue(9, config)
    bad = notices()[5]
    title = bad.assignment.title
    accepts = outbox.send

    def send(message: Message, **more):
        if title + "\n" in message.text or title + "," in message.subject:
            outbox.answer_with(Delivery(Outcome.REJECTED, "554", "spam", subject=Subject.MESSAGE))
        return accepts(message, **more)

    monkeypatch.setattr(outbox, "send", send)
    for _ in range(12):
        tick()
        clock.advance(timedelta(seconds=1))
    assert states(pk=bad.pk) == ["FAILED rejected"]
    assert {row.state for row in notices() if row.pk != bad.pk} == {State.SENT}
    listed = [text for message in outbox.messages for text in [message.text + message.subject]]
    for row in notices(state=State.SENT):
        assert (
            sum(f"{row.assignment.title}\n" in text or f"{row.assignment.title}," in text for text in listed)
            == 1
        )


def test_a_half_whose_lead_has_been_started_meanwhile_has_another(clock, config, tick, outbox):
    ids = overdue(6, config)
    outbox.answer_with(Delivery(Outcome.REJECTED, "554", "spam", subject=Subject.MESSAGE))
    tick()
    leads = [notices()[0].pk, notices()[3].pk]
    assert [row.digest_id for row in notices()] == [leads[0]] * 3 + [leads[1]] * 3
    acting.start(ids[0])
    acting.start(ids[3])
    acting.start(ids[4])
    assert (tick(), tick()) == ([2], [1])
    rows = notices()
    assert [row.digest_id for row in rows] == [leads[0], rows[1].pk, rows[1].pk, leads[1], leads[1], None]
    two, one = outbox.messages
    assert [row.message_id for row in rows] == ["", two.message_id, two.message_id, "", "", one.message_id]
    assert two.message_id == compose.message_id(beginning.row_of(vars(rows[1])))
    assert one.subject.startswith(f"Overdue: {rows[5].assignment.title}, ")


def test_a_bounded_message_says_how_many_more_there_are(clock, config, tick, outbox, monkeypatch, settings):
    settings.PUBLIC_URL = "https://plan.example"
    monkeypatch.setattr("reminders.ledger.digests.MOST_ROWS", 6)
    monkeypatch.setattr("reminders.content.notices.MOST_LISTED", 4)
    overdue(9, config)
    first = [notice.assignment_id for notice in notices()]  # in the order in which they became overdue
    assert tick() == [6]
    (message,) = outbox.messages
    assert message.text.count("  Who:     Person") == 4
    assert "And 2 more.\n" in message.text
    assert "Further notices are on their way: 3.\n" in message.text
    assert "All that is overdue:\nhttps://plan.example/ops/assignments?show=overdue\n" in message.text
    listed = [f"  Ops:     https://plan.example/ops/assignments/{pk}" for pk in first[:4]]
    assert [line for line in message.text.splitlines() if line.startswith("  Ops:")] == listed
    clock.advance(timedelta(seconds=60))
    assert tick() == [3]


def test_notices_cost_no_more_to_hand_over_when_many_wait(clock, config):
    """The claim jumps from one supervisor to the next by an index."""
    overdue(30, config)
    index = "reminder_supervisor_idx"
    assert index in plan_with_only(
        index,
        claims.CLAIM_NOTICES
        % {
            "ahead": "interval '0'", "room": 10, "lease": "interval '25 s'", "paced": "'{}'::text[]",
            "only": "NULL", "inspected": 200,
        },
    )  # fmt: skip


def test_a_shorter_overdue_time_is_a_few_messages(clock, config, tick, outbox):
    """30 minutes to 1: what is overdue at once by the new setting is told in few messages."""
    for minute in range(27):
        works = AssignmentFactory.create_batch(11, assignee=AssigneeFactory())
        ids = [work.pk for work in works]
        start = NOON - timedelta(minutes=2 + minute)
        Assignment.objects.filter(pk__in=ids).update(
            scheduled_start=start, known_at=start - timedelta(days=1)
        )
        Reminder.objects.filter(assignment__in=ids).delete()
    scan.scan(trigger="cli", config=config)
    shorter = replace(config, overdue=timedelta(minutes=1))
    scan.scan(trigger="cli", config=shorter)
    for _ in range(75):
        tick(shorter)
        clock.advance(timedelta(seconds=1))
    assert len(notices(state=State.SENT)) == 297
    assert len(to(outbox, CHIEFS[0])) <= 3
