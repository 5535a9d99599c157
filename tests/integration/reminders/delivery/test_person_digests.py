"""Reminders to one person: the first leaves at once, those after it go together, and each is sent exactly once."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from assignments import contact_points, services
from assignments.models import Assignee, Assignment, Status
from notifications.message import Delivery, Message, Outcome, Subject
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch
from reminders.ledger import beginning, counters, leases, rates
from reminders.ledger.records import Hint
from reminders.ledger.rules import mandatory_rules
from reminders.models import Attempt, Kind, Reason, Reminder, State
from reminders.policy.recipients import assignee_recipient
from tests import acting
from tests.conftest import NOON, DatabaseClock
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.rule_factory import key, rule

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def tick(config: ReminderConfig, channel_of) -> Callable[..., list[int]]:
    """One dispatch, and a worker for each message; returns how many rows each message of hints sent."""

    def turn(rules: ReminderConfig = config) -> list[int]:
        broker = MemoryBroker()
        dispatch.dispatch(config=rules, broker=broker)
        done = [deliver.deliver(b.hints, config=rules, channel=channel_of).sent for b in broker.batches]
        return [sent for sent in done if sent]

    return turn


@pytest.fixture
def ada() -> Assignee:
    return AssigneeFactory(name="Ada", time_zone="UTC")


def due(number: int, person: Assignee, **more: object) -> list[Assignment]:
    """Work of this person whose reminders are due now."""
    return AssignmentFactory.create_batch(number, assignee=person, soon=True, **more)


def rows(**more: object) -> list[Reminder]:
    return list(Reminder.objects.filter(kind=Kind.REMINDER, **more).order_by("id"))


def states(**more: object) -> Counter[str]:
    return Counter(f"{row.state} {row.reason}".strip() for row in rows(**more))


def handed_over(config: ReminderConfig) -> list[Hint]:
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    return broker.hints()


def test_one_reminder_is_a_message_of_its_own(clock, tick, outbox, ada):
    due(1, ada)
    assert tick() == [1]
    (row,) = rows()
    assert (row.digest_id, row.message_id) == (None, outbox.messages[0].message_id)


def test_a_burst_of_40_is_one_message_that_lists_each(clock, tick, outbox, ada):
    works = due(40, ada)
    assert tick() == [40]
    (message,) = outbox.messages
    assert message.subject == "Reminder: 40 assignments, the first Mon 15 Jun, 12:10"
    assert all(f"{work.title}\n" in message.text and f">{work.title}<" in message.html for work in works)
    found = rows()
    assert {(row.state, row.digest_id, row.message_id) for row in found} == {
        (State.SENT, found[0].pk, message.message_id)
    }
    assert Attempt.objects.filter(outcome="accepted", reminder__in=found).count() == 40
    with connection.cursor() as cursor:
        totals = counters.totals(cursor)
    assert (totals[counters.DIGESTS, ""], totals[counters.DIGEST_ROWS, ""]) == (1, 40)


def test_a_burst_that_comes_one_by_one_is_two_messages(clock, tick, outbox, ada):
    sent = []
    for _ in range(40):
        due(1, ada)
        sent += tick()
        clock.advance(SECOND)
    assert sent == [1]
    waiting = rows(state=State.PLANNED)
    assert {row.reason for row in waiting} == {Reason.TO_BE_JOINED}
    assert {row.next_attempt_at for row in waiting} == {NOON + MINUTE}
    clock.set(NOON + MINUTE)
    assert tick() == [39]
    assert len(outbox.messages) == 2
    assert states() == {"SENT": 40}


def test_people_do_not_wait_for_each_other(clock, tick, outbox, ada):
    due(3, ada)
    due(2, AssigneeFactory())
    AssignmentFactory(soon=True)
    assert sorted(tick()) == [1, 2, 3]


def test_a_later_reminder_with_which_nothing_else_is_due_takes_no_statements_for_its_person(
    clock, tick, outbox, ada, monkeypatch
):
    people = [ada, AssigneeFactory(), AssigneeFactory()]
    for number, person in enumerate(people):
        due(1, person)
        assert len(outbox.messages) == number
        assert tick() == [1]
    clock.advance(2 * MINUTE)
    for person in people:
        due(1, person)
    monkeypatch.setattr(beginning.digests, "joined_hints", None)
    assert sum(tick()) == 3
    assert len(outbox.messages) == 6


def test_without_limits_nothing_is_joined_and_nothing_waits(clock, config, tick, outbox, ada):
    rules = replace(config, rate_per_minute=0, rate_per_hour=0)
    due(5, ada)
    assert sum(tick(rules)) == 5
    assert len(outbox.messages) == 5


def test_the_limit_of_an_hour_holds_until_a_minute_before_the_start(clock, config, tick, outbox, ada):
    rules = replace(config, rate_per_hour=2)
    for _ in range(2):
        due(1, ada)
        assert tick(rules) == [1]
        clock.advance(MINUTE)
    work = AssignmentFactory(assignee=ada, scheduled_start=NOON + 20 * MINUTE)
    assert tick(rules) == []
    (row,) = rows(assignment=work)
    assert row.next_attempt_at == NOON + 19 * MINUTE
    clock.set(NOON + 19 * MINUTE)
    assert tick(rules) == [1]
    assert states() == {"SENT": 3}


def test_what_cannot_wait_takes_along_what_waits(clock, config, tick, outbox, ada):
    rules = replace(config, rate_per_minute=0, rate_per_hour=1)
    due(1, ada)
    assert tick(rules) == [1]
    clock.advance(MINUTE)
    AssignmentFactory.create_batch(3, assignee=ada, scheduled_start=NOON + 25 * MINUTE)
    assert tick(rules) == []
    clock.advance(MINUTE)
    AssignmentFactory(assignee=ada, scheduled_start=clock.now() + 30 * SECOND)
    assert tick(rules) == [4]
    assert len(outbox.messages) == 2


@pytest.mark.parametrize("change", ["cancel", "move", "decline", "reassign"])
def test_work_that_changes_between_claim_and_begin_is_left_out(
    clock, config, channel_of, outbox, ada, change
):
    works = due(3, ada, title="Pump")
    hints = handed_over(config)
    changed = works[0]
    match change:
        case "cancel":
            services.cancel(changed.pk)
        case "move":
            services.reschedule(changed.pk, start=NOON + timedelta(hours=5))
        case "decline":
            acting.decline(changed)
        case "reassign":
            services.reassign(changed.pk, assignee_id=AssigneeFactory().pk)
    done = deliver.deliver(hints, config=config, channel=channel_of)
    assert done.sent == 2
    assert outbox.messages[0].subject.startswith("Reminder: 2 assignments")
    assert {row.digest_id for row in rows(assignment=changed)} == {None}


def test_another_way_is_another_message_and_the_rate_counts_all(clock, config, tick, outbox, ada):
    """The reminders of one person over two addresses: one message leaves, the other one waits for its minute."""
    works = due(4, ada)
    point = contact_points.add_point(ada.pk, "email", "other@example.test")
    moved = [work.pk for work in works[:2]]
    Reminder.objects.filter(assignment__in=moved).update(channel=f"memory:{point.pk}")
    assert tick() == [2]
    assert states() == {"SENT": 2, "PLANNED to_be_joined": 2}
    clock.advance(MINUTE)
    assert tick() == [2]
    assert {message.address for message in outbox.messages} == {ada.email, "other@example.test"}
    assert sorted(Counter((row.digest_id, row.channel) for row in rows()).values()) == [2, 2]


def test_one_nudge_over_two_channels_is_one(clock, config, tick, outbox, ada):
    """A rule that names two channels: neither copy holds the other, and the next nudge waits for both."""
    works = due(3, ada)
    point = contact_points.add_point(ada.pk, "email", "other@example.test")
    for row in rows():
        row.pk, row.channel = None, f"memory:{point.pk}"
        row.save(force_insert=True)
    assert sorted(tick()) == [3, 3]
    assert Counter(message.address for message in outbox.messages) == {ada.email: 1, "other@example.test": 1}
    assert rates.recent_reminders([assignee_recipient(ada.pk)]) == {assignee_recipient(ada.pk): [NOON]}
    clock.advance(SECOND)
    due(1, ada)
    assert tick() == []
    assert states(assignment__in=works) == {"SENT": 6}


def test_corrections_are_neither_held_nor_counted(clock, config, tick, outbox, ada):
    work = due(2, ada)[0]
    assert tick() == [2]
    services.cancel(work.pk)
    clock.advance(config.correction_grace)
    due(1, ada)
    assert sorted(tick()) == [1, 1]
    assert {row.state for row in Reminder.objects.filter(kind=Kind.CORRECTION)} == {State.SENT}


def test_mandatory_rules_are_neither_held_nor_counted(clock, config, tick, outbox, ada):
    made = rule(minutes=60, mandatory=True)
    assert mandatory_rules() == {key(made)}
    due(1, ada)
    assert tick() == [1]
    clock.advance(5 * SECOND)
    work = AssignmentFactory(assignee=ada, scheduled_start=NOON + timedelta(hours=1, seconds=5))
    assert tick() == [1]
    assert [row.state for row in rows(assignment=work, rule=key(made))] == [State.SENT]
    begun = rates.recent_reminders([assignee_recipient(ada.pk)])
    assert begun == {assignee_recipient(ada.pk): [NOON]}


def test_a_message_that_was_not_accepted_holds_nobody(clock, config, tick, outbox, ada):
    outbox.answer_with(Outcome.REFUSED_FOR_NOW)
    due(3, ada)
    tick()
    assert states() == {"PLANNED": 3}
    assert {row.digest_id for row in rows()} == {None}
    due(1, ada)
    assert tick() == [1]


def test_refused_for_its_content_it_is_sent_in_halves(clock, config, tick, outbox, ada):
    works = due(4, ada)
    outbox.answer_with(Delivery(Outcome.REJECTED, "554", "spam", subject=Subject.MESSAGE))
    tick()
    assert sorted(Counter(row.digest_id for row in rows()).values()) == [2, 2]
    tick()
    assert states() == {"SENT": len(works)}
    assert len(outbox.messages) == 2


def in_doubt(outbox, tick, ada) -> list[Assignment]:
    """Three pieces of work in one message, of which nobody knows whether it has arrived."""
    works = due(3, ada)
    outbox.answer_with(Outcome.UNKNOWABLE)
    tick()
    assert states() == {"PLANNED": 3}
    assert {row.digest_id for row in rows()} == {rows()[0].pk}
    return works


def repeated(outbox, number: int) -> Message:
    """The message that lists so many."""
    (again,) = [one for one in outbox.messages if one.subject.startswith(f"Reminder: {number} assignments")]
    return again


def test_a_repeat_after_doubt_has_the_same_list_under_the_same_id(clock, tick, outbox, ada):
    works = in_doubt(outbox, tick, ada)
    due(1, ada)
    clock.advance(MINUTE)
    tick()
    again = repeated(outbox, 3)
    assert all(work.title in again.text for work in works)
    assert again.message_id == outbox.attempts[0].message_id
    assert states(assignment__in=works) == {"SENT": 3}


@pytest.mark.parametrize("led", [True, False])
@pytest.mark.parametrize("happens", ["cancelled", "reassigned", "moved", "started"])
def test_a_repeat_after_doubt_says_nothing_that_is_not_so_any_more(clock, tick, outbox, ada, happens, led):
    """Whether the work that has changed led the message or was another in it."""
    works = in_doubt(outbox, tick, ada)
    changed = works.pop(0 if led else 1)
    match happens:
        case "cancelled":
            services.cancel(changed.pk)
        case "reassigned":
            services.reassign(changed.pk, assignee_id=AssigneeFactory().pk)
        case "moved":
            services.reschedule(changed.pk, start=NOON + timedelta(days=3))
        case "started":
            services.change(changed.pk, {"status": Status.IN_PROGRESS})
    clock.advance(MINUTE)
    tick()
    again = repeated(outbox, 2)
    assert all(work.title in again.text for work in works)
    assert changed.title not in again.text + again.html
    assert (again.message_id == outbox.attempts[0].message_id) is not led
    assert states(assignment__in=works) == {"SENT": 2}
    assert states(assignment=changed, version=1) == {"UNKNOWN ambiguous": 1}


def test_a_repeat_after_doubt_of_which_one_row_is_left_is_a_message_about_it_alone(clock, tick, outbox, ada):
    works = in_doubt(outbox, tick, ada)
    for gone in works[:2]:
        services.reassign(gone.pk, assignee_id=AssigneeFactory().pk)
    clock.advance(MINUTE)
    tick()
    (again,) = [one for one in outbox.messages if works[2].title in one.text]
    assert not any(gone.title in again.text for gone in works[:2])
    (row,) = rows(assignment=works[2])
    assert (row.state, row.digest_id, row.message_id) == (State.SENT, None, again.message_id)


def test_a_kill_in_the_middle_leaves_one_doubt_and_one_repeat(clock, config, tick, outbox, ada):
    due(5, ada)
    begun = beginning.begin(handed_over(config), config=config)
    assert [len(claim.message) for claim in begun.claims] == [5]
    assert states() == {"SENDING": 5}
    clock.advance(config.lease + SECOND)
    assert tick() == []
    clock.advance(leases.LATE_ANSWER_WAIT)
    assert tick() == [5]
    assert states() == {"SENT": 5}
    assert {row.ambiguous for row in rows()} == {1}
    assert len(outbox.messages) == 1


def test_of_a_repeated_digest_one_row_is_handed_over(clock, config, outbox, ada):
    due(5, ada)
    beginning.begin(handed_over(config), config=config)
    clock.advance(config.lease + SECOND)
    assert handed_over(config) == []
    clock.advance(leases.LATE_ANSWER_WAIT)
    assert [hint.reminder_id for hint in handed_over(config)] == [rows()[0].pk]
    assert handed_over(config) == []


def test_a_worker_that_holds_an_older_ticket_finds_it_stale(clock, config, channel_of, outbox, ada):
    due(6, ada)
    hints = handed_over(config)
    first, rest = hints[:1], hints[1:]
    assert deliver.deliver(first, config=config, channel=channel_of).sent == 6
    done = deliver.deliver(rest, config=config, channel=channel_of)
    assert (done.sent, done.stale) == (0, 5)
    assert len(outbox.messages) == 1


def test_whoever_is_being_begun_elsewhere_is_left_for_a_moment(clock, config, channel_of, outbox, ada):
    """Another session holds the lock of this person: their rows are busy, and those of others are sent."""
    due(2, ada)
    AssignmentFactory(soon=True)
    hints = handed_over(config)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_lock(%s, hashtext(%s))", [rates.PERSON_LOCK, assignee_recipient(ada.pk)]
            )
        begun = beginning.begin(hints, config=config)
    finally:
        other.close()
    assert len(begun.claims) == 1
    assert len(begun.busy) == 2


def test_no_row_is_lost_and_no_minute_has_two(clock: DatabaseClock, config, tick, outbox, ada):
    """Reminders that fall due all the time, for a quarter of an hour."""
    starts = [clock.now() + timedelta(seconds=s, minutes=30) for s in range(0, 900, 7)]
    for start in starts:
        AssignmentFactory(assignee=ada, scheduled_start=start)
    while clock.now() < starts[-1]:
        tick()
        clock.advance(10 * SECOND)
    assert states() == {"SENT": len(starts)}
    assert most_within(messages_of(ada), MINUTE) == 1
    assert len(messages_of(ada)) == config.rate_per_hour + 1, (
        "the last one could not wait for the hour to be over"
    )


def messages_of(person: Assignee) -> list:
    """When each message to this person was begun."""
    begun = {
        row.digest_id or row.pk: row.begun_at
        for row in rows(recipient=assignee_recipient(person.pk), state=State.SENT)
    }
    return sorted(begun.values())


def most_within(instants: Sequence, span: timedelta) -> int:
    """The most of these instants that lie within one span of this length."""
    return max((sum(at <= other < at + span for other in instants) for at in instants), default=0)
