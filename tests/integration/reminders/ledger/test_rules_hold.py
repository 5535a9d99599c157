"""Whatever operators and planners do, the open rows are those that the pure functions ask for."""

from datetime import datetime, time, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from assignments import people, services
from assignments.models import Assignment
from reminders.conf import ReminderConfig
from reminders.delivery import scan
from reminders.ledger import rule_changes, rule_subjects
from reminders.ledger.rules import enabled_rules
from reminders.models import Kind, Reminder, ReminderRule, RuleChange, RuleSchedule, State
from reminders.policy import rules as policy_rules
from tests.conftest import NOON
from tests.depth import examples
from tests.factories import AssigneeFactory, AssignmentFactory

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]
MINUTE = timedelta(minutes=1)
CONFIG = ReminderConfig(channel="memory")
MINUTES = st.sampled_from([10, 25, 30, 38, 45, 60, 100, 180, 600, 1500])

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), MINUTES, st.sampled_from(["everyone", "kind", "person"])),
        st.tuples(st.just("change"), st.integers(0, 5), MINUTES),
        st.tuples(st.just("switch"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("remove"), st.integers(0, 5), st.none()),
        st.tuples(st.just("move"), st.integers(0, 1), st.integers(-90, 240)),
        st.tuples(st.just("reassign"), st.integers(0, 1), st.none()),
        st.tuples(
            st.just("lead"), st.integers(0, 1), st.sampled_from([None, 15, 90, [15, 90], [30, 60, 1440]])
        ),
        st.tuples(st.just("kind"), st.integers(0, 1), st.sampled_from(["", "repair", "care"])),
        st.tuples(st.just("quiet"), st.integers(0, 1), st.sampled_from([(None, None), (time(12), time(14))])),
        st.tuples(st.just("advance"), st.integers(1, 90), st.none()),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
@example(
    [("add", 60, "everyone"), ("change", 0, 45)]
)  # The row is moved from the edge of the look-ahead to beyond it.
@example([("add", 100, "everyone"), ("change", 0, 45)])
def test_open_rows_are_those_that_the_rules_ask_for(clock, steps):
    clock.set(NOON)
    with transaction.atomic():
        ada = AssigneeFactory()
        work = [
            AssignmentFactory(assignee=ada, kind="repair", scheduled_start=NOON + timedelta(hours=3)),
            AssignmentFactory(scheduled_start=NOON + timedelta(hours=30)),
        ]
        now = NOON
        note(str(steps))
        for act, which, value in steps:
            if act == "advance":
                now += which * MINUTE
                clock.set(now)
            else:
                take(act, which, value, work, now)
            scan.scan(trigger="cli", config=CONFIG)
            for assignment in work:
                check(assignment.pk, now)
        transaction.set_rollback(True)


def take(act: str, which: int, value: object, work: list[Assignment], now: datetime) -> None:
    rules = list(ReminderRule.objects.order_by("id"))
    assignment = work[which % len(work)]
    match act:
        case "add":
            scopes = {"everyone": "", "kind": "repair", "person": str(work[0].assignee_id)}
            ReminderRule.objects.create(
                name=f"Rule {ReminderRule.objects.count()} {now} {which} {value}",
                audience="assignee",
                trigger="before_start",
                minutes=which,
                scope=value,
                scope_value=scopes[str(value)],
                quiet_hours="respect" if which in (100, 600) else "ignore",
                changed_at=now,
            )
        case "change" | "switch" | "remove" if not rules:
            return
        case "change":
            ReminderRule.objects.filter(pk=rules[which % len(rules)].pk).update(minutes=value, changed_at=now)
        case "switch":
            ReminderRule.objects.filter(pk=rules[which % len(rules)].pk).update(enabled=value, changed_at=now)
        case "remove":
            rules[which % len(rules)].delete()
        case "move":
            assignment.refresh_from_db()
            start = max(assignment.scheduled_start + int(str(value)) * MINUTE, now + MINUTE)
            services.change(assignment.pk, {"scheduled_start": start})
            return
        case "reassign":
            services.change(assignment.pk, {"assignee_id": AssigneeFactory().pk})
            return
        case "kind":
            services.change(assignment.pk, {"kind": value})
            return
        case "quiet":
            assignment.refresh_from_db()
            begins, ends = value
            people.change_assignee(assignment.assignee_id, {"quiet_from": begins, "quiet_until": ends})
            return
        case "lead":
            services.change(assignment.pk, {"lead_minutes": value})
            return
    rule_changes.announce_change()


def check(pk: int, now: datetime) -> None:
    """Every open row is asked for; every instant to come within the look-ahead has an open row."""
    assignment = Assignment.objects.get(pk=pk)
    with connection.cursor() as cursor:
        subjects = rule_subjects.read_subjects(cursor, [pk])
        rules = enabled_rules(cursor)
    found = Reminder.objects.filter(
        assignment=assignment, version=assignment.version, kind=Kind.REMINDER, state=State.PLANNED
    )
    planned = dict(found.values_list("rule", "due_at"))
    if pk not in subjects:  # It has become overdue.
        return
    subject = subjects[pk]
    applying = policy_rules.rules_for(subject, rules=rules, lead=CONFIG.lead)
    occurrences = policy_rules.occurrences(subject, rules=applying)
    asked = {one.rule: one.due_at for one in occurrences if one.skipped is None}
    assert planned.items() <= asked.items(), occurrences
    schedule = RuleSchedule.objects.filter(assignment=assignment).first()
    # The built-in rule alone is planned by the start: at the latest one scan before it is due.
    ahead = CONFIG.lookahead if schedule else CONFIG.poll
    coming = {rule: due for rule, due in asked.items() if now < due <= now + ahead}
    assert coming.items() <= planned.items()
    if (
        schedule is not None
    ):  # A row that was moved beyond the look-ahead stays, and is looked at when it comes near.
        later = [one.due_at for one in occurrences if one.due_at > now + CONFIG.lookahead]
        assert schedule.next_at == min(later, default=None)
    assert not RuleChange.objects.filter(finished_at=None).exists()
