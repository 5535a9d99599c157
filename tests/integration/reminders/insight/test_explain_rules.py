"""What is explained of each rule, before and after: when it reminds, what replaces it, and why it does not."""

import json
from datetime import UTC, datetime, time, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from assignments import people, teams
from reminders.delivery import scan
from reminders.insight.explain.answer import Outlook
from reminders.insight.explain.explain import explain
from reminders.models import Reminder, ReminderRule, State
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.rule_factory import evening, key, rule

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TOMORROW = datetime(2026, 6, 16, 14, tzinfo=UTC)


def summaries(work, config):
    return {one.name: one.summary for one in explain(work, config=config).rules}


def test_without_rules_nothing_is_said_of_rules(clock, config):
    assert explain(AssignmentFactory(), config=config).rules == []
    assert explain(AssignmentFactory(lead_minutes=45), config=config).rules == []


def test_each_rule_says_when_it_reminds_before_it_has_a_row(clock, config):
    evening(name="The evening before")
    work = AssignmentFactory(scheduled_start=TOMORROW, assignee__time_zone="UTC")
    answer = explain(work, config=config)
    assert summaries(work, config) == {
        "The evening before": "will be sent at 2026-06-15 18:00:00 UTC; it is planned from 2026-06-15 16:00:00 UTC on, "
        "when that comes within the look-ahead",
        "30 minutes before the start (built-in)": "will be sent at 2026-06-16 13:30:00 UTC; it is planned from "
        "2026-06-16 11:30:00 UTC on, when that comes within the look-ahead",
    }
    assert (answer.outlook, answer.next_at) == (Outlook.COMING, datetime(2026, 6, 15, 18, tzinfo=UTC))
    assert [step.summary.split(" will")[0] for step in answer.upcoming[:2]] == [
        'The reminder of the rule "The evening before"',
        "The reminder of the built-in rule (30 minutes before the start)",
    ]
    clock.set(datetime(2026, 6, 15, 17, tzinfo=UTC))
    scan.scan(trigger="cli", config=config)
    assert summaries(work, config)["The evening before"] == "will be sent at 2026-06-15 18:00:00 UTC"


def test_after_it_was_sent_the_next_one_is_the_answer(clock, config):
    made = rule(minutes=110, name="Early")
    work = AssignmentFactory(scheduled_start=NOON + 2 * HOUR)
    at = NOON + 10 * MINUTE
    Reminder.objects.filter(rule=key(made)).update(
        state=State.SENT, attempts=1, begun_at=at, sent_at=at, closed_at=at
    )
    clock.set(at + MINUTE)
    answer = explain(work, config=config)
    assert answer.next_at == NOON + 90 * MINUTE
    assert summaries(work, config)["Early"] == "was accepted at 2026-06-15 12:10:00 UTC"
    assert {row.rule for row in answer.reminders} >= {key(made), "default"}


def test_what_a_narrower_rule_replaces_is_said_to_be(clock, config):
    north = teams.add_team(name="North")
    evening(name="The evening before")
    evening(name="Two days before", scope="team", scope_value=str(north.pk), days_before=2)
    rule(name="An hour", scope="kind", scope_value="repair")
    work = AssignmentFactory(
        kind="repair", scheduled_start=NOON + 5 * DAY, assignee__time_zone="UTC", team_id=north.pk
    )
    said = {one.name: (one.applies, one.summary) for one in explain(work, config=config).rules}
    assert said["The evening before"] == (False, 'is replaced by the team\'s rule "Two days before"')
    assert said["30 minutes before the start (built-in)"] == (
        False,
        'is replaced by the rule for this kind of work "An hour"',
    )
    assert said["Two days before"][0]
    assert said["An hour"][0]


def test_short_notice_distance_and_conditions_are_said(clock, config):
    rule(name="Two hours", minutes=120)
    rule(name="Ninety", minutes=90)
    rule(name="Thirty five", minutes=35, condition="not_confirmed")
    work = AssignmentFactory(scheduled_start=NOON + 70 * MINUTE)
    said = summaries(work, config)
    assert said["Two hours"] == (
        "was not sent: the work became known too late for it, and a later reminder was sent at once instead"
    )
    assert said["Ninety"].startswith("will be sent now")
    assert said["30 minutes before the start (built-in)"] == (
        "was not sent: another reminder to this person about this work is less than 10 minutes before it"
    )
    acting.confirm(work)
    assert summaries(work, config)["Thirty five"] == (
        "will not be sent: the assignee has confirmed meanwhile"
    )


def test_quiet_hours_are_said(clock, config):
    night = AssigneeFactory(time_zone="UTC", quiet_from=time(22), quiet_until=time(6))
    rule(name="Ten hours", minutes=600, quiet_hours="respect")
    work = AssignmentFactory(assignee=night, scheduled_start=TOMORROW)
    assert summaries(work, config)["Ten hours"] == (
        "will be sent at 2026-06-15 22:00:00 UTC; it is planned from 2026-06-15 20:00:00 UTC on, when that comes within "
        "the look-ahead; it was moved there from 2026-06-16 04:00:00 UTC, out of quiet hours"
    )
    ReminderRule.objects.update(when_past="skip")
    clock.set(datetime(2026, 6, 15, 23, tzinfo=UTC))
    late = AssignmentFactory(assignee=night, scheduled_start=TOMORROW)
    assert summaries(late, config)["Ten hours"] == (
        "will not be sent: it fell into quiet hours that had begun before the work became known"
    )


def test_a_rule_without_an_instant_says_why(clock, config):
    rule(name="Same evening", trigger="at_local_time", at=time(23), days_before=0, minutes=None)
    rule(name="New", minutes=120, changed_at=NOON)
    work = AssignmentFactory(scheduled_start=NOON + HOUR, assignee__time_zone="UTC")
    said = summaries(work, config)
    assert (
        said["Same evening"] == "makes nothing: its instant, 2026-06-15 23:00:00 UTC, is not before the start"
    )
    assert said["New"] == (
        "makes nothing: its instant, 2026-06-15 11:00:00 UTC, lies before 2026-06-15 12:00:00 UTC, "
        "when it was made or changed"
    )


def test_work_that_is_under_way_keeps_what_was_sent_and_says_that_no_more_comes(clock, config):
    rule(name="An hour")
    work = AssignmentFactory(scheduled_start=NOON + 2 * HOUR)
    acting.start(work.pk)
    answer = explain(work, config=config)
    assert answer.outlook is Outlook.NOT_SENT
    assert answer.next_at is None


def test_the_command_and_the_changed_person_show_them(clock, config):
    evening(name="The evening before")
    work = AssignmentFactory(scheduled_start=TOMORROW, assignee__time_zone="UTC")
    people.change_assignee(work.assignee_id, {"time_zone": "Asia/Tokyo"})
    out = StringIO()
    call_command("explain_reminder", str(work.pk), stdout=out)
    assert (
        "\nRules:\n  The evening before: makes nothing: its instant had passed when the rules changed\n"
        in (out.getvalue())
    )
    out = StringIO()
    call_command("explain_reminder", str(work.pk), "--json", stdout=out)
    assert [one["name"] for one in json.loads(out.getvalue())["rules"]] == [
        "The evening before",
        "30 minutes before the start (built-in)",
    ]
