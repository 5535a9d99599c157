"""Declined and unanswered work that starts soon: what belongs to it, and that every figure and list holds the same."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from prometheus_client.parser import text_string_to_metric_families

from accounts import limits
from assignments import acts, services, teams
from assignments.models import Assignment
from assignments.team_scope import EVERYTHING, TeamScope
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, scan
from reminders.insight import metrics, starting_soon, statistics
from reminders.insight.metrics import ReminderCollector
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def remind(config, channel_of):
    """A scan, one tick of dispatch, and a worker that takes all of it."""

    def turn() -> None:
        scan.scan(trigger="cli", config=config)
        desk = MemoryBroker()
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=channel_of)

    return turn


def chosen(name: str, clock, config: ReminderConfig) -> list[str]:
    """The titles of the work of this name, and that it is counted as often."""
    now = clock.now()
    titles = sorted(starting_soon.select(name, now=now, config=config).values_list("title", flat=True))
    assert starting_soon.counts(now=now, config=config, scope=EVERYTHING)[name] == len(titles)
    return titles


def declined(title: str, **more: object) -> Assignment:
    return acting.decline(AssignmentFactory(title=title, **more))


def test_declined_work_counts_from_two_hours_before_the_start_until_it_is_overdue(clock, config):
    work = declined("work", scheduled_start=NOON + 3 * HOUR)
    for instant, expected in (
        (work.scheduled_start - starting_soon.HORIZON - SECOND, []),
        (work.scheduled_start - starting_soon.HORIZON, ["work"]),
        (work.scheduled_start, ["work"]),
        (work.scheduled_start + config.overdue - SECOND, ["work"]),
        (work.scheduled_start + config.overdue, []),
    ):
        clock.set(instant)
        assert chosen("declined", clock, config) == expected, instant
        assert statistics.count(config).overdue == (instant >= work.scheduled_start + config.overdue)


def test_unanswered_work_counts_from_its_reminder_on_until_it_is_overdue(clock, config, remind):
    work = AssignmentFactory(title="work", scheduled_start=NOON + HOUR, lead_minutes=45)
    assert chosen("unanswered", clock, config) == []
    clock.advance(timedelta(minutes=15))
    assert chosen("unanswered", clock, config) == []  # Due, and not sent yet.
    remind()
    assert chosen("unanswered", clock, config) == ["work"]
    clock.set(work.scheduled_start + config.overdue - SECOND)
    assert chosen("unanswered", clock, config) == ["work"]
    clock.set(work.scheduled_start + config.overdue)
    assert chosen("unanswered", clock, config) == []


def test_a_reminder_long_before_the_start_counts_within_the_horizon_only(clock, config, remind):
    AssignmentFactory(title="work", scheduled_start=NOON + 20 * HOUR, lead_minutes=20 * 60)
    remind()
    assert chosen("unanswered", clock, config) == []
    clock.advance(18 * HOUR)
    assert chosen("unanswered", clock, config) == ["work"]


HEARD = {
    "confirm": lambda work: acting.confirm(work),
    "decline": lambda work: acting.decline(work),
    "on_my_way": lambda work: acts.on_my_way(work.pk, actor=acting.by_link(work)),
    "late": lambda work: acts.run_late(work.pk, actor=acting.by_link(work), minutes=15),
    "start": lambda work: acting.start(work.pk),
    "cancel": lambda work: services.cancel(work.pk),
    "move": lambda work: services.reschedule(work.pk, start=NOON + timedelta(minutes=50)),
    "reassign": lambda work: services.reassign(work.pk, assignee_id=AssigneeFactory().pk),
}


@pytest.mark.parametrize("what", HEARD)
def test_whoever_was_heard_from_or_was_not_told_of_this_plan_is_not_unanswered(clock, config, remind, what):
    work = AssignmentFactory(title="work", scheduled_start=NOON + timedelta(minutes=20))
    remind()
    assert chosen("unanswered", clock, config) == ["work"]
    HEARD[what](work)
    assert chosen("unanswered", clock, config) == []


ENDS = {
    "confirm": lambda work: acting.confirm(work),
    "start": lambda work: acting.start(work.pk),
    "cancel": lambda work: services.cancel(work.pk),
    "move": lambda work: services.reschedule(work.pk, start=NOON + timedelta(minutes=50)),
    "reassign": lambda work: services.reassign(work.pk, assignee_id=AssigneeFactory().pk),
}


@pytest.mark.parametrize("what", ENDS)
def test_a_decline_counts_until_it_is_withdrawn_or_somebody_else_or_another_time_is_found(
    clock, config, what
):
    work = declined("work", scheduled_start=NOON + HOUR)
    assert chosen("declined", clock, config) == ["work"]
    ENDS[what](work)
    assert chosen("declined", clock, config) == []


def test_a_reminder_that_did_not_arrive_for_certain_is_no_question_that_waits_for_an_answer(
    clock, config, remind
):
    AssignmentFactory(title="work", scheduled_start=NOON + timedelta(minutes=20), assignee__unreachable=True)
    remind()
    assert chosen("unanswered", clock, config) == []


def test_whoever_named_a_later_start_and_then_declined_counts_until_that_is_overdue(clock, config):
    work = AssignmentFactory(title="work", scheduled_start=NOON + HOUR)
    acts.run_late(work.pk, actor=acting.API, minutes=240)
    acting.decline(work)
    latest = work.scheduled_start + timedelta(minutes=240) + config.overdue
    clock.set(latest - SECOND)
    assert chosen("declined", clock, config) == ["work"]
    clock.set(latest)
    assert chosen("declined", clock, config) == []


def test_work_that_is_marked_counts_as_overdue_only(clock, config, remind):
    declined("work", scheduled_start=NOON + timedelta(minutes=20))
    clock.advance(timedelta(minutes=50))
    remind()
    assert Assignment.objects.get().reminder_status == "OVERDUE"
    longer = ReminderConfig(channel="memory", overdue=timedelta(hours=3))
    assert chosen("declined", clock, longer) == []


@pytest.fixture
def board(clock, config, remind):
    """Declined and unanswered work of two teams, at and beyond the boundaries."""
    found = [teams.add_team(name=name) for name in ("North", "South")]
    people = [AssigneeFactory(team_id=team.pk) for team in found]
    for team, person in zip(found, people, strict=True):
        declined(f"declined, at the horizon, {team}", scheduled_start=NOON + 2 * HOUR, assignee=person)
        declined(f"declined, later, {team}", scheduled_start=NOON + 2 * HOUR + SECOND, assignee=person)
        AssignmentFactory(title=f"unanswered, {team}", soon=True, assignee=person)
        acting.confirm(AssignmentFactory(title=f"confirmed, {team}", soon=True, assignee=person))
    AssignmentFactory(title="unanswered, nobody's", soon=True)
    AssignmentFactory(title="not reminded yet", scheduled_start=NOON + HOUR)
    remind()
    return found


@pytest.mark.parametrize(("limited", "expected"), [(False, (2, 3)), (True, (1, 1))])
def test_figure_tile_lists_and_filters_hold_the_same_work(
    operator,
    config,
    board,
    limited,
    expected,
):
    if limited:
        statistics._of_teams.clear()
        limits.limit_user(get_user_model().objects.get(), [board[0].pk], by="root")
    summary = operator.get("/api/admin/reminders/summary").json()
    tiles = {tile.name: tile for tile in operator.get("/ops/").context["attendance"]}
    for name, number in zip(starting_soon.SOON, expected, strict=True):
        titles = sorted(
            starting_soon.select(name, now=NOON, config=config)
            .visible_to(TeamScope(frozenset([board[0].pk])) if limited else EVERYTHING)
            .values_list("title", flat=True)
        )
        assert len(titles) == number
        assert summary[f"{name}_soon"] == tiles[f"{name}_soon"].value == number
        listed = operator.get(tiles[f"{name}_soon"].href).context
        assert sorted(work.title for work, *_ in listed["lines"]) == titles
        in_admin = operator.get(f"/admin/assignments/assignment/?show={name}_soon").context["cl"]
        assert sorted(work.title for work in in_admin.result_list) == titles
        by_api = operator.get(f"/api/assignments?starting_soon={name}").json()["results"]
        assert sorted(work["title"] for work in by_api) == titles
        exported = operator.get(f"/api/assignments/export?starting_soon={name}&format=json")
        assert sum(row.count(b'"title"') for row in exported.streaming_content) == number


def test_the_gauges_show_the_whole_system(config, board):
    text = metrics.exposition(ReminderCollector(config=config, ask=metrics.read)).decode()
    shown = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert (shown["assignment_declined"], shown["assignment_unanswered"]) == (2.0, 3.0)


def test_the_tile_of_declined_work_is_an_alarm_and_that_of_unanswered_work_is_none(operator, board):
    tiles = {tile.name: tile for tile in operator.get("/ops/").context["attendance"]}
    assert (tiles["declined_soon"].tone, tiles["declined_soon"].alarm) == ("bad", "Nobody will come")
    assert (tiles["unanswered_soon"].tone, tiles["unanswered_soon"].alarm) == ("quiet", "")


def test_another_name_is_refused_by_the_api(operator, clock):
    response = operator.get("/api/assignments?starting_soon=confirmed")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["starting_soon"]
