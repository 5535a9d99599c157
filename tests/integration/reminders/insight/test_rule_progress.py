"""How far scans have followed a change of rules, wherever operators look."""

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from assignments import teams
from assignments.models import Assignment
from assignments.team_scope import TeamScope
from reminders.delivery import scan
from reminders.insight import metrics, statistics
from reminders.insight.doctor import system
from reminders.insight.doctor.check import Level
from reminders.insight.metrics import ReminderCollector
from reminders.insight.rule_progress import rule_progress
from reminders.ledger import rule_changes
from tests.conftest import NOON
from tests.factories import AssignmentFactory
from tests.fakes.api_caller import ApiCaller
from tests.rule_factory import rule

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
LIST = "/admin/reminders/reminderrule/"
SHOWN = "2 of about 5 assignments follow the last change of rules"


@pytest.fixture
def half_followed(clock, config, monkeypatch):
    """A rule that was made at noon, and the first batch of five assignments ten seconds later; the rule."""
    monkeypatch.setattr(rule_changes, "BATCH", 2)
    AssignmentFactory.create_batch(5)
    made = rule(minutes=45)
    clock.set(NOON + 10 * SECOND)
    rule_changes.follow_next_batch(config, scan_id=None)
    return made


def test_nothing_is_followed_where_there_was_no_change_or_all_work_follows(clock, config):
    assert rule_progress() is None
    AssignmentFactory()
    rule(minutes=45)
    assert rule_progress() is not None
    scan.scan(trigger="cli", config=config)
    assert rule_progress() is None


def test_what_is_done_and_open_is_counted_and_how_long_nothing_was_done(half_followed, clock, config):
    seen = rule_progress()
    assert (seen.changed_at, seen.waiting_since, seen.done, seen.total) == (NOON, NOON + 10 * SECOND, 2, 5)
    last = Assignment.objects.order_by("-pk")[0]
    Assignment.objects.filter(pk=last.pk).update(status="CANCELLED")
    assert (rule_progress().done, rule_progress().total) == (2, 4)


def test_another_change_begins_anew_and_does_not_wait_for_less_long(half_followed, clock, config):
    clock.set(NOON + 60 * SECOND)
    rule_changes.announce_change()
    seen = rule_progress()
    assert (seen.changed_at, seen.waiting_since) == (NOON + 60 * SECOND, NOON + 10 * SECOND)
    assert (seen.done, seen.total) == (0, 5)
    scan.scan(trigger="cli", config=config)
    clock.set(NOON + 90 * SECOND)
    rule_changes.announce_change()
    assert rule_progress().waiting_since == NOON + 90 * SECOND


def test_who_is_limited_to_teams_sees_how_far_their_work_follows(half_followed):
    north = teams.add_team(name="North")
    one, *_, last = Assignment.objects.order_by("pk")
    Assignment.objects.filter(pk__in=[one.pk, last.pk]).update(team=north)
    seen = rule_progress(TeamScope(frozenset([north.pk])))
    assert (seen.done, seen.total) == (1, 2)
    shown = ApiCaller("ops", teams=[north]).get("/api/rules").json()["progress"]
    assert (shown["done"], shown["total"]) == (1, 2)


def test_the_api_says_how_far_and_null_when_all_work_follows(half_followed, config):
    caller = ApiCaller("ops")
    assert caller.get("/api/rules").json()["progress"] == {
        "changed_at": "2026-06-15T12:00:00Z",
        "waiting_since": "2026-06-15T12:00:10Z",
        "done": 2,
        "total": 5,
    }
    scan.scan(trigger="cli", config=config)
    assert caller.get("/api/rules").json()["progress"] is None


def test_list_and_form_of_the_admin_say_how_far(operator, half_followed, config):
    pages = (LIST, f"{LIST}{half_followed.pk}/change/")
    for page in pages:
        assert SHOWN in operator.get(page).content.decode()
    scan.scan(trigger="cli", config=config)
    for page in pages:
        assert "follow the last change" not in operator.get(page).content.decode()


def gauges(config) -> dict[str, float]:
    text = metrics.exposition(ReminderCollector(config=config, ask=metrics.read)).decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_gauges_count_what_does_not_follow_yet_and_for_how_long_that_has_stood_still(
    half_followed, clock, config
):
    clock.set(NOON + 40 * SECOND)
    shown = gauges(config)
    assert (shown["reminder_rules_behind"], shown["reminder_rules_waiting_seconds"]) == (3.0, 30.0)
    scan.scan(trigger="cli", config=config)
    clock.set(NOON + 40 * SECOND + 2 * statistics.MAX_AGE)
    shown = gauges(config)
    assert (shown["reminder_rules_behind"], shown["reminder_rules_waiting_seconds"]) == (0.0, 0.0)


def test_the_doctor_fails_where_a_change_stands_still_for_three_intervals(half_followed, clock, config):
    def found():
        return next(check for check in system.checks(config) if check.name == "change of rules")

    assert (found().level, found().seen) == (Level.PASS, SHOWN)
    clock.set(NOON + 10 * SECOND + system.SCANS_MISSED * config.poll)
    assert found().level is Level.PASS
    clock.set(NOON + 11 * SECOND + system.SCANS_MISSED * config.poll)
    assert found().level is Level.FAIL
    assert found().seen.startswith(f"{SHOWN}, and this has stood still for")
    scan.scan(trigger="cli", config=config)
    assert (found().level, found().seen) == (Level.PASS, "every open assignment follows the rules")
