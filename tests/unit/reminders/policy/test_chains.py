"""Escalation chains: their instants, which step is next, and what they are called."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.policy import chains, escalation
from reminders.policy.chains import ChainFacts, Decline, Passed, Recipient, Step
from reminders.policy.rules import (
    Audience,
    Repeat,
    Rule,
    RuleSubject,
    Scope,
    Trigger,
    TriggerType,
    occurrences,
    rules_for,
)
from reminders.policy.wall_clock import QuietHours, quiet_period

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(starts=time(22), until=time(7))
START = datetime(2026, 6, 10, 7, tzinfo=UTC)  # 09:00 in Berlin
MINUTE = timedelta(minutes=1)
SUE = Recipient(recipient="person:9", zone=BERLIN)
NIGHTLY_SUE = Recipient(recipient="person:9", zone=BERLIN, quiet_hours=NIGHT)


def rule(
    type: TriggerType,
    minutes: int = 0,
    *,
    every: int = 0,
    times: int = 0,
    key: str = "rule:7",
    **more: object,
) -> Rule:
    repeat = Repeat(every=every * MINUTE, times=times) if every else None
    values = {"audience": Audience.SUPERVISORS, "repeat": repeat, **more}
    return Rule(key=key, trigger=Trigger(type=type, offset=minutes * MINUTE), **values)  # type: ignore[arg-type]


def work(*, start: datetime = START, **more: object) -> ChainFacts:
    subject = RuleSubject(
        assignment_id=7, start=start, known_at=start - timedelta(days=9), zone=BERLIN, kind="repair"
    )
    return ChainFacts(subject=subject, **more)  # type: ignore[arg-type]


def instants(made: Rule, facts: ChainFacts, to: Recipient = SUE) -> list[datetime]:
    return [step.due_at for step in chains.steps(made, facts=facts, recipient=to)]


def at(hour: int, minute: int = 0, *, day: int = 10) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


def test_overdue_work_is_told_at_its_instant_and_repeated() -> None:
    facts = work(overdue_at=START + 30 * MINUTE)
    made = rule(TriggerType.AFTER_OVERDUE, 15, every=20, times=2)
    assert instants(made, facts) == [START + minutes * MINUTE for minutes in (45, 65, 85)]


def test_a_decline_is_told_at_once_and_named_by_its_act() -> None:
    facts = work(decline=Decline(act_id=17, at=START - 60 * MINUTE), is_answered=True)
    found = chains.steps(rule(TriggerType.ON_DECLINE, every=10, times=1), facts=facts, recipient=SUE)
    assert found == [
        Step(key="declined:17:rule:7", number=0, due_at=START - 60 * MINUTE),
        Step(key="declined:17:rule:7#1", number=1, due_at=START - 50 * MINUTE),
    ]


def test_work_without_an_answer_is_told_until_its_start() -> None:
    made = rule(TriggerType.UNANSWERED, 60, every=25, times=9)
    assert instants(made, work()) == [START - minutes * MINUTE for minutes in (60, 35, 10)]


@pytest.mark.parametrize(
    ("type", "facts"),
    [
        (TriggerType.AFTER_OVERDUE, work()),
        (TriggerType.ON_DECLINE, work(is_answered=True)),
        (TriggerType.UNANSWERED, work(is_answered=True)),
    ],
)
def test_nothing_is_told_of_what_is_not_so(type: TriggerType, facts: ChainFacts) -> None:
    assert instants(rule(type, 30), facts) == []


def test_what_falls_into_quiet_hours_moves_to_their_end_unless_the_rule_is_urgent() -> None:
    facts = work(start=at(21), overdue_at=at(22, 30))
    kept = rule(TriggerType.AFTER_OVERDUE, every=60, times=1, respects_quiet_hours=True)
    (first, second) = chains.steps(kept, facts=facts, recipient=NIGHTLY_SUE)
    assert (first.due_at, first.moved_from) == (at(7, day=11), at(22, 30))
    assert (second.due_at, second.moved_from) == (at(7, day=11), at(23, 30))
    assert instants(rule(TriggerType.AFTER_OVERDUE), facts, NIGHTLY_SUE) == [at(22, 30)]
    assert instants(kept, facts, SUE) == [at(22, 30), at(23, 30)]


@pytest.mark.parametrize(("start", "told"), [(at(7), at(23, day=9)), (at(8), at(7))])
def test_a_decline_is_told_in_quiet_hours_where_the_start_lies_before_they_end(
    start: datetime, told: datetime
) -> None:
    facts = work(start=start, decline=Decline(act_id=1, at=at(23, day=9)), is_answered=True)
    made = rule(TriggerType.ON_DECLINE, respects_quiet_hours=True)
    assert instants(made, facts, NIGHTLY_SUE) == [told]


def test_a_missing_answer_is_told_in_quiet_hours_where_the_start_lies_before_they_end() -> None:
    made = rule(TriggerType.UNANSWERED, 60, respects_quiet_hours=True)
    assert instants(made, work(start=at(6)), NIGHTLY_SUE) == [at(5)]
    assert instants(made, work(start=at(7, 30)), NIGHTLY_SUE) == [at(7)]


def test_of_missed_steps_the_latest_is_made_and_then_one_after_the_other() -> None:
    found = [Step(key=str(n), number=n, due_at=START + n * 10 * MINUTE) for n in range(5)]

    def following(passed: int, not_before: int, now: int) -> int | None:
        step = chains.next_step(
            found, passed=passed, not_before=START + not_before * MINUTE, now=START + now * MINUTE
        )
        return step.number if step else None

    assert following(-1, -99, -1) == 0
    assert following(-1, -99, 25) == 2
    assert following(-1, 25, 25) == 3
    assert following(2, -99, 25) == 3
    assert following(2, 35, 31) == 4
    assert following(4, -99, 25) is None


EARLY = START - timedelta(days=99)


@pytest.mark.parametrize(
    ("history", "more", "now", "number"),
    [
        ([], {}, -1, 0),
        ([], {}, 25, 2),
        ([], {"since": START + 11 * MINUTE}, 12, 2),
        ([Passed(number=0, not_before=START + 5 * MINUTE)], {}, 1, 1),
        ([Passed(number=0, not_before=START + 12 * MINUTE)], {}, 1, 2),
        # Whoever had the latest step: all go on from there.
        ([Passed(number=2, not_before=None), Passed(number=0, not_before=None)], {}, 1, 3),
        ([Passed(number=4, not_before=None)], {}, 1, None),
    ],
)
def test_what_follows_goes_by_what_has_passed_the_rule_and_the_plan(
    history: list[Passed], more: dict[str, datetime], now: int, number: int | None
) -> None:
    made = rule(TriggerType.AFTER_OVERDUE, every=10, times=4, **more)
    step = chains.following(
        made,
        facts=work(overdue_at=START),
        recipient=SUE,
        history=history,
        not_before=EARLY,
        now=START + now * MINUTE,
    )
    assert (step and step.number) == number


def test_nothing_follows_for_instants_before_the_plan_was_known() -> None:
    facts = work(overdue_at=START)
    late = replace(facts, subject=replace(facts.subject, known_at=START + 15 * MINUTE))
    made = rule(TriggerType.AFTER_OVERDUE, every=10, times=4)
    step = chains.following(
        made, facts=late, recipient=SUE, history=[], not_before=EARLY, now=START + 16 * MINUTE
    )
    assert step is not None
    assert step.number == 2


def test_what_was_delayed_is_not_followed_at_once() -> None:
    made = rule(TriggerType.AFTER_OVERDUE, every=10, times=5)
    assert chains.earliest_after(made, START) == START + 5 * MINUTE


def test_a_rule_for_supervisors_takes_the_place_of_the_built_in_notice_of_its_trigger_alone() -> None:
    subject = work().subject
    team = rule(TriggerType.AFTER_OVERDUE, scope=Scope.KIND, value="repair")
    other = rule(TriggerType.AFTER_OVERDUE, scope=Scope.KIND, value="care")
    ops = rule(TriggerType.ON_DECLINE, audience=Audience.OPS)

    def replaced(*rules: Rule) -> list[TriggerType]:
        applying = rules_for(subject, rules=rules, lead=30 * MINUTE)
        return [type for type in chains.TRIGGERS if chains.replaces_built_in(applying, type)]

    assert replaced(team, ops) == [TriggerType.AFTER_OVERDUE]
    assert replaced(other, ops) == []


def test_the_narrowest_scope_replaces_the_wider_ones_for_each_audience_and_trigger() -> None:
    subject = work().subject
    wide = rule(TriggerType.AFTER_OVERDUE, key="wide")
    narrow = rule(TriggerType.AFTER_OVERDUE, key="narrow", scope=Scope.KIND, value="repair")
    ops = rule(TriggerType.AFTER_OVERDUE, key="ops", audience=Audience.OPS)
    declined = rule(TriggerType.ON_DECLINE, key="declined")
    applying = rules_for(subject, rules=[wide, narrow, ops, declined], lead=30 * MINUTE)
    assert [one.key for one in applying] == ["default", "narrow", "ops", "declined"]
    assert [one.key for one in chains.for_others(applying)] == ["narrow", "ops", "declined"]
    assert [one.rule for one in occurrences(subject, rules=applying)] == ["default"]


@pytest.mark.parametrize(
    ("key", "rule_key", "chain", "number", "trigger"),
    [
        ("overdue:rule:7", "rule:7", "overdue:rule:7", 0, escalation.EscalationTrigger.OVERDUE),
        ("declined:17:rule:7#3", "rule:7", "declined:17:rule:7", 3, escalation.EscalationTrigger.DECLINED),
        (
            "unanswered:rule:12#20",
            "rule:12",
            "unanswered:rule:12",
            20,
            escalation.EscalationTrigger.UNANSWERED,
        ),
        ("declined:17", "", "declined:17", 0, escalation.EscalationTrigger.DECLINED),
        ("late:4", "", "late:4", 0, escalation.EscalationTrigger.LATE),
    ],
)
def test_a_key_says_trigger_rule_and_step(
    key: str, rule_key: str, chain: str, number: int, trigger: escalation.EscalationTrigger
) -> None:
    assert chains.rule_key_of(key) == rule_key
    assert chains.is_step(key) is bool(rule_key)
    assert (chains.chain_of(key), chains.number_of(key)) == (chain, number)
    assert escalation.trigger_of(key) is trigger


ZONES = [ZoneInfo(name) for name in ("Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "UTC")]


@given(
    st.sampled_from(list(chains.TRIGGERS)),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda found: found.replace(tzinfo=UTC)),
    st.integers(0, 10_080),
    st.integers(10, 600),
    st.integers(1, 20),
    st.sampled_from(ZONES),
    st.tuples(st.times(), st.times()),
    st.booleans(),
)
def test_steps_are_in_order_never_early_and_outside_of_quiet_hours(
    type: TriggerType,
    start: datetime,
    minutes: int,
    every: int,
    times: int,
    zone: ZoneInfo,
    quiet: tuple[time, time],
    respects: bool,
) -> None:
    hours = QuietHours(starts=quiet[0], until=quiet[1])
    facts = work(
        start=start, overdue_at=start + 30 * MINUTE, decline=Decline(act_id=1, at=start - 300 * MINUTE)
    )
    made = rule(type, minutes, every=every, times=times, respects_quiet_hours=respects)
    to = Recipient(recipient="person:9", zone=zone, quiet_hours=hours)
    plain = instants(made, facts)
    found = chains.steps(made, facts=facts, recipient=to)
    assert [step.number for step in found] == list(range(len(found)))
    assert len(found) <= times + 1
    assert all(one.due_at <= other.due_at for one, other in pairwise(found))
    assert len({step.key for step in found}) == len(found)
    for step in found:
        unmoved = plain[step.number]
        assert step.due_at == unmoved or (respects and step.moved_from == unmoved < step.due_at)
        period = quiet_period(step.due_at, hours=hours, zone=zone)
        if respects and period is not None:
            assert type is not TriggerType.AFTER_OVERDUE
            assert start <= period[1]
        if type is TriggerType.UNANSWERED:
            assert step.due_at < start


@given(
    st.integers(10, 240),
    st.integers(1, 20),
    st.lists(st.integers(0, 600), min_size=1, max_size=30),
)
def test_a_chain_told_with_any_delay_ends_and_keeps_half_an_interval(
    every: int, times: int, delays: list[int]
) -> None:
    made = rule(TriggerType.AFTER_OVERDUE, every=every, times=times)
    found = chains.steps(made, facts=work(overdue_at=START), recipient=SUE)
    passed, now, not_before, sent = -1, START, START, []
    while step := chains.next_step(found, passed=passed, not_before=not_before, now=now):
        now = max(now, step.due_at) + delays[len(sent) % len(delays)] * MINUTE
        sent.append(now)
        passed, not_before = step.number, chains.earliest_after(made, now)
    assert 1 <= len(sent) <= times + 1
    for (earlier, later), delay in zip(
        pairwise(sent), [delays[n % len(delays)] for n in range(1, 99)], strict=False
    ):
        assert later - delay * MINUTE - earlier >= every * MINUTE / 2
