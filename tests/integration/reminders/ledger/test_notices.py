"""Who is told that work is overdue: the supervisors of its team who can be reached, else Ops."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings

from assignments import people, services, teams
from assignments.models import Assignee, Assignment, Status, Team
from assignments.services import NewAssignment
from notifications.message import Outcome
from reminders.content.contacts import contact_for
from reminders.delivery import deliver, dispatch, scan
from reminders.insight.explain.explain import explain
from reminders.ledger import replanning
from reminders.models import NO_CHANNEL, Kind, Reason, Reminder, State
from reminders.operations import pauses
from reminders.policy import gates, rows
from reminders.policy.recipients import (
    assignee_recipient,
    is_supervisor,
    ops_recipient,
    person_id_of,
    person_recipient,
)
from reminders.policy.rows import Plan
from tests.factories import AssigneeFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

OPS_ADDRESS = "ops@example.test"
OPS = ops_recipient(OPS_ADDRESS)
HOUR = timedelta(hours=1)


@pytest.fixture
def config(config):
    return replace(config, ops_emails=(OPS_ADDRESS,))


@pytest.fixture
def run(config, channel_of):
    """One tick of dispatch, and a worker that takes all that was handed over."""
    desk = MemoryBroker()

    def turn():
        dispatch.dispatch(config=config, broker=desk)
        hints = desk.hints()
        desk.batches.clear()
        return deliver.deliver(hints, config=config, channel=channel_of)

    return turn


def team(name: str, *supervisors: Assignee) -> Team:
    return teams.add_team(name=name, supervisors=[person.pk for person in supervisors])


def person(name: str, **values) -> Assignee:
    return AssigneeFactory(name=name, email=f"{name.lower()}@example.test", **values)


def overdue(run, clock, **values) -> Assignment:
    """Work that becomes overdue now; its marker has been begun and its notices are planned, not sent."""
    work = services.create(
        NewAssignment(title="Late", scheduled_start=clock.now() + timedelta(minutes=1), **values)
    )
    scan.scan(trigger="cli", config=settings.REMINDERS)
    clock.advance(HOUR)
    pauses.pause(by="test", reason="notices stay open")
    run()
    return work


def told(work: Assignment, *states: State) -> list[str]:
    """The recipients of its notices in these states; of all but the skipped ones if none are given."""
    rows = Reminder.objects.filter(assignment=work, kind=Kind.OVERDUE).exclude(channel=NO_CHANNEL)
    wanted = states or tuple(set(State) - {State.SKIPPED})
    return sorted(rows.filter(state__in=wanted).values_list("recipient", flat=True))


def names(*people_: Assignee) -> list[str]:
    return sorted(person_recipient(one.pk) for one in people_)


def resume(run):
    pauses.resume(by="test", reason="go on")
    return run()


@pytest.mark.parametrize("of", ["assignee", "assignment"])
def test_the_supervisors_of_the_team_are_told(clock, run, outbox, of):
    ann, bea = person("Ann"), person("Bea")
    north = team("North", ann, bea)
    values = (
        {"team_id": north.pk} if of == "assignment" else {"assignee_id": AssigneeFactory(team_id=north.pk).pk}
    )
    work = overdue(run, clock, **values)
    assert told(work) == names(ann, bea)
    outbox.clear()
    resume(run)
    assert told(work, State.SENT) == names(ann, bea)
    assert sorted(message.address for message in outbox.messages) == ["ann@example.test", "bea@example.test"]


def test_the_own_team_of_an_assignment_goes_before_that_of_its_assignee(clock, run):
    ann, bea = person("Ann"), person("Bea")
    south = team("South", bea)
    worker = AssigneeFactory(team_id=team("North", ann).pk)
    assert told(overdue(run, clock, assignee_id=worker.pk, team_id=south.pk)) == names(bea)


def test_without_a_supervisor_who_can_be_reached_ops_are_told(clock, run):
    unreachable = AssigneeFactory(unreachable=True)
    for supervisors in ((), (unreachable,)):
        north = team(f"North {len(supervisors)}", *supervisors)
        work = overdue(run, clock, team_id=north.pk)
        assert told(work) == [OPS]
        pauses.resume(by="test", reason="again")


def test_without_a_team_ops_are_told(clock, run):
    assert told(overdue(run, clock)) == [OPS]


def test_a_notice_that_a_supervisors_mailbox_refuses_goes_to_ops(clock, run, outbox):
    ann = person("Ann")
    work = overdue(run, clock, team_id=team("North", ann).pk)
    outbox.answer_with(Outcome.REJECTED)
    resume(run)
    assert told(work, State.FAILED) == names(ann)
    assert told(work, State.PLANNED) == [OPS]
    run()
    assert told(work, State.SENT) == [OPS]


def test_ops_are_not_told_where_another_supervisor_is(clock, run, outbox):
    ann, bea = person("Ann"), person("Bea")
    work = overdue(run, clock, team_id=team("North", ann, bea).pk)
    outbox.answer_with(Outcome.REJECTED)
    resume(run)
    assert len(told(work, State.FAILED)) == 1
    assert len(told(work, State.SENT)) == 1
    assert told(work, State.PLANNED) == []


CHANGES = {
    "other supervisors": lambda work, north, south, ann, bea: teams.change_team(
        north.pk, {"supervisors": [bea.pk]}
    ),
    "another team of the work": lambda work, north, south, ann, bea: services.change(
        work.pk, {"team_id": south.pk}
    ),
    "another team of the assignee": lambda work, north, south, ann, bea: people.change_assignee(
        work.assignee_id, {"team": "South"}
    ),
    "another assignee": lambda work, north, south, ann, bea: services.reassign(
        work.pk, assignee_id=AssigneeFactory(team_id=south.pk).pk
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_still_to_be_sent_goes_to_whoever_supervises_now(clock, run, outbox, change):
    ann, bea = person("Ann"), person("Bea")
    north, south = team("North", ann), team("South", bea)
    worker = AssigneeFactory(team_id=north.pk)
    work = overdue(run, clock, assignee_id=worker.pk)
    assert told(work, State.PLANNED) == names(ann)
    due = Reminder.objects.get(assignment=work, recipient=person_recipient(ann.pk))

    CHANGES[change](work, north, south, ann, bea)

    ended = Reminder.objects.get(pk=due.pk)
    assert (ended.state, ended.reason) == (State.SKIPPED, Reason.REASSIGNED)
    assert told(work, State.PLANNED) == names(bea)
    carried = Reminder.objects.get(assignment=work, recipient=person_recipient(bea.pk))
    assert (carried.due_at, carried.not_after) == (due.due_at, due.not_after)
    outbox.clear()
    resume(run)
    heard = [message.address for message in outbox.messages if "Overdue" in message.subject]
    assert heard == ["bea@example.test"]


def test_who_has_been_told_is_not_told_again(clock, run, outbox):
    ann, bea = person("Ann"), person("Bea")
    north = team("North", ann)
    work = overdue(run, clock, team_id=north.pk)
    resume(run)
    assert told(work, State.SENT) == names(ann)
    outbox.clear()
    teams.change_team(north.pk, {"supervisors": [bea.pk]})
    teams.change_team(north.pk, {"supervisors": [ann.pk, bea.pk]})
    run()
    assert outbox.messages == []


def test_back_and_forth_leaves_one_notice_for_the_present_supervisor(clock, run):
    ann, bea = person("Ann"), person("Bea")
    north = team("North", ann)
    work = overdue(run, clock, team_id=north.pk)
    teams.change_team(north.pk, {"supervisors": [bea.pk]})
    teams.change_team(north.pk, {"supervisors": [ann.pk]})
    assert told(work, State.PLANNED) == names(ann)
    assert told(work, State.SKIPPED) == names(bea)


def test_a_supervisor_who_comes_while_ops_are_to_be_told_is_told_too(clock, run):
    ann = person("Ann")
    north = team("North")
    work = overdue(run, clock, team_id=north.pk)
    teams.change_team(north.pk, {"supervisors": [ann.pk]})
    assert told(work, State.PLANNED) == sorted([OPS, *names(ann)])


def test_begin_refuses_a_notice_to_a_former_supervisor(clock, run, outbox):
    """Also where nobody has said that supervisors changed, as a release before does."""
    ann, bea = person("Ann"), person("Bea")
    north = team("North", ann)
    work = overdue(run, clock, team_id=north.pk)
    north.supervisors.set([bea.pk])
    outbox.clear()
    resume(run)
    assert told(work, State.SKIPPED) == names(ann)
    run()
    assert told(work, State.SENT) == names(bea)
    assert [message.address for message in outbox.messages] == ["bea@example.test"]


def test_a_scan_moves_such_a_notice_too(clock, run, config):
    ann, bea = person("Ann"), person("Bea")
    north = team("North", ann)
    work = overdue(run, clock, team_id=north.pk)
    north.supervisors.set([bea.pk])
    scan.scan(trigger="cli", config=config)
    assert (told(work, State.SKIPPED), told(work, State.PLANNED)) == (names(ann), names(bea))


def test_the_notice_is_in_the_supervisors_own_language_and_zone(clock, config):
    ann = person("Ann", language="de")
    contact = contact_for(person_recipient(ann.pk), None, config, way="email")
    assert (contact.name, contact.email, contact.language) == ("Ann", "ann@example.test", "de")
    assert contact_for(person_recipient(4711), None, config, way="email") is None


def test_the_explanation_names_the_supervisor(clock, run, config):
    ann = person("Ann")
    work = overdue(run, clock, team_id=team("North", ann).pk)
    explained = explain(work, config=config)
    notice = next(row for row in explained.reminders if row.recipient == person_recipient(ann.pk))
    assert notice.to == f"Ann (supervisor, person {ann.pk})"
    assert [gate.passed for gate in notice.gates if gate.name == "plan still holds"] == [True]


def test_the_explanation_keeps_a_name_from_turning_around_what_follows_it(clock, run, config):
    dana = AssigneeFactory(name="דנה", email="dana@example.test")
    work = overdue(run, clock, team_id=team("North", dana).pk)
    notice = next(
        row for row in explain(work, config=config).reminders if row.recipient == person_recipient(dana.pk)
    )
    assert (
        notice.to == f"\N{FIRST STRONG ISOLATE}דנה\N{POP DIRECTIONAL ISOLATE} (supervisor, person {dana.pk})"
    )


@pytest.mark.parametrize("supervises", [True, False])
@pytest.mark.parametrize("status", ["SCHEDULED", "IN_PROGRESS", "CANCELLED"])
@pytest.mark.parametrize("version", [1, 2])
def test_the_policy_and_sql_void_the_same_notices(clock, run, supervises, status, version):
    ann, bea = person("Ann"), person("Bea")
    north = team("North", ann)
    work = overdue(run, clock, team_id=north.pk)
    row = Reminder.objects.get(assignment=work, recipient=person_recipient(ann.pk))
    if not supervises:
        north.supervisors.set([bea.pk])
    Assignment.objects.filter(pk=work.pk).update(status=status, version=version)
    plan = Plan(
        version=version,
        status=Status(status),
        scheduled_start=work.scheduled_start,
        recipient="",
        supervisors=frozenset(person_recipient(one.pk) for one in north.supervisors.all()),
    )
    reason = gates.void_reason(rows.from_model(row), plan)
    ended = {one.reminder_id: one.reason for one in replanning.void()}
    assert ended.get(row.pk) == (reason and reason.value)
    assert (reason is None) == (supervises and status == "SCHEDULED" and version == 1)


def test_the_assignee_of_a_row_is_no_supervisor():
    assert not is_supervisor(assignee_recipient(7))
    assert [is_supervisor(one) for one in (person_recipient(7), OPS)] == [True, True]
    assert (person_id_of(person_recipient(7)), person_id_of(OPS), person_id_of("assignee:7")) == (
        7,
        None,
        None,
    )
