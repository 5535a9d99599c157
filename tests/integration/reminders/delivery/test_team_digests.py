"""Digests to the supervisors of teams: one message for each person, with the work that they supervise when it is begun."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain

import pytest

from assignments import services, teams
from assignments.models import Assignee, Assignment, Team
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Delivery, Outcome, Subject
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, scan
from reminders.insight.explain.explain import explain
from reminders.ledger import beginning, claims
from reminders.models import DigestWindow, Kind, Reason, Reminder, State
from reminders.policy.recipients import ops_recipient, person_recipient
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.plans import plan_with_only

pytestmark = pytest.mark.django_db

OPS_ADDRESS = "ops@example.test"
OPS = ops_recipient(OPS_ADDRESS)
REFUSED_MAILBOX = Delivery(Outcome.REJECTED, "550", "no such user", subject=Subject.RECIPIENT)
REFUSED_CONTENT = Delivery(Outcome.REJECTED, "554", "spam", subject=Subject.MESSAGE)


@pytest.fixture
def config(config: ReminderConfig) -> ReminderConfig:
    return replace(config, ops_emails=(OPS_ADDRESS,))


@pytest.fixture
def tick(config: ReminderConfig, channel_of) -> Callable[[], list[int]]:
    """One dispatch, and a worker for each message; returns how many rows each message sent."""

    def turn() -> list[int]:
        broker = MemoryBroker()
        dispatch.dispatch(config=config, broker=broker)
        return [deliver.deliver(b.hints, config=config, channel=channel_of).sent for b in broker.batches]

    return turn


@pytest.fixture
def ann() -> Assignee:
    return AssigneeFactory(name="Ann", email="ann@example.test", language="de")


@pytest.fixture
def bea() -> Assignee:
    return AssigneeFactory(name="Bea", email="bea@example.test")


def team(name: str, *supervisors: Assignee) -> Team:
    return teams.add_team(name=name, supervisors=[person.pk for person in supervisors])


def overdue(config: ReminderConfig, *of: Team | None) -> list[int]:
    """Work of these teams that is marked OVERDUE, with notices that nobody has begun."""
    ids = [AssignmentFactory(team_id=one and one.pk).pk for one in of]
    start = NOON - config.overdue - timedelta(minutes=1)
    Reminder.objects.filter(assignment__in=ids).delete()
    Assignment.objects.filter(pk__in=ids).update(scheduled_start=start, known_at=start - timedelta(days=1))
    scan.scan(trigger="cli", config=config)
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    deliver.deliver(broker.hints(), config=config)
    return ids


def handed_over(config: ReminderConfig) -> MemoryBroker:
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    return broker


def rows_of(person: Assignee | str) -> list[Reminder]:
    recipient = person if isinstance(person, str) else person_recipient(person.pk)
    return list(Reminder.objects.filter(kind=Kind.OVERDUE, recipient=recipient).order_by("assignment_id"))


def states(person: Assignee | str) -> list[str]:
    return [f"{row.state} {row.reason}".strip() for row in rows_of(person)]


def listed(outbox: MemoryChannel) -> dict[str, list[list[str]]]:
    """The titles in each message, by its address."""
    titles = dict(Assignment.objects.values_list("title", "pk"))
    found: dict[str, list[list[str]]] = {}
    for message in outbox.messages:
        said = f"{message.subject}\n{message.text}".replace(",", "\n").splitlines()
        known = [title for title in titles if any(line.endswith(title) for line in said)]
        found.setdefault(message.address, []).append(sorted(known, key=titles.__getitem__))
    return found


def titles(ids: Sequence[int]) -> list[str]:
    return list(Assignment.objects.filter(pk__in=ids).order_by("pk").values_list("title", flat=True))


def test_who_supervises_two_teams_gets_one_message_with_the_work_of_both_and_no_other(
    clock, config, tick, outbox, ann, bea
):
    north, south, west = team("North", ann), team("South", ann, bea), team("West", bea)
    ids = overdue(config, north, north, south, west, None)
    assert sorted(tick()) == [1, 2, 3]
    assert listed(outbox) == {
        "ann@example.test": [titles(ids[:3])],
        "bea@example.test": [titles(ids[2:4])],
        OPS_ADDRESS: [titles(ids[4:])],
    }
    assert {row.digest_id for row in rows_of(ann)} == {rows_of(ann)[0].pk}
    assert {row.digest_id for row in rows_of(bea)} == {rows_of(bea)[0].pk}


def test_the_window_of_one_supervisor_holds_up_no_other(clock, config, tick, outbox, ann, bea):
    north, south = team("North", ann), team("South", bea)
    overdue(config, north)
    assert tick() == [1]
    overdue(config, north, north, south)
    assert tick() == [1]
    assert states(ann) == ["SENT", "PLANNED", "PLANNED"]
    assert states(bea) == ["SENT"]
    clock.advance(timedelta(seconds=60))
    assert tick() == [2]
    assert set(DigestWindow.objects.values_list("recipient", flat=True)) == {
        person_recipient(ann.pk),
        person_recipient(bea.pk),
    }


def test_the_explanation_says_until_when_a_notice_to_a_supervisor_waits(clock, config, tick, ann):
    north = team("North", ann)
    overdue(config, north)
    tick()
    (waiting,) = overdue(config, north)
    found = explain(Assignment.objects.get(pk=waiting), config=config)
    notice = next(row for row in found.reminders if row.recipient == person_recipient(ann.pk))
    assert [gate.passed for gate in notice.gates if gate.name == "not to be joined"] == [False]


def test_work_that_leaves_the_team_before_the_message_is_begun_is_not_in_it(
    clock, config, tick, outbox, channel_of, ann, bea
):
    """Also where nobody has said that its team changed, as a release before does; what is left is sent."""
    north, south = team("North", ann), team("South", bea)
    ids = overdue(config, north, north, north)
    broker = handed_over(config)
    Assignment.objects.filter(pk=ids[1]).update(team=south)
    deliver.deliver(broker.hints(), config=config, channel=channel_of)
    assert states(ann) == ["SENT", "SKIPPED reassigned", "SENT"]
    assert states(bea) == ["PLANNED"]
    assert tick() == [1]
    assert listed(outbox) == {
        "ann@example.test": [titles([ids[0], ids[2]])],
        "bea@example.test": [titles(ids[1:2])],
    }


def test_where_the_row_that_was_handed_over_is_void_the_others_leave_with_the_next_tick(
    clock, config, tick, outbox, channel_of, ann, bea
):
    north, south = team("North", ann), team("South", bea)
    ids = overdue(config, north, north, north)
    broker = handed_over(config)
    (hint,) = broker.hints()
    lead = Reminder.objects.get(pk=hint.reminder_id)
    Assignment.objects.filter(pk=lead.assignment_id).update(team=south)
    deliver.deliver(broker.hints(), config=config, channel=channel_of)
    assert outbox.messages == []
    assert sorted(tick()) == [1, 2]
    left = [pk for pk in ids if pk != lead.assignment_id]
    assert listed(outbox) == {
        "ann@example.test": [titles(left)],
        "bea@example.test": [titles([lead.assignment_id])],
    }


@pytest.mark.parametrize("said", [True, False])
def test_when_the_supervisor_changes_before_the_message_is_begun_the_next_one_gets_it_whole(
    clock, config, tick, outbox, channel_of, ann, bea, said
):
    north = team("North", ann)
    ids = overdue(config, north, north, north)
    broker = handed_over(config)
    if said:
        teams.change_team(north.pk, {"supervisors": [bea.pk]})
    else:
        north.supervisors.set([bea.pk])
    for _ in ids:  # A row is found void as it is handed over.
        deliver.deliver(broker.hints(), config=config, channel=channel_of)
        broker = handed_over(config)
    clock.advance(timedelta(seconds=60))
    deliver.deliver(broker.hints(), config=config, channel=channel_of)
    tick()
    assert states(ann) == ["SKIPPED reassigned"] * 3
    assert states(bea) == ["SENT"] * 3
    assert "ann@example.test" not in listed(outbox)
    assert list(chain(*listed(outbox)["bea@example.test"])) == titles(ids)


def test_a_repeat_after_doubt_lists_the_same_work_though_one_has_left_the_team(
    clock, config, tick, outbox, ann, bea
):
    """It may have arrived: the same list under the same Message-ID. Nobody else is told of what Ann may know."""
    north, south = team("North", ann), team("South", bea)
    ids = overdue(config, north, north, north)
    outbox.answer_with(Outcome.UNKNOWABLE)
    tick()
    services.change(ids[1], {"team_id": south.pk})
    clock.advance(timedelta(seconds=61))
    tick()
    first, second = outbox.attempts
    assert (first.message_id, first.subject) == (second.message_id, second.subject)
    assert states(ann) == ["SENT", "UNKNOWN ambiguous", "SENT"]
    assert states(bea) == []


def test_what_may_have_arrived_is_not_repeated_to_somebody_who_supervises_no_more(
    clock, config, tick, outbox, ann, bea
):
    north = team("North", ann)
    overdue(config, north, north)
    outbox.answer_with(Outcome.UNKNOWABLE)
    tick()
    teams.change_team(north.pk, {"supervisors": [bea.pk]})
    clock.advance(timedelta(seconds=61))
    assert tick() == []
    assert states(ann) == ["UNKNOWN ambiguous"] * 2
    assert len(outbox.attempts) == 1


def test_a_dead_mailbox_of_a_supervisor_is_one_message_to_ops(clock, config, tick, outbox, ann):
    north = team("North", ann)
    ids = overdue(config, north, north, north)
    outbox.answer_with(REFUSED_MAILBOX)
    tick()
    assert states(ann) == ["FAILED rejected"] * 3
    assert tick() == [3]
    assert states(OPS) == ["SENT"] * 3
    assert listed(outbox) == {OPS_ADDRESS: [titles(ids)]}


def test_halves_go_to_whoever_supervises_the_work_then(clock, config, tick, outbox, ann, bea):
    """Refused for its content, and given away and back before its halves are sent."""
    north = team("North", ann)
    ids = overdue(config, north, north, north, north)
    outbox.answer_with(REFUSED_CONTENT)
    tick()
    assert len({row.digest_id for row in rows_of(ann)}) == 2
    teams.change_team(north.pk, {"supervisors": [bea.pk]})
    assert states(ann) == ["SKIPPED reassigned"] * 4
    assert states(bea) == ["PLANNED"] * 4
    teams.change_team(north.pk, {"supervisors": [ann.pk]})
    for _ in range(3):
        clock.advance(timedelta(seconds=61))
        tick()
    assert states(ann) == ["SENT"] * 4
    assert states(bea) == ["SKIPPED reassigned"] * 4
    assert sorted(chain(*listed(outbox)["ann@example.test"])) == sorted(titles(ids))


def test_notices_are_found_by_their_index_whoever_is_told(clock, config, ann):
    overdue(config, *[team("North", ann)] * 5, None)
    (row,) = (row for row in rows_of(ann)[:1])
    index = "reminder_supervisor_idx"
    for recipient in (row.recipient, OPS):
        assert index in plan_with_only(
            index,
            "SELECT id FROM reminders_reminder WHERE closed_at IS NULL"
            f" AND {claims.NOTICES} AND recipient = %s AND channel = %s",
            [recipient, row.channel],
        )
    # The release before asks of notices to Ops alone.
    assert index in plan_with_only(
        index,
        "SELECT recipient FROM reminders_reminder WHERE closed_at IS NULL"
        " AND recipient LIKE 'ops:%' ORDER BY recipient, channel LIMIT 1",
    )


def test_begin_makes_one_claim_for_each_supervisor(clock, config, ann, bea):
    north = team("North", ann, bea)
    overdue(config, north, north)
    begun = beginning.begin(handed_over(config).hints(), config=config)
    assert sorted(claim.row.recipient for claim in begun.claims) == sorted(
        person_recipient(one.pk) for one in (ann, bea)
    )
    assert [len(claim.message) for claim in begun.claims] == [2, 2]
    assert {row.state for row in rows_of(ann) + rows_of(bea)} == {State.SENDING}
    assert Reason.TO_BE_JOINED not in {row.reason for row in rows_of(ann)}
