"""What rules go by beside the plan changes: the work's kind and team, people's zones and quiet hours, the built-in lead."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assignments import people, services, teams
from assignments.models import Assignment
from reminders.delivery import scan
from reminders.insight import selections
from reminders.ledger import planning, rule_changes
from reminders.models import Kind, Reminder, RuleChange, RuleSchedule, State
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.rule_factory import evening, key, rule

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def instants(work: Assignment) -> dict[str, datetime]:
    """The open reminders of the version in force: rule and instant."""
    found = Reminder.objects.filter(assignment=work, kind=Kind.REMINDER, state=State.PLANNED)
    return dict(found.values_list("rule", "due_at"))


def test_work_of_another_kind_follows_the_rules_of_that_kind_and_back(clock, config):
    made = rule(minutes=45, scope="kind", scope_value="repair")
    work = AssignmentFactory()
    assert instants(work) == {"default": NOON + 30 * MINUTE}
    services.change(work.pk, {"kind": "repair"})
    assert instants(work) == {key(made): NOON + 15 * MINUTE}
    services.change(work.pk, {"kind": ""})
    assert instants(work) == {"default": NOON + 30 * MINUTE}
    work.refresh_from_db()
    assert work.version == 1


def test_work_and_people_of_another_team_follow_the_rules_of_that_team(clock, config):
    north = teams.add_team(name="North")
    made = rule(minutes=45, scope="team", scope_value=str(north.pk))
    by_person, own = AssignmentFactory(), AssignmentFactory()
    people.change_assignee(by_person.assignee_id, {"team_id": north.pk})
    services.change(own.pk, {"team_id": north.pk})
    for work in (by_person, own):
        assert instants(work) == {key(made): NOON + 15 * MINUTE}


def test_an_imported_change_of_kind_is_followed_too(clock, config):
    from assignments.imports.rows import read_row
    from assignments.imports.writer import import_rows

    made = rule(minutes=45, scope="kind", scope_value="repair")
    row: dict[str, Any] = {"reference": "W-1", "title": "Job", "scheduled_start": "2026-06-15T13:00:00Z"}
    (pk,) = import_rows([read_row(1, row)]).ids
    work = Assignment.objects.get(pk=pk)
    assert instants(work) == {"default": NOON + 30 * MINUTE}
    import_rows([read_row(1, {**row, "kind": "repair"})])
    assert instants(work) == {key(made): NOON + 15 * MINUTE}


def test_another_zone_of_a_person_moves_local_times(clock, config):
    made = evening()
    start = datetime(2026, 6, 17, 14, tzinfo=UTC)
    work = AssignmentFactory(scheduled_start=start, assignee__time_zone="UTC")
    assert RuleSchedule.objects.get().next_at == datetime(2026, 6, 16, 18, tzinfo=UTC)
    people.change_assignee(work.assignee_id, {"time_zone": "Europe/Berlin"})
    assert RuleSchedule.objects.get().next_at == datetime(2026, 6, 16, 16, tzinfo=UTC)
    clock.set(datetime(2026, 6, 16, 15, tzinfo=UTC))
    scan.scan(trigger="cli", config=config)
    people.change_assignee(work.assignee_id, {"time_zone": "UTC"})
    assert instants(work) == {key(made): datetime(2026, 6, 16, 18, tzinfo=UTC)}


def test_quiet_hours_of_a_person_and_of_their_team_move_what_falls_into_them(clock, config):
    north = teams.add_team(name="North", time_zone="UTC")
    made = rule(minutes=30 * 60, quiet_hours="respect")
    ada = AssigneeFactory(time_zone="UTC", team_id=north.pk)
    work = AssignmentFactory(assignee=ada, scheduled_start=NOON + 31 * HOUR)  # due at 13:00
    assert instants(work) == {key(made): NOON + HOUR}
    teams.change_team(north.pk, {"quiet_from": time(12, 30), "quiet_until": time(15)})
    assert instants(work) == {key(made): NOON + 30 * MINUTE}
    people.change_assignee(ada.pk, {"quiet_from": time(12, 45), "quiet_until": time(14)})
    assert instants(work) == {key(made): NOON + 45 * MINUTE}
    people.change_assignee(ada.pk, {"quiet_from": None, "quiet_until": None})
    teams.change_team(north.pk, {"quiet_from": None, "quiet_until": None})
    assert instants(work) == {key(made): NOON + HOUR}


def test_nobody_is_reminded_at_once_because_circumstances_have_changed(clock, config):
    rule(minutes=90, scope="kind", scope_value="repair")
    work = AssignmentFactory()
    services.change(work.pk, {"kind": "repair"})
    assert instants(work) == {}
    assert not Reminder.objects.filter(assignment=work, due_at__lt=NOON).exists()


def test_much_work_and_all_while_switched_off_is_left_to_the_scan(clock, config, monkeypatch, settings):
    made = rule(minutes=45, scope="kind", scope_value="repair")
    scan.scan(trigger="cli", config=config)
    ada = AssigneeFactory(time_zone="UTC")
    work = AssignmentFactory.create_batch(3, assignee=ada, kind="repair")
    monkeypatch.setattr(rule_changes, "BATCH", 2)
    people.change_assignee(ada.pk, {"time_zone": "Asia/Tokyo"})
    progress = RuleChange.objects.filter(pk=1).first()
    assert progress is not None
    assert progress.finished_at is None
    scan.scan(trigger="cli", config=config)
    assert RuleChange.objects.filter(pk=1).first().done == 3

    settings.REMINDERS = replace(config, enabled=False)
    services.change(work[0].pk, {"kind": ""})
    assert instants(work[0]) == {key(made): NOON + 15 * MINUTE}
    settings.REMINDERS = config
    scan.scan(trigger="cli", config=config)
    assert instants(work[0]) == {"default": NOON + 30 * MINUTE}


def test_another_lead_of_the_built_in_rule_moves_its_rows_beside_those_of_rules(clock, config):
    made = rule(minutes=100)
    work = AssignmentFactory(scheduled_start=NOON + 2 * HOUR)
    scan.scan(trigger="cli", config=config)
    assert instants(work) == {key(made): NOON + 20 * MINUTE, "default": NOON + 90 * MINUTE}
    longer = replace(config, lead=timedelta(minutes=40))
    scan.scan(trigger="cli", config=longer)
    assert instants(work) == {key(made): NOON + 20 * MINUTE, "default": NOON + 80 * MINUTE}
    assert scan.scan(trigger="cli", config=longer).counts.retimed == 0


def test_without_rules_a_change_of_circumstances_costs_one_statement(clock, config):
    work = AssignmentFactory()
    with CaptureQueriesContext(connection) as asked:
        people.change_assignee(work.assignee_id, {"time_zone": "Asia/Tokyo"})
    assert sum("reminders_rule" in query["sql"] for query in asked) == 1
    assert instants(work) == {"default": NOON + 30 * MINUTE}


def test_an_instant_that_nobody_has_planned_is_unaccounted_for(clock, config):
    rule(minutes=3 * 1440)
    late = AssignmentFactory(scheduled_start=NOON + 4 * DAY)
    replaced = AssignmentFactory(scheduled_start=NOON + 20 * MINUTE, kind="repair")
    rule(minutes=30, scope="kind", scope_value="repair")
    scan.scan(trigger="cli", config=config)
    assert planning.unaccounted(config) == 0
    assert list(selections.unaccounted(now=clock.now(), config=config)) == []
    clock.set(NOON + 2 * DAY)
    assert planning.unaccounted(config) == 1
    assert list(selections.unaccounted(now=clock.now(), config=config)) == [late]
    assert replaced.pk != late.pk
