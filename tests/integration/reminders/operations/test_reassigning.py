"""Work is given to somebody else: what is foreseen is what happens, once, and only of what the caller sees."""

from dataclasses import replace
from datetime import time, timedelta

import pytest
from django.core.exceptions import ValidationError

from assignments import people, services, teams
from assignments.models import Assignment
from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from notifications.message import Outcome
from reminders.delivery import deliver, dispatch, scan
from reminders.insight.changed_plans import Told
from reminders.insight.explain.explain import explain
from reminders.models import Audit, Kind, Reminder, State
from reminders.operations.assignee_choice import MOST_LISTED, AssigneeForm, Chosen, choose
from reminders.operations.plan_changes import plan_reassign, run_change
from reminders.operations.plans import ONE_BY_ONE, PlanChanged, Why
from reminders.policy.rows import Action
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.rule_factory import evening, key, rule

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def turn(config, channel_of, outbox):
    """Sends what is due; to whom it went."""

    def go() -> list[str]:
        before = len(outbox.messages)
        desk = MemoryBroker()
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=channel_of)
        return [message.address for message in outbox.messages[before:]]

    return go


def test_it_is_given_once_and_the_trail_says_whose_it_was(clock, config):
    work, other = AssignmentFactory(), AssigneeFactory()
    former = work.assignee_id
    acting.decline(work, note="ill")
    plan = plan_reassign([work.pk], other, config=config)
    done = run_change(plan, by="olga", reason="is ill")
    assert (done.ids, done.skipped) == ((work.pk,), ())
    work.refresh_from_db()
    assert (work.assignee_id, work.version, work.answer) == (other.pk, 2, "")
    (line,) = Audit.objects.all()
    assert (line.actor, line.action, line.reason) == ("olga", "reassign", "is ill")
    assert line.selection == {"ids": [work.pk], "to": other.pk}
    common = {"status": "SCHEDULED", "reminder_status": "NONE"}
    assert line.before == {str(work.pk): {"version": 1, "assignee": former, "answer": "DECLINED", **common}}
    assert line.after == {str(work.pk): {"version": 2, "assignee": other.pk, "answer": "", **common}}
    again = run_change(plan, by="olga", reason="is ill")
    assert [(one.id, one.why) for one in again.skipped] == [(work.pk, Why.CHANGED)]
    assert Audit.objects.count() == 1


def test_it_is_taken_away_and_given_to_nobody(clock, config):
    work = AssignmentFactory()
    run_change(plan_reassign([work.pk], None, config=config), by="olga", reason="x")
    work.refresh_from_db()
    assert work.assignee_id is None


def test_many_are_given_in_parts_that_no_worker_waits_long_for(clock, config):
    work, other = AssignmentFactory.create_batch(ONE_BY_ONE + 1), AssigneeFactory()
    done = run_change(plan_reassign([one.pk for one in work], other, config=config), by="olga", reason="x")
    assert len(done.ids) == ONE_BY_ONE + 1
    assert sorted(len(line.before) for line in Audit.objects.all()) == [1, ONE_BY_ONE]


def test_what_cannot_be_given_is_left_alone_and_named(clock, config):
    other = AssigneeFactory()
    theirs, cancelled, completed, started, free = (
        AssignmentFactory(assignee=other),
        AssignmentFactory(),
        AssignmentFactory(),
        AssignmentFactory(),
        AssignmentFactory(unassigned=True),
    )
    services.cancel(cancelled.pk)
    acting.complete(completed.pk)
    acting.start(started.pk)
    ids = [theirs.pk, cancelled.pk, completed.pk, started.pk, free.pk, 999_999]
    plan = plan_reassign(ids, other, config=config)
    assert [target.id for target in plan.targets] == [started.pk, free.pk]
    assert {one.id: one.why for one in plan.skipped} == {
        theirs.pk: Why.DONE,
        cancelled.pk: Why.NOT_POSSIBLE,
        completed.pk: Why.NOT_POSSIBLE,
        999_999: Why.NOT_FOUND,
    }
    assert run_change(plan, by="olga", reason="x").ids == (started.pk, free.pk)


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.UNKNOWABLE, None])
def test_whoever_was_told_hears_of_it_when_it_was_foreseen(clock, config, turn, outbox, outcome):
    work, other = AssignmentFactory(soon=True), AssigneeFactory()
    former = work.assignee
    if outcome is not None:
        outbox.answer_with(outcome)
        turn()
    (move,) = plan_reassign([work.pk], other, config=config).moves
    if outcome is None:
        assert (move.told, move.correction) == (Told.NO, None)
    else:
        told = Told.YES if outcome is Outcome.ACCEPTED else Told.MAYBE
        assert (move.told, move.correction) == (told, config.correction_grace)
    assert (move.reminders[0].forecast.verdict.action, move.reminders[0].forecast.at) == (Action.SEND, NOON)
    run_change(plan_reassign([work.pk], other, config=config), by="olga", reason="x")
    assert turn() == [other.email]
    if outcome is None:
        assert not Reminder.objects.filter(kind=Kind.CORRECTION).exists()
        return
    correction = Reminder.objects.get(kind=Kind.CORRECTION)
    assert (correction.recipient, correction.due_at) == (
        f"assignee:{former.pk}",
        NOON + config.correction_grace,
    )
    clock.advance(config.correction_grace)
    assert turn() == [former.email]


def test_a_reminder_leaves_when_it_was_foreseen(clock, config):
    work, other = AssignmentFactory(), AssigneeFactory()
    (move,) = plan_reassign([work.pk], other, config=config).moves
    run_change(plan_reassign([work.pk], other, config=config), by="olga", reason="x")
    row = Reminder.objects.get(assignment=work, kind=Kind.REMINDER, version=2)
    assert (row.state, row.due_at) == (State.PLANNED, move.reminders[0].forecast.at)
    assert move.reminders[0].forecast.at == NOON + 30 * MINUTE


@pytest.mark.parametrize(
    ("own", "ahead"),
    [
        ([], timedelta(days=2)),
        ([], timedelta(hours=3)),
        ([], 70 * MINUTE),
        ([300, 45, 20], timedelta(hours=4)),
    ],
)
def test_the_reminders_of_several_rules_are_those_that_were_foreseen(clock, config, own, ahead):
    evening(), rule(minutes=120)
    nudge = rule(minutes=60, condition="not_confirmed")
    other = AssigneeFactory(time_zone="Asia/Kolkata", quiet_from=time(20), quiet_until=time(6))
    rule(minutes=200, scope="person", scope_value=str(other.pk), quiet_hours="respect")
    work = AssignmentFactory(scheduled_start=NOON + ahead, lead_minutes=own or None)
    scan.scan(trigger="beat", config=config)
    acting.confirm(work)
    (move,) = plan_reassign([work.pk], other, config=config).moves
    theirs = Reminder.objects.filter(assignment=work, version=1, kind=Kind.REMINDER, closed_at=None)
    ended = {one.forecast.at for one in move.ended}
    assert {max(row.due_at, NOON) for row in theirs.exclude(rule=key(nudge))} <= ended
    assert all(one.name for one in (*move.ended, *move.reminders))
    run_change(plan_reassign([work.pk], other, config=config), by="olga", reason="x")

    leaves, skipped = set(), []
    for one in move.reminders:
        if one.forecast.verdict.action is Action.SEND:
            leaves.add(one.forecast.at)
        else:
            skipped.append(one.forecast.verdict.reason)
    clock.set(work.scheduled_start - MINUTE)
    scan.scan(trigger="beat", config=config)
    rows = Reminder.objects.filter(assignment=work, version=2, kind=Kind.REMINDER)
    assert {max(row.due_at, NOON) for row in rows if row.state == State.PLANNED} == leaves
    assert sorted(row.reason for row in rows if row.state == State.SKIPPED) == sorted(skipped)
    assert not theirs.exists()


def test_given_back_it_waits_for_the_correction_as_was_foreseen(clock, config, turn):
    work, other = AssignmentFactory(soon=True), AssigneeFactory()
    former = work.assignee
    turn()
    run_change(plan_reassign([work.pk], other, config=config), by="olga", reason="x")
    turn()
    clock.advance(config.correction_grace)
    assert turn() == [former.email]
    clock.advance(MINUTE)
    now = clock.now()
    (move,) = plan_reassign([work.pk], former, config=config).moves
    assert (move.reminders[0].forecast.verdict.action, move.reminders[0].forecast.at) == (
        Action.SEND,
        now + config.correction_grace,
    )
    run_change(plan_reassign([work.pk], former, config=config), by="olga", reason="x")
    held = Reminder.objects.get(assignment=work, kind=Kind.REMINDER, version=3)
    assert held.next_attempt_at == move.reminders[0].forecast.at


def test_it_is_too_late_to_correct_what_is_long_over(clock, config, turn):
    work, other = AssignmentFactory(soon=True), AssigneeFactory()
    turn()
    acting.start(work.pk)
    clock.advance(config.overdue + 11 * MINUTE)
    (move,) = plan_reassign([work.pk], other, config=config).moves
    assert (move.told, move.correction, move.reminders[0].forecast.verdict.action) == (
        Told.YES,
        None,
        Action.DROP,
    )
    run_change(plan_reassign([work.pk], other, config=config), by="olga", reason="x")
    assert not Reminder.objects.filter(kind=Kind.CORRECTION).exists()


def test_overdue_work_stays_overdue_and_an_announced_delay_is_gone(clock, config, turn):
    late, slow, other = AssignmentFactory(soon=True), AssignmentFactory(soon=True), AssigneeFactory()
    turn()
    acting.acts.run_late(slow.pk, minutes=120, actor=acting.OLGA)
    clock.advance(config.overdue + 11 * MINUTE)
    scan.scan(trigger="beat", config=config)
    turn()
    plan = plan_reassign([late.pk, slow.pk], other, config=config)
    assert [(move.overdue, move.overdue_at_once) for move in plan.moves] == [(True, False), (False, True)]
    run_change(plan, by="olga", reason="x")
    turn()
    stored = Assignment.objects.filter(pk__in=[late.pk, slow.pk]).order_by("pk")
    assert [one.reminder_status for one in stored] == ["OVERDUE", "OVERDUE"]


@pytest.mark.parametrize("by", ["link", "operator"])
def test_a_decline_of_before_is_remembered_until_the_person_confirms(clock, config, by):
    work = AssignmentFactory()
    former, other = work.assignee, AssigneeFactory()
    actor = acting.by_link(work) if by == "link" else acting.OLGA
    acting.acts.decline(work.pk, actor=actor, note="ill", version=work.version)
    run_change(plan_reassign([work.pk], other, config=config), by="olga", reason="x")
    (back,) = plan_reassign([work.pk], former, config=config).moves
    assert back.declined is not None
    assert back.declined.note == "ill"
    (third,) = plan_reassign([work.pk], AssigneeFactory(), config=config).moves
    assert third.declined is None
    run_change(plan_reassign([work.pk], former, config=config), by="olga", reason="x")
    work.refresh_from_db()
    acting.confirm(work)
    run_change(plan_reassign([work.pk], other, config=config), by="olga", reason="x")
    (again,) = plan_reassign([work.pk], former, config=config).moves
    assert again.declined is None


def test_a_plan_is_another_one_once_anything_of_it_has_changed(clock, config, turn):
    other, third = AssigneeFactory(), AssigneeFactory()
    work = AssignmentFactory(soon=True)

    def seen(to=other):
        return plan_reassign([work.pk], to, config=config).fingerprint

    first = seen()
    assert seen() == first
    assert len({first, seen(third), seen(None)}) == 3
    turn()
    told = seen()
    work.refresh_from_db()
    acting.decline(work)
    declined = seen()
    services.reschedule(work.pk, start=NOON + timedelta(hours=9))
    assert len({first, told, declined, seen()}) == 4
    with pytest.raises(PlanChanged):
        plan_reassign([work.pk], other, config=config).confirm(first)


# --- who is meant ----------------------------------------------------------------------------------------------


def test_a_person_is_named_by_reference_id_or_exact_name(clock):
    ada = AssigneeFactory(name="Ada Lovelace", reference="P-1")
    confusing = AssigneeFactory(name="Eve", reference=str(ada.pk))
    assert choose(" P-1 ", EVERYTHING).person == ada
    assert choose(f"#{ada.pk}", EVERYTHING).person == ada
    assert choose(str(ada.pk), EVERYTHING).person == confusing
    assert choose("Ada Lovelace", EVERYTHING).person == ada
    assert choose("nobody", EVERYTHING).person is None
    assert [choose(Chosen(one).given, EVERYTHING).person for one in (ada, confusing, None)] == [
        ada,
        confusing,
        None,
    ]


@pytest.mark.parametrize(
    "given", ["ada lovelace", "Ada", "#999999", "0", "9" * 40, "-1", "\x00", "x'; --", "\u0661", "é" * 200]
)
def test_who_is_unknown_is_named_and_so_is_what_is_accepted(clock, given):
    AssigneeFactory(name="Ada Lovelace", reference="P-1")
    with pytest.raises(ValidationError) as refusal:
        choose(given, EVERYTHING)
    (text,) = refusal.value.messages
    assert text.startswith("There is no person ")
    assert text.endswith(": a reference, an id such as #12, an exact name, or nobody is needed.")
    assert len(text) < 200


def test_a_name_that_several_have_needs_more(clock):
    people_called = AssigneeFactory.create_batch(6, name="Ada")
    with pytest.raises(ValidationError) as refusal:
        choose("Ada", EVERYTHING)
    (text,) = refusal.value.messages
    assert all(f"#{one.pk}" in text for one in people_called[:5])
    assert "and more" in text


def test_of_another_team_nobody_is_found_in_any_way(clock):
    mine, theirs = teams.add_team(name="North"), teams.add_team(name="South")
    scope = TeamScope(frozenset({mine.pk}))
    eve = people.add_assignee(name="Eve", reference="P-9", team_id=theirs.pk)
    for given in ("Eve", "P-9", f"#{eve.pk}", str(eve.pk)):
        with pytest.raises(ValidationError) as foreign:
            choose(given, scope)
        assert foreign.value.messages == [
            f"There is no person {given!r}: a reference, an id such as #12, an exact name, or nobody is needed."
        ]
    ann = people.add_assignee(name="Eve", team_id=mine.pk)
    assert choose("Eve", scope).person == ann


def test_a_list_has_the_teams_people_first_and_not_who_has_the_work(clock):
    north = teams.add_team(name="North")
    for name, team in (("Zoe", north.pk), ("Ada", None), ("Ben", north.pk), ("Cid", None)):
        people.add_assignee(name=name, reference=f"P-{name}", team_id=team)
    work = AssignmentFactory(assignee=people.add_assignee(name="Had", team_id=north.pk))
    widget = AssigneeForm("", [work], EVERYTHING).fields["to"].widget
    _, own, others, nobody = widget.choices
    assert (own[0], [label for _, label in own[1]]) == ("Team North", ["Ben (P-Ben)", "Zoe (P-Zoe)"])
    assert (others[0], [label for _, label in others[1]]) == ("Others", ["Ada (P-Ada)", "Cid (P-Cid)"])
    assert nobody == ("nobody", "Nobody, for now")


def test_of_very_many_people_one_is_named(clock):
    work = AssignmentFactory()
    AssigneeFactory.create_batch(MOST_LISTED - 1)
    assert hasattr(AssigneeForm("", [work], EVERYTHING).fields["to"].widget, "choices")
    AssigneeFactory()
    field = AssigneeForm("", [work], EVERYTHING).fields["to"]
    assert not hasattr(field.widget, "choices")
    assert field.help_text.startswith("Begin to write a name, a telephone number or a reference and choose")


def test_a_person_who_leaves_the_callers_teams_meanwhile_gets_nothing(clock, config):
    mine, theirs = teams.add_team(name="North"), teams.add_team(name="South")
    scope = TeamScope(frozenset({mine.pk}))
    work = AssignmentFactory(assignee=people.add_assignee(name="Ann", team_id=mine.pk))
    bea = people.add_assignee(name="Bea", team_id=mine.pk)
    plan = plan_reassign([work.pk], bea, config=config, scope=scope)
    people.change_assignee(bea.pk, {"team_id": theirs.pk})
    with pytest.raises(Refused, match=f"there is no person #{bea.pk} any more"):
        run_change(plan, by="olga", reason="x")
    work.refresh_from_db()
    assert (work.version, Audit.objects.count()) == (1, 0)


def test_nobody_is_no_choice_where_the_work_would_leave_every_team_of_the_caller(clock, config):
    north, south = teams.add_team(name="North"), teams.add_team(name="South")
    both, one = TeamScope(frozenset({north.pk, south.pk})), TeamScope(frozenset({north.pk}))
    work = AssignmentFactory(assignee=people.add_assignee(name="Ann", team_id=north.pk))
    refused = AssigneeForm("nobody", [work], both)
    assert refused.errors["to"] == [
        f"'nobody' is not possible: assignment {work.pk} would belong to none of your teams."
    ]
    assert AssigneeForm("nobody", [work], one).is_valid()
    run_change(plan_reassign([work.pk], None, config=config, scope=one), by="olga", reason="x")
    work.refresh_from_db()
    assert (work.assignee_id, work.team_id) == (None, north.pk)


@pytest.fixture
def boss(clock):
    return AssigneeFactory(name="Boss", email="boss@example.test", time_zone="UTC")


def steps_then(work: Assignment, to, config) -> list[str]:
    (move,) = plan_reassign([work.pk], to, config=config).moves
    return list(move.steps)


def test_steps_of_rules_that_come_for_the_new_assignee_and_those_that_end_are_foreseen(clock, config, boss):
    """What is said before is what the explanation says afterwards."""
    config = replace(config, ops_emails=("ops@example.test",))
    north = teams.add_team(name="North", supervisors=[boss.pk])
    quiet = {"audience": "supervisors", "quiet_hours": "ignore"}
    rule(name="No answer", trigger="unanswered", minutes=60, repeat_minutes=30, repeat_times=1, **quiet)
    rule(name="Declined", trigger="on_decline", minutes=20, **quiet)
    work = AssignmentFactory(team_id=north.pk, scheduled_start=NOON + timedelta(hours=5))
    other = AssigneeFactory(name="Nora")
    scan.scan(trigger="cli", config=config)
    acting.decline(work)
    foreseen = steps_then(work, other, config)
    named = f"Boss (supervisor, person {boss.pk})"
    assert foreseen[0] == f'{named} no longer hears of it by the rule "Declined".'
    assert [("No answer" in one, f"{named} hears at" in one) for one in foreseen[1:]] == [(True, True)] * 2
    run_change(plan_reassign([work.pk], other, config=config), by="olga", reason="x")
    explained = explain(Assignment.objects.get(pk=work.pk), config=config)
    said = [entry.summary for entry in explained.upcoming if "No answer" in entry.summary]
    assert said == foreseen[1:]


def test_nobody_is_missed_who_is_nobody(clock, config, boss):
    """Work that belongs to nobody waits for no answer; whoever supervises the new assignee's team hears instead."""
    config = replace(config, ops_emails=("ops@example.test",))
    rule(name="No answer", trigger="unanswered", minutes=60, audience="supervisors", quiet_hours="ignore")
    south = teams.add_team(name="South", supervisors=[boss.pk])
    work = AssignmentFactory(scheduled_start=NOON + timedelta(hours=5))
    scan.scan(trigger="cli", config=config)
    assert steps_then(work, None, config) == ['Ops no longer hears of it by the rule "No answer".']
    in_south = AssigneeFactory(name="Sam", team_id=south.pk)
    then = steps_then(work, in_south, config)
    assert then[0] == 'Ops no longer hears of it by the rule "No answer".'
    assert len(then) == 2
    assert then[1].startswith(f"Boss (supervisor, person {boss.pk}) hears at")
    assert steps_then(work, AssigneeFactory(name="Nora"), config)[0].startswith("Ops hears at")
