"""Whatever people, operators and planners do, the open steps of chains are those that the pure functions ask for."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from assignments import acts, services, teams
from assignments.models import Assignment, Status
from assignments.services import Refused
from notifications.channels.memory.channel import MemoryChannel
from reminders.conf import ReminderConfig
from reminders.delivery import scan
from reminders.ledger import chains as ledger_chains
from reminders.ledger import rule_changes, rule_subjects
from reminders.ledger.rules import enabled_rules
from reminders.models import Kind, Reminder, ReminderRule, RuleSchedule, State
from reminders.policy import chains
from reminders.policy import rules as policy_rules
from tests import acting
from tests.conftest import NOON
from tests.depth import examples
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.stage import MINUTE, Ticks

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]
CONFIG = ReminderConfig(channel="memory", ops_emails=("ops@example.test",), digest_wait=timedelta(seconds=5))


@pytest.fixture
def config() -> ReminderConfig:
    """What listeners read too: they follow rules within the act that concerns them."""
    return CONFIG


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.sampled_from(["after_overdue", "on_decline", "unanswered"]),
            st.sampled_from([(5, None, None), (30, 10, 3), (90, 25, 2), (1, 60, 20)]),
        ),
        st.tuples(st.just("change"), st.integers(0, 5), st.sampled_from([1, 15, 60, 240])),
        st.tuples(st.just("switch"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("remove"), st.integers(0, 5), st.none()),
        st.tuples(st.just("act"), st.integers(0, 1), st.sampled_from(["confirm", "decline", "decline"])),
        st.tuples(st.just("late"), st.integers(0, 1), st.sampled_from([10, 30])),
        st.tuples(st.just("start"), st.integers(0, 1), st.none()),
        st.tuples(st.just("move"), st.integers(0, 1), st.integers(-20, 90)),
        st.tuples(st.just("reassign"), st.integers(0, 1), st.none()),
        st.tuples(st.just("lead"), st.integers(0, 1), st.sampled_from([None, 15, 90])),
        st.tuples(st.just("supervise"), st.integers(0, 3), st.none()),
        st.tuples(st.just("advance"), st.integers(1, 90), st.none()),
        st.tuples(st.just("advance"), st.integers(1, 30), st.none()),
    ),
    min_size=2,
    max_size=12,
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
@example([("add", "unanswered", (30, 10, 3)), ("supervise", 0, None), ("lead", 1, 15)])
def test_open_steps_are_those_that_the_rules_ask_for(clock, steps):
    clock.set(NOON)
    note(str(steps))
    with transaction.atomic():
        World(clock).follow(steps)
        transaction.set_rollback(True)


class World:
    """Two assignments of one team, two people who may supervise it, and rules."""

    def __init__(self, clock):
        self.clock, self.now = clock, NOON
        self.ticks = Ticks(clock, CONFIG, MemoryChannel())
        self.bosses = [AssigneeFactory(email=f"boss{n}@example.test") for n in range(2)]
        self.team = teams.add_team(name=f"Team {NOON}", supervisors=[self.bosses[0].pk])
        self.work = [
            AssignmentFactory(team_id=self.team.pk, scheduled_start=NOON + minutes * MINUTE)
            for minutes in (45, 200)
        ]

    def follow(self, steps):
        for act, which, value in steps:
            if act == "advance":
                self.now += which * MINUTE
                self.clock.set(self.now)
            else:
                self.take(act, which, value)
            scan.scan(trigger="cli", config=CONFIG)
            self.ticks.deliver_due()
            self.now = self.clock.now()
            for assignment in self.work:
                assignment.refresh_from_db()
                check(assignment, self.now)

    def take(self, act, which, value):
        rules = list(ReminderRule.objects.order_by("id"))
        work = self.work[which % 2] if isinstance(which, int) else None
        match act:
            case "add":
                minutes, every, times = value
                ReminderRule.objects.create(
                    name=f"Rule {len(rules)} {self.now}", audience="supervisors", trigger=which, minutes=minutes,
                    repeat_minutes=every, repeat_times=times, quiet_hours="ignore", changed_at=self.now,
                )  # fmt: skip
                rule_changes.announce_change()
            case "change" | "switch" | "remove" if rules:
                found = ReminderRule.objects.filter(pk=rules[which % len(rules)].pk)
                if act == "remove":
                    found.delete()
                else:
                    found.update(**{"minutes" if act == "change" else "enabled": value}, changed_at=self.now)
                rule_changes.announce_change()
            case "supervise":
                chosen = [boss.pk for n, boss in enumerate(self.bosses) if which >> n & 1]
                teams.change_team(self.team.pk, {"supervisors": chosen})
            case "act" | "late" | "start":
                try:
                    self.act(act, work, value)
                except Refused:
                    return
            case "move" if work.status == Status.SCHEDULED:
                start = max(work.scheduled_start + value * MINUTE, self.now + MINUTE)
                services.change(work.pk, {"scheduled_start": start})
            case "reassign" if work.status == Status.SCHEDULED:
                services.change(work.pk, {"assignee_id": AssigneeFactory().pk})
            case "lead" if work.status == Status.SCHEDULED:
                services.change(work.pk, {"lead_minutes": value})

    def act(self, act, work, value):
        match act:
            case "start":
                acts.start(work.pk, actor=acting.API)
            case "late":
                acts.run_late(work.pk, minutes=value, actor=acting.API)
            case _:
                {"confirm": acts.confirm, "decline": acts.decline}[value](work.pk, actor=acting.API)


def check(work: Assignment, now) -> None:
    """Every open step is one that a rule asks for, at its instant, for a present recipient; and none is missing."""
    rows = list(Reminder.objects.filter(assignment=work, kind=Kind.ESCALATION, rule__contains=":rule:"))
    waiting = [row for row in rows if row.closed_at is None]
    assert all(row.version == work.version for row in waiting)
    several = Counter((chains.chain_of(row.rule), row.recipient) for row in waiting)
    assert not [found for found, number in several.items() if number > 1]
    with connection.cursor() as cursor:
        subject = next(iter(rule_subjects.read_work(cursor, [work.pk])), None)
        if subject is None:
            assert waiting == []
            return
        rules = policy_rules.rules_for(subject.subject, rules=enabled_rules(cursor), lead=CONFIG.lead)
        supervisors = ledger_chains.supervisors_of(cursor, [work.pk], CONFIG)[work.pk]
    facts = subject.chain_facts(CONFIG)
    asked = {}
    for rule in chains.for_others(rules):
        told = ledger_chains.recipients_of(
            rule, supervisors=supervisors, assignee_id=work.assignee_id, config=CONFIG
        )
        for recipient in told:
            for step in chains.steps(rule, facts=facts, recipient=recipient):
                asked[step.key, recipient.recipient] = step.due_at
    for row in waiting:
        if row.recipient.startswith("ops:") and supervisors:
            continue  # What goes to Ops already stays.
        assert asked.get((row.rule, row.recipient)) == row.due_at, row.rule
    schedule = RuleSchedule.objects.filter(assignment=work).first()
    passed = {}
    for row in rows:
        if (
            row.state in (State.SENT, State.FAILED, State.UNKNOWN)
            and row.planned_start == work.scheduled_start
        ):
            passed[chains.chain_of(row.rule)] = max(
                chains.number_of(row.rule), passed.get(chains.chain_of(row.rule), -1)
            )
    going = {chains.chain_of(row.rule) for row in waiting}
    for (key, _), due in asked.items():
        chain = chains.chain_of(key)
        if chain in going or chains.number_of(key) <= passed.get(chain, -1) or due <= now + 60 * MINUTE:
            continue
        assert schedule is not None, key
        assert schedule.next_at is not None, key
        assert schedule.next_at <= due, key


def test_the_property_has_something_to_look_at(clock):
    """Overdue work of which its supervisor was told twice, and will be again."""
    world = World(clock)
    world.follow([("add", "after_overdue", (30, 10, 3)), ("advance", 106, None), ("advance", 11, None)])
    states = Reminder.objects.filter(kind=Kind.ESCALATION).order_by("id").values_list("state", flat=True)
    assert list(states) == [State.SENT, State.SENT, State.PLANNED]
    assert len(world.ticks.outbox.messages) == 2
