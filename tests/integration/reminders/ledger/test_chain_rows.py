"""Rows of escalation chains against the pure functions, against acts at the same time, and what they cost."""

import itertools
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from assignments import acts, teams
from assignments.models import Assignment, Status
from notifications.channels.memory.channel import MemoryChannel
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, scan
from reminders.ledger import replanning, rule_planning
from reminders.models import Kind, Reminder, ReminderRule, RuleSchedule, State
from reminders.policy import gates, rows
from reminders.policy.recipients import assignee_recipient, ops_recipient
from reminders.policy.rows import Plan
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.integration.reminders.ledger.test_races import at_once, elsewhere
from tests.plans import plan_with_only
from tests.rule_factory import PAST, rule
from tests.stack import until

MINUTE = timedelta(minutes=1)
TO = ops_recipient("ops@example.test")


def step(work: Assignment, key: str, **values: Any) -> Reminder:
    """A row of a chain that waits."""
    given = {
        "version": work.version,
        "recipient": TO,
        "channel": "memory",
        "due_at": NOON + 30 * MINUTE,
        **values,
    }
    return Reminder.objects.create(
        assignment=work,
        kind=Kind.ESCALATION,
        rule=key,
        planned_start=work.scheduled_start,
        not_after=given["due_at"] + timedelta(hours=4),
        next_attempt_at=given["due_at"],
        **given,
    )


KEYS = ["declined:17:rule:7#1", "unanswered:rule:7", "overdue:rule:7#3", "declined:17", "late:4"]
CHANGES = ["as planned", "reassigned", "another lead"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "status", "answer"),
    list(
        itertools.product(CHANGES, ["SCHEDULED", "IN_PROGRESS", "CANCELLED"], ["", "CONFIRMED", "DECLINED"])
    ),
)
def test_the_policy_and_sql_void_the_same_steps(clock, change, status, answer):
    rule(audience="supervisors", trigger="after_overdue", minutes=0)
    work = AssignmentFactory()
    made = {key: step(work, key) for key in KEYS}
    other = AssigneeFactory()
    changed = {
        "as planned": {},
        "reassigned": {"assignee_id": other.pk, "version": 2},
        "another lead": {"lead_minutes": 5, "version": 2},
    }[change]
    answered = {"answer": answer, "answered_at": NOON} if answer else {}
    Assignment.objects.filter(pk=work.pk).update(status=status, **answered, **changed)
    work.refresh_from_db()
    plan = Plan(
        version=work.version,
        status=Status(work.status),
        scheduled_start=work.scheduled_start,
        recipient=assignee_recipient(work.assignee_id),
        declined=answer == "DECLINED",
        confirmed=answer == "CONFIRMED",
        given_away=change == "reassigned",
    )
    reasons = {key: gates.void_reason(rows.from_model(row), plan) for key, row in made.items()}
    ended = {one.reminder_id: one.reason for one in replanning.void()}
    assert {key: ended.get(row.pk) for key, row in made.items()} == {
        key: reason and reason.value for key, reason in reasons.items()
    }


@pytest.mark.django_db
def test_a_scan_with_nothing_due_asks_no_more_for_ten_rules_and_much_work(clock, config):
    AssignmentFactory.create_batch(5, scheduled_start=NOON + timedelta(days=9))
    scan.scan(trigger="cli", config=config)
    with CaptureQueriesContext(connection) as before:
        scan.scan(trigger="cli", config=config)
    for number in range(10):
        trigger = ("after_overdue", "on_decline", "unanswered")[number % 3]
        rule(
            audience="ops" if number % 2 else "supervisors", trigger=trigger, minutes=60 + number, repeat_minutes=10,
            repeat_times=20,
        )  # fmt: skip
    AssignmentFactory.create_batch(50, scheduled_start=NOON + timedelta(days=9))
    scan.scan(trigger="cli", config=config)
    assert RuleSchedule.objects.filter(next_at__isnull=False).count() == 55
    with CaptureQueriesContext(connection) as after:
        counts = scan.scan(trigger="cli", config=config).counts
    assert (counts.planned, counts.retimed, counts.skipped, counts.unaccounted) == (0, 0, 0, 0)
    assert len(after) == len(before)
    index = "rule_schedule_next_idx"
    assert index in plan_with_only(
        index, rule_planning.DUE_SCHEDULES % {"lookahead": "interval '2 hours'", "limit": 1000}
    )


@pytest.mark.django_db
def test_without_rules_marking_and_declining_ask_for_the_rules_and_nothing_more(clock, config):
    work = AssignmentFactory()
    with CaptureQueriesContext(connection) as asked:
        acting.decline(work)
    said = [query["sql"] for query in asked]
    assert sum("FROM reminders_reminderrule WHERE enabled ORDER BY id" in sql for sql in said) == 1
    assert not any("INTO reminders_ruleschedule" in sql or ":rule:" in sql for sql in said)
    assert list(Reminder.objects.filter(kind=Kind.ESCALATION)) == []


@pytest.mark.django_db(transaction=True)
def test_a_start_while_a_step_is_being_sent_leaves_no_step_open(settings):
    """Whoever comes first: the step that follows is not planned, or ends with the start."""
    config = settings.REMINDERS = ReminderConfig(channel="memory", ops_emails=("ops@example.test",))
    ReminderRule.objects.create(
        name="Again", audience="supervisors", trigger="after_overdue", minutes=0, quiet_hours="ignore",
        repeat_minutes=10, repeat_times=20, changed_at=PAST,
    )  # fmt: skip
    ends = {race_of_a_start(config) for _ in range(12)}
    assert ends <= {(State.SENT, State.SKIPPED), (State.SENT,), (State.SKIPPED,)}


def race_of_a_start(config: ReminderConfig) -> tuple[str, ...]:
    """How the steps end of work that is started while one of them is sent."""
    work, outbox = overdue_since_a_minute(config), MemoryChannel()
    at_once(lambda: turn(config, outbox), lambda: acts.start(work.pk, actor=acting.API))
    found = Reminder.objects.filter(assignment=work, kind=Kind.ESCALATION).order_by("id")
    assert not found.filter(closed_at__isnull=True).exists()
    assert len(outbox.messages) == found.filter(state=State.SENT).count()
    return tuple(found.values_list("state", flat=True))


@pytest.mark.django_db(transaction=True)
def test_rules_that_are_followed_while_somebody_declines_see_the_decline(settings):
    """What waits for the act's lock decides on what is so afterwards."""
    config = settings.REMINDERS = ReminderConfig(channel="memory", ops_emails=("ops@example.test",))
    rule(audience="supervisors", trigger="on_decline", minutes=0)
    work = AssignmentFactory(scheduled_start=timezone.now() + timedelta(hours=2))

    with ExitStack() as later, transaction.atomic():
        acting.decline(work)
        later.enter_context(elsewhere(lambda: rule_planning.follow_rules([work.pk], config=config)))
        until(somebody_waits, within=30, what="following waits for the decline")
    assert [row.state for row in Reminder.objects.filter(kind=Kind.ESCALATION)] == [State.PLANNED]


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def overdue_since_a_minute(config: ReminderConfig) -> Assignment:
    """Work of which a step is due: it was known long before."""
    work = AssignmentFactory(
        scheduled_start=timezone.now() - timedelta(minutes=31),
        team_id=teams.add_team(name=f"{timezone.now()}").pk,
    )
    long_ago = datetime(2026, 1, 1, tzinfo=NOON.tzinfo)
    Assignment.objects.filter(pk=work.pk).update(known_at=long_ago)
    RuleSchedule.objects.filter(assignment=work).update(known_at=long_ago)
    turn(config, MemoryChannel(), send=False)
    return work


def turn(config: ReminderConfig, outbox: MemoryChannel, *, send: bool = True) -> None:
    """Dispatch, and a worker that takes what was handed over; without `send` only the markers."""
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    deliver.deliver(desk.hints(), config=config, channel=lambda _: outbox)
    if not send:
        assert outbox.messages == []
