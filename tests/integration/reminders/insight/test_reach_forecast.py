"""Whom messages will not reach on a day to come: the causes, the day in its zone, and what page and API show of it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import limits
from assignments import contact_points, services, teams
from assignments.contact_point import ContactPoint
from reminders.insight import reach_forecast
from reminders.ledger import opt_outs
from reminders.models import OptOut
from reminders.policy.awareness import Unreachable
from tests import acting
from tests.factories import NOON, AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller
from tests.rule_factory import rule as make_rule

pytestmark = pytest.mark.django_db

TOMORROW = NOON + timedelta(days=1)
HOUR = timedelta(hours=1)


def asked(config, *, days=1, team=None, of=None):
    return reach_forecast.reach_forecast(days_ahead=days, team=team, teams=of, config=config)


def causes(config, **more):
    return [(one.assignment.title, one.cause) for one in asked(config, **more).unreached]


def work(title, start=TOMORROW, **more):
    return AssignmentFactory(title=title, scheduled_start=start, **more)


def point_of(assignment):
    return ContactPoint.objects.get(person=assignment.assignee)


@pytest.fixture
def tomorrow(clock):
    """Work of each cause tomorrow, and some that is no case of any."""
    work("reached")
    work("of nobody", assignee=None)
    work("no address", TOMORROW + HOUR, assignee__unreachable=True)
    contact_points.opt_out(point_of(work("stopped", TOMORROW + 2 * HOUR)).pk)
    contact_points.mark_failing(point_of(work("failing", TOMORROW + 3 * HOUR)).pk, "550")
    acting.confirm(work("called", TOMORROW + 4 * HOUR, assignee__unreachable=True))
    acting.decline(work("declined", TOMORROW + 4 * HOUR, assignee__unreachable=True))
    services.cancel(work("cancelled", TOMORROW, assignee=None).pk)
    work("today", NOON + HOUR, assignee=None)


def test_each_cause(config, tomorrow):
    assert causes(config) == [
        ("of nobody", Unreachable.UNASSIGNED),
        ("no address", Unreachable.NO_CONTACT_POINT),
        ("stopped", Unreachable.OPTED_OUT),
        ("failing", Unreachable.ALL_FAILING),
    ]
    found = asked(config)
    assert (found.work, found.truncated) == (7, False)
    assert found.by_cause == dict.fromkeys(Unreachable, 1)
    assert causes(config, days=0) == [("today", Unreachable.UNASSIGNED)]


def test_another_address_that_works_is_reached(config, clock):
    first = work("failing")
    contact_points.mark_failing(point_of(first).pk, "550")
    contact_points.add_point(first.assignee_id, "email", "other@example.test")
    assert causes(config) == []


def test_who_has_opted_out_of_every_rule_that_would_remind_them(config, clock):
    one = work("opted out")
    opt_outs.opt_out(one.assignee_id, "default", via=OptOut.Via.PAGE, config=config)
    assert causes(config) == [("opted out", Unreachable.OPTED_OUT)]
    made = make_rule(minutes=120)
    assert causes(config) == []  # Another rule takes the place of the built-in one.
    opt_outs.opt_out(one.assignee_id, f"rule:{made.pk}", via=OptOut.Via.PAGE, config=config)
    assert causes(config) == [("opted out", Unreachable.OPTED_OUT)]


def test_the_day_is_that_of_the_zone_of_the_team(config, clock, settings):
    settings.TIME_ZONE = "UTC"
    clock.set(NOON - HOUR)
    team = teams.add_team(
        name="Auckland", time_zone="Pacific/Auckland"
    )  # 12 hours ahead: tomorrow begins at noon, UTC.
    person = AssigneeFactory(team_id=team.pk, unreachable=True)
    work("tonight", NOON + HOUR, assignee=person)
    work("tomorrow evening", NOON + 35 * HOUR, assignee=person)
    assert causes(config) == [("tomorrow evening", Unreachable.NO_CONTACT_POINT)]
    assert causes(config, team=team.pk, of=[team.pk]) == [("tonight", Unreachable.NO_CONTACT_POINT)]
    found = asked(config, team=team.pk)
    assert (found.zone, found.since) == ("Pacific/Auckland", datetime(2026, 6, 15, 12, 0, tzinfo=UTC))


def test_it_is_narrowed_to_teams(config, tomorrow):
    team = teams.add_team(name="North")
    work("ours", assignee=None, team_id=team.pk)
    assert causes(config, of=[team.pk]) == [("ours", Unreachable.UNASSIGNED)]
    assert asked(config, of=[team.pk]).work == 1
    assert causes(config, of=[]) == []


def test_more_than_is_looked_at_is_said(config, tomorrow, monkeypatch):
    monkeypatch.setattr(reach_forecast, "MOST_LISTED", 2)
    found = asked(config)
    assert (len(found.unreached), found.truncated) == (2, True)


def test_it_costs_as_many_queries_for_many(config, clock):
    numbers = []
    for count in (2, 4):
        for number in range(count):
            work(f"failing {count} {number}", assignee__unreachable=True)
        with CaptureQueriesContext(connection) as captured:
            assert len(asked(config).unreached) >= count
        numbers.append(len(captured))
    assert numbers[0] == numbers[1] <= 6


# --- page and API ----------------------------------------------------------------------------------------------


def text(response):
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def test_the_page_shows_each_cause_with_its_work(operator, viewer, tomorrow):
    page = text(operator.get("/ops/forecast"))
    assert "of 7 assignments no message reaches 4" in page
    for title in ("Nobody is assigned: 1", "No address: 1", "Opted out: 1", "Every address fails: 1"):
        assert title in page
    assert "back=%2Fops%2Fforecast" in page
    seen = text(viewer.get("/ops/forecast?days=0"))
    assert "Nobody is assigned: 1" in seen
    assert "/ops/act/" not in seen
    assert "No work starts on" in text(viewer.get("/ops/forecast?days=7"))
    assert text(viewer.get("/ops/forecast?days=5&team=x")).count("Nobody is assigned: 1") == 1
    work("reached in two days", NOON + timedelta(days=2))
    assert "everybody knows of their work, or a message will reach them" in text(
        viewer.get("/ops/forecast?days=2")
    )
    assert 'href="/ops/forecast"' in text(viewer.get("/ops/board"))


def test_the_api_answers_the_same(operator, tomorrow):
    call = ApiCaller("read")
    answered = call.get("/api/forecast").json()
    assert (answered["date"], answered["work"]) == ("2026-06-16", 7)
    assert answered["causes"] == {"unassigned": 1, "no_contact_point": 1, "opted_out": 1, "all_failing": 1}
    assert [(one["assignment"]["title"], one["unreachable_because"]) for one in answered["results"]] == [
        ("of nobody", "unassigned"),
        ("no address", "no_contact_point"),
        ("stopped", "opted_out"),
        ("failing", "all_failing"),
    ]
    assert answered["results"][0]["person"] is None
    assert call.get("/api/forecast?days_ahead=2").json()["results"] == []
    for query in ("days_ahead=8", "days_ahead=0", "team=x", "day=1"):
        assert call.get(f"/api/forecast?{query}").status_code == 400
    team = teams.add_team(name="North")
    work("ours", assignee=None, team_id=team.pk)
    limits.limit_user(get_user_model().objects.get(username="olga"), [team.pk], by="root")
    assert [one["assignment"]["title"] for one in operator.get("/api/forecast").json()["results"]] == ["ours"]
    other = teams.add_team(name="South", time_zone="Pacific/Auckland")
    hidden = operator.get(f"/api/forecast?team={other.pk}").json()
    assert (hidden["work"], hidden["time_zone"]) == (0, answered["time_zone"])
