"""Who knows of their work: the facts in the database, step by step and against what Python says of the same messages."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assignments import acts, contact_points, services, teams
from assignments.contact_point import ContactPoint
from assignments.models import Assignment
from assignments.team_scope import TeamScope
from notifications.message import Outcome
from reminders.insight import awareness, board, statistics
from reminders.insight.explain.explain import explain
from reminders.ledger import delivery_events
from reminders.models import DeliveryKind, Kind, Reminder
from reminders.operations import pauses
from reminders.policy import announcements
from reminders.policy.announcements import Announcement
from reminders.policy.awareness import Rung
from reminders.policy.retries import AMBIGUOUS_WAIT
from tests import acting
from tests.conftest import NOON
from tests.depth import examples
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.stage import Stage

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
GRACE = timedelta(seconds=60)


@pytest.fixture
def stage(clock, config, outbox):
    return Stage(clock, config, outbox)


def known(stage):
    return awareness.of_assignments([stage.work.pk], config=stage.config)[stage.work.pk]


def rung(stage):
    return known(stage).rung


def event(stage, kind, **more):
    row = Reminder.objects.filter(kind=Kind.REMINDER).latest("id")
    delivery_events.record(
        row.pk, kind, source="dsn", external_id=kind.value, at=stage.clock.now(), config=stage.config, **more
    )


def test_from_not_told_to_started(stage):
    assert rung(stage) is Rung.NOT_TOLD
    assert known(stage).coming
    stage.remind()
    assert rung(stage) is Rung.TOLD
    assert not known(stage).may_not_know
    event(stage, DeliveryKind.DELIVERED)
    assert rung(stage) is Rung.DELIVERED
    acting.confirm(stage.work)
    assert rung(stage) is Rung.CONFIRMED
    acts.on_my_way(stage.work.pk, actor=acting.by_link(stage.work))
    assert rung(stage) is Rung.ON_MY_WAY
    acting.start(stage.work.pk)
    assert rung(stage) is Rung.STARTED
    acting.complete(stage.work.pk)
    assert rung(stage) is Rung.STARTED


def test_the_explanation_says_it_too(stage):
    def said():
        found = explain(stage.work, config=stage.config)
        return found.awareness, found.awareness_summary

    assert said() == ("not_told", "not told yet")
    stage.remind()
    services.reschedule(stage.work.pk, start=NOON + 6 * HOUR)
    assert said() == ("not_told", "told wrong")
    services.cancel(stage.work.pk)
    assert said() == (None, "")


def test_work_that_is_cancelled_has_none_and_that_of_nobody_is_unassigned(stage):
    services.reassign(stage.work.pk, assignee_id=None)
    assert rung(stage) is Rung.UNASSIGNED
    services.cancel(stage.work.pk)
    assert awareness.of_assignments([stage.work.pk], config=stage.config) == {}


def test_a_message_that_came_back_told_nobody(stage):
    stage.remind()
    event(stage, DeliveryKind.BOUNCED, permanent=True)
    assert rung(stage) is Rung.UNREACHABLE  # The only address fails.
    contact_points.add_point(stage.work.assignee_id, "email", "other@example.test")
    assert rung(stage) is Rung.NOT_TOLD


def test_a_bounce_that_may_pass_changes_nothing(stage):
    stage.remind()
    event(stage, DeliveryKind.BOUNCED, permanent=False)
    assert rung(stage) is Rung.TOLD


def test_who_opted_out_of_every_address_is_unreachable_unless_told(stage):
    point = ContactPoint.objects.get(person=stage.work.assignee)
    contact_points.opt_out(point.pk)
    assert rung(stage) is Rung.UNREACHABLE
    acting.confirm(stage.work)
    assert rung(stage) is Rung.CONFIRMED


def test_a_message_of_which_nobody_knows_counts_as_told_in_doubt(stage):
    stage.outbox.answer_with(*[Outcome.UNKNOWABLE] * 4)
    for _ in range(3):
        stage.tick()
        stage.clock.advance(AMBIGUOUS_WAIT * stage.config.send_timeout)
    assert Reminder.objects.get(kind=Kind.REMINDER).state == "UNKNOWN"
    found = known(stage)
    assert (found.rung, found.in_doubt, found.may_not_know, found.needs_somebody) == (
        Rung.TOLD,
        True,
        True,
        True,
    )
    acting.confirm(stage.work)
    assert (known(stage).rung, known(stage).may_not_know) == (Rung.CONFIRMED, False)


def test_a_message_that_is_being_sent_is_not_told_yet(stage):
    Reminder.objects.filter(kind=Kind.REMINDER).update(
        state="SENDING", lease_until=NOON + MINUTE, begun_at=NOON, attempts=1
    )
    assert rung(stage) is Rung.NOT_TOLD


def test_moved_work_is_told_wrong_until_its_correction(stage):
    stage.remind()
    services.reschedule(stage.work.pk, start=NOON + 6 * HOUR)
    found = known(stage)
    assert (found.rung, found.told_wrong, found.coming) == (Rung.NOT_TOLD, True, True)
    stage.tick(GRACE)
    assert (rung(stage), known(stage).told_wrong) == (Rung.TOLD, False)


def test_a_correction_that_failed_leaves_them_told_wrong_until_they_are_heard_from(stage):
    stage.remind()
    acting.confirm(stage.work)
    services.change(stage.work.pk, {"location": "Hall 9"})
    stage.outbox.answer_with(Outcome.REJECTED)
    stage.tick(GRACE)
    assert Reminder.objects.get(kind=Kind.CORRECTION).state == "FAILED"
    found = known(stage)
    assert (found.rung, found.told_wrong) == (Rung.NOT_TOLD, True)
    assert (found.coming, found.needs_somebody) == (False, True)
    # Somebody has called them.
    stage.clock.advance(MINUTE)
    acts.on_my_way(stage.work.pk, actor=acting.OLGA)
    assert (rung(stage), known(stage).told_wrong) == (Rung.ON_MY_WAY, False)


def test_after_a_correction_in_doubt_both_versions_count_as_told(stage):
    stage.remind()
    services.reschedule(stage.work.pk, start=NOON + 6 * HOUR)
    stage.outbox.answer_with(*[Outcome.UNKNOWABLE] * 4)
    stage.tick(GRACE)
    for _ in range(3):
        stage.tick(AMBIGUOUS_WAIT * stage.config.send_timeout)
    found = known(stage)
    assert (found.rung, found.in_doubt, found.told_wrong) == (Rung.TOLD, True, False)


def test_another_assignee_does_not_know_what_the_former_one_was_told(stage):
    stage.remind()
    services.reassign(stage.work.pk, assignee_id=AssigneeFactory().pk)
    assert (rung(stage), known(stage).told_wrong) == (Rung.NOT_TOLD, False)


def test_given_away_and_back_is_told_wrong(stage):
    stage.remind()
    former = stage.work.assignee_id
    services.reassign(stage.work.pk, assignee_id=AssigneeFactory().pk)
    stage.tick(GRACE)
    services.reassign(stage.work.pk, assignee_id=former)
    assert (rung(stage), known(stage).told_wrong) == (Rung.NOT_TOLD, True)


def test_what_was_sent_before_a_reset_does_not_count(stage):
    stage.remind()
    stage.clock.advance(MINUTE)
    services.remind_again([stage.work.pk])
    assert rung(stage) is Rung.NOT_TOLD
    stage.tick()
    assert rung(stage) is Rung.TOLD


def test_late_declined_overdue(stage):
    acts.run_late(stage.work.pk, actor=acting.API, minutes=60)
    assert rung(stage) is Rung.CONFIRMED
    acting.decline(stage.work)
    assert rung(stage) is Rung.DECLINED
    overdue_at = stage.work.scheduled_start + HOUR + stage.config.overdue
    stage.clock.set(overdue_at - timedelta(seconds=1))
    assert rung(stage) is Rung.DECLINED
    stage.clock.set(overdue_at)
    assert rung(stage) is Rung.OVERDUE


# --- the same, against what corrections go by ------------------------------------------------------------------

STARTS = [NOON + HOUR, NOON + 2 * HOUR]
STATEMENTS = st.builds(
    Announcement,
    start=st.sampled_from(STARTS),
    place=st.sampled_from([None, "Hall 1", "Hall 2"]),
    title=st.sampled_from([None, "Pump"]),
    theirs=st.booleans(),
)
MESSAGES = st.lists(
    st.tuples(st.sampled_from(["SENT", "UNKNOWN", "PLANNED", "FAILED"]), st.lists(STATEMENTS, max_size=2)),
    max_size=4,
)


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(MESSAGES)
def test_the_database_knows_what_python_knows_of_the_same_messages(config, clock, messages):
    Reminder.objects.all().delete()
    Assignment.objects.all().delete()
    work = AssignmentFactory(title="Pump", location="Hall 1", scheduled_start=STARTS[0])
    Reminder.objects.all().delete()
    heard = []
    for number, (state, stated) in enumerate(messages):
        begun = NOON - HOUR + number * MINUTE
        Reminder.objects.create(
            assignment=work, version=1, kind=Kind.CORRECTION, rule=f"correction:{number}",
            recipient=f"assignee:{work.assignee_id}", channel="memory", planned_start=STARTS[0], planned_at=begun,
            due_at=begun, next_attempt_at=begun, begun_at=begun, state=state, attempts=1,
            closed_at=None if state == "PLANNED" else begun, sent_at=begun if state == "SENT" else None,
            reason={"UNKNOWN": "ambiguous", "FAILED": "rejected"}.get(state, ""),
            announced=[one.as_json() for one in stated] or None,
        )  # fmt: skip
        if state in ("SENT", "UNKNOWN"):
            possible = tuple(stated) or (Announcement(start=STARTS[0]),)
            heard.append(announcements.HeardMessage(stated=possible, certain=state == "SENT"))
    last = announcements.known(heard)
    present = Announcement(start=STARTS[0], place="Hall 1", title="Pump")
    wrong = [bool(announcements.changes(one, present, cancelled=False)) for one in last]
    found = awareness.of_assignments([work.pk], config=config)[work.pk]
    assert found.told_wrong == (bool(wrong) and all(wrong))
    assert (found.rung is Rung.TOLD) == (not all(wrong))


# --- the window, the board, the figures ------------------------------------------------------------------------


def titles(config, *, ahead=2 * HOUR, teams=None):
    found = board.board(ahead=ahead, teams=teams, config=config).found
    names = dict(Assignment.objects.values_list("pk", "title"))
    return [names[pk] for pk in found]


def test_the_window_is_what_concerns_people_now(clock, config):
    def work(title, start, **more):
        return AssignmentFactory(title=title, scheduled_start=start, **more)

    overdue = config.overdue
    late = 4 * HOUR + overdue
    work("at the horizon", NOON + 2 * HOUR)
    work("beyond it", NOON + 2 * HOUR + timedelta(seconds=1))
    acting.start(work("begun", NOON - late + MINUTE).pk)
    acting.start(work("begun long ago", NOON - late).pk)
    acting.complete(work("done", NOON - HOUR).pk)
    services.cancel(work("cancelled", NOON + HOUR).pk)
    work("forgotten since the morning", NOON - 10 * HOUR)
    marked = work("marked", NOON - 9 * HOUR)
    Assignment.objects.filter(pk=marked.pk).update(reminder_status="OVERDUE", overdue_at=NOON - 8 * HOUR)
    work("forgotten for a day", NOON - 24 * HOUR)
    assert titles(config) == ["forgotten since the morning", "marked", "begun", "at the horizon"]
    assert titles(config, ahead=3 * HOUR)[-1] == "beyond it"


def test_the_board_is_narrowed_to_teams_and_says_when_there_is_more(clock, config, monkeypatch):
    north, south = (teams.add_team(name=name) for name in ("North", "South"))
    person = AssigneeFactory(team_id=north.pk)
    AssignmentFactory(title="by its person", assignee=person)
    AssignmentFactory(title="of its own", team_id=north.pk)
    AssignmentFactory(title="other", team_id=south.pk, assignee=person)
    assert sorted(titles(config, teams=[north.pk])) == ["by its person", "of its own"]
    assert titles(config, teams=[south.pk]) == ["other"]
    assert titles(config, teams=[]) == []
    assert len(titles(config)) == 3
    monkeypatch.setattr(board, "MOST_LOOKED_AT", 2)
    cut = board.board(ahead=2 * HOUR, teams=None, config=config)
    assert (len(cut.found), cut.truncated) == (2, True)


def test_which_team_a_caller_asks_for():
    asked = awareness.teams_asked
    assert asked(TeamScope(), None) is None
    assert asked(TeamScope(), 7) == {7}
    assert asked(TeamScope(frozenset([7, 8])), None) == {7, 8}
    assert asked(TeamScope(frozenset([7, 8])), 7) == {7}
    assert asked(TeamScope(frozenset([7, 8])), 9) == frozenset()


def test_the_figures_count_what_the_board_holds(stage):
    stage.remind()
    AssignmentFactory(assignee__unreachable=True)
    AssignmentFactory(unassigned=True)
    acting.confirm(AssignmentFactory())
    AssignmentFactory(far=True)
    AssignmentFactory(soon=True)
    taken = statistics.count(stage.config)
    shown = board.board(ahead=awareness.HORIZON, teams=None, config=stage.config)
    assert taken.awareness == Counter(one.rung.value for one in shown.found.values())
    assert taken.awareness == {"told": 1, "unreachable": 1, "unassigned": 1, "confirmed": 1, "not_told": 1}
    assert taken.unaware_soon == len(shown.may_not_know) == 3
    assert taken.untold_soon == shown.needs_somebody == 2


def test_a_limited_reader_s_figures_are_those_of_their_teams(clock, config):
    team = teams.add_team(name="North")
    AssignmentFactory(team_id=team.pk)
    AssignmentFactory()
    taken = statistics.count(config, TeamScope(frozenset([team.pk])))
    assert (taken.awareness["not_told"], taken.unaware_soon) == (1, 1)


def test_it_costs_one_query_however_many_there_are(clock, config, django_assert_num_queries):
    work = [AssignmentFactory() for _ in range(3)]
    with django_assert_num_queries(1):
        awareness.with_awareness(work, config=config)
    assert [one.awareness for one in work] == ["not_told"] * 3
    with django_assert_num_queries(0):
        assert awareness.of_assignments([], config=config) == {}


# --- what comes next -------------------------------------------------------------------------------------------


def next_of(stage):
    (entry,) = board.entries(
        [stage.work.pk], awareness.of_assignments([stage.work.pk], config=stage.config), config=stage.config
    )
    return entry


def test_the_next_step_of_each_state(stage):
    services.reschedule(stage.work.pk, start=NOON + HOUR)
    entry = next_of(stage)
    assert (entry.minutes_left, entry.next.at) == (60, NOON + 30 * MINUTE)
    assert entry.next.summary == "A reminder goes by memory"
    contact_points.add_point(stage.work.assignee_id, "email", "other@example.test")
    assert "; if it is refused, memory (contact point" in next_of(stage).next.summary
    stage.tick(30 * MINUTE)
    entry = next_of(stage)
    assert entry.next.at == NOON + HOUR + stage.config.overdue
    assert entry.next.summary == "If nobody has started the work by then, it is marked overdue"
    services.reschedule(stage.work.pk, start=NOON + 2 * HOUR)
    entry = next_of(stage)
    assert entry.state == "told wrong"
    assert entry.next.summary.startswith("A correction goes by memory: moved from 2026-06-15 13:00:00")
    acting.start(stage.work.pk)
    assert next_of(stage).next is None


def test_what_no_scan_has_planned_yet_and_what_waits(stage):
    later = AssignmentFactory(scheduled_start=NOON + 8 * HOUR)
    (entry,) = board.entries(
        [later.pk], awareness.of_assignments([later.pk], config=stage.config), config=stage.config
    )
    assert entry.next.at == NOON + 7.5 * HOUR
    assert not Reminder.objects.filter(assignment=later).exists()
    pauses.pause(by="olga", reason="drill", until=None)
    assert next_of(stage).next.summary == "A reminder waits: sending is paused"
    off = replace(stage.config, enabled=False)
    (entry,) = board.entries([later.pk], awareness.of_assignments([later.pk], config=off), config=off)
    assert entry.next.summary.startswith("A reminder waits: reminders are switched off")


def test_a_reminder_that_is_asked_for_at_once_takes_no_place_of_the_one_that_is_planned(stage):
    later = AssignmentFactory(scheduled_start=NOON + 8 * HOUR)
    Reminder.objects.create(
        assignment=later, version=1, kind=Kind.REMINDER, rule="default:now:1", recipient=f"assignee:{later.assignee_id}",
        channel="memory", planned_start=later.scheduled_start, due_at=NOON, next_attempt_at=NOON, state="FAILED",
        reason="rejected", closed_at=NOON, begun_at=NOON, attempts=1,
    )  # fmt: skip
    known_of = awareness.of_assignments([later.pk], config=stage.config)
    assert (known_of[later.pk].rung, known_of[later.pk].coming) == (Rung.NOT_TOLD, True)
    (entry,) = board.entries([later.pk], known_of, config=stage.config)
    assert entry.next.at == NOON + 7.5 * HOUR


def test_what_nobody_will_be_told_says_why(stage):
    stage.outbox.answer_with(Outcome.REJECTED)
    stage.tick()
    entry = next_of(stage)
    assert entry.awareness.needs_somebody
    assert entry.next.summary == "Nothing more is sent to them: the mail server refused it for good"
    services.reassign(stage.work.pk, assignee_id=None)
    entry = next_of(stage)
    assert (entry.state, entry.next.summary) == ("nobody is assigned", "Nothing is sent: nobody is assigned")


def test_a_decline_shows_the_notice_to_the_supervisors(clock, config, outbox, settings):
    settings.REMINDERS = ops = replace(config, ops_emails=("ops@example.test",))
    stage = Stage(clock, ops, outbox)
    acting.decline(stage.work)
    entry = next_of(stage)
    assert (entry.state, entry.next.summary) == ("can't make it", "A notice goes to Ops")


def test_entries_cost_as_many_queries_for_two_as_for_six(clock, config):
    numbers = []
    for count in (2, 6):
        ids = [AssignmentFactory().pk for _ in range(count)]
        found = awareness.of_assignments(ids, config=config)
        with CaptureQueriesContext(connection) as asked:
            assert len(board.entries(ids, found, config=config)) == count
        numbers.append(len(asked))
    assert numbers[0] == numbers[1] <= 16  # with pace, rates and held channels
