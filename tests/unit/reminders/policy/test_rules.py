"""Which rules apply, and when: replacement by scope, quiet hours, short notice, distance."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.models import Reason
from reminders.policy.rules import (
    MIN_DISTANCE,
    Audience,
    Occurrence,
    Rule,
    RuleSubject,
    Scope,
    Trigger,
    TriggerType,
    WhenPast,
    occurrences,
    replaced_by,
    rules_for,
)
from reminders.policy.wall_clock import QuietHours, quiet_period

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(starts=time(22), until=time(7))
START = datetime(2026, 6, 10, 7, tzinfo=UTC)  # 09:00 in Berlin
LEAD = timedelta(minutes=30)
EARLY = START - timedelta(days=30)


def before(
    minutes: int, *, key: str = "", scope: Scope = Scope.EVERYONE, value: str = "", **more: object
) -> Rule:
    trigger = Trigger(type=TriggerType.BEFORE_START, offset=timedelta(minutes=minutes))
    return Rule(
        key=key or f"rule:{minutes}",
        audience=Audience.ASSIGNEE,
        trigger=trigger,
        scope=scope,
        value=value,
        **more,
    )  # type: ignore[arg-type]


def evening(at: time = time(18), days: int = 1, **more: object) -> Rule:
    trigger = Trigger(type=TriggerType.AT_LOCAL_TIME, days_before=days, at=at)
    return Rule(key="rule:evening", audience=Audience.ASSIGNEE, trigger=trigger, **more)  # type: ignore[arg-type]


def work(**more: object) -> RuleSubject:
    values = {"assignment_id": 7, "start": START, "known_at": EARLY, "zone": BERLIN, **more}
    return RuleSubject(**values)  # type: ignore[arg-type]


def planned(subject: RuleSubject, *rules: Rule) -> list[Occurrence]:
    return occurrences(subject, rules=rules_for(subject, rules=rules, lead=LEAD))


def at(hour: int, minute: int = 0, *, day: int = 10) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


def test_without_rules_there_is_the_one_lead() -> None:
    assert planned(work()) == [Occurrence(rule="default", due_at=START - LEAD)]


def test_a_rule_for_everyone_stands_beside_the_built_in_one() -> None:
    assert [found.rule for found in planned(work(), before(1440), evening())] == [
        "rule:1440",
        "rule:evening",
        "default",
    ]


@pytest.mark.parametrize("number", range(1, 5))
def test_the_narrowest_scope_replaces_the_wider_ones_whole(number: int) -> None:
    rules = [
        before(60, key="kind", scope=Scope.KIND, value="repair"),
        before(61, key="team", scope=Scope.TEAM, value="3"),
        before(62, key="person", scope=Scope.PERSON, value="5"),
        before(63, key="own", scope=Scope.ASSIGNMENT, value="7"),
    ][:number]
    subject = work(kind="repair", team_id=3, person_id=5)
    assert [found.rule for found in planned(subject, *rules)] == [rules[-1].key]
    assert replaced_by(rules[0], subject=subject, rules=rules, lead=LEAD) == rules[number - 1 :] * (
        number > 1
    )


def test_a_rule_of_another_kind_team_person_or_assignment_does_not_apply() -> None:
    rules = [
        before(60, scope=Scope.KIND, value="care"),
        before(61, scope=Scope.TEAM, value="4"),
        before(62, scope=Scope.PERSON, value="6"),
        before(63, scope=Scope.ASSIGNMENT, value="8"),
    ]
    subject = work(kind="repair", team_id=3, person_id=5)
    assert [found.rule for found in planned(subject, *rules)] == ["default"]


def test_what_is_replaced_has_the_same_type_of_trigger() -> None:
    team_evening = evening(scope=Scope.TEAM, value="3")
    applying = rules_for(work(team_id=3), rules=[team_evening], lead=LEAD)
    assert [rule.key for rule in applying] == ["default", "rule:evening"]


def test_leads_of_the_assignment_replace_every_other_lead_and_the_shortest_is_the_default() -> None:
    subject = work(leads=(timedelta(days=1), LEAD, timedelta(hours=2)), kind="repair")
    assert planned(subject, before(60, scope=Scope.KIND, value="repair")) == [
        Occurrence(rule="default:3", due_at=START - timedelta(days=1)),
        Occurrence(rule="default:2", due_at=START - timedelta(hours=2)),
        Occurrence(rule="default", due_at=START - LEAD),
    ]


def test_what_falls_into_quiet_hours_moves_to_their_beginning() -> None:
    found = planned(work(quiet_hours=NIGHT), before(9 * 60, respects_quiet_hours=True))
    assert found[0] == Occurrence(rule="rule:540", due_at=at(22, day=9), moved_from=at(0))


def test_what_the_assignee_has_been_told_neither_counts_as_missed_nor_keeps_another_rule_away() -> None:
    rules = (before(95), before(40))
    subject = work(known_at=at(8, 10), told=frozenset({"rule:95", "default"}))
    assert [(found.rule, found.skipped) for found in planned(subject, *rules)] == [
        ("rule:95", Reason.ALREADY_TOLD),
        ("rule:40", None),
        ("default", Reason.ALREADY_TOLD),
    ]


def test_of_several_leads_those_are_told_whose_length_was_told() -> None:
    subject = work(
        leads=(LEAD, timedelta(hours=2)),
        told=frozenset({"default"}),
        told_leads=frozenset({timedelta(hours=2)}),
    )
    assert [(found.rule, found.skipped) for found in planned(subject)] == [
        ("default:2", Reason.ALREADY_TOLD),
        ("default", None),
    ]


def test_a_rule_that_ignores_quiet_hours_keeps_its_instant() -> None:
    assert planned(work(quiet_hours=NIGHT), before(9 * 60))[0].due_at == at(0)


@pytest.mark.parametrize(
    ("when_past", "skipped"), [(WhenPast.SEND, None), (WhenPast.SKIP, Reason.QUIET_HOURS)]
)
def test_work_that_becomes_known_within_the_quiet_hours_is_sent_anyway_or_skipped(
    when_past: WhenPast, skipped: Reason | None
) -> None:
    subject = work(quiet_hours=NIGHT, known_at=at(23, day=9))
    rule = before(9 * 60, respects_quiet_hours=True, when_past=when_past)
    assert planned(subject, rule)[0] == Occurrence(rule="rule:540", due_at=at(0), skipped=skipped)


def test_at_short_notice_the_latest_missed_one_is_sent_and_the_earlier_ones_are_not() -> None:
    subject = work(known_at=at(8), leads=(timedelta(days=2), timedelta(days=1), timedelta(minutes=90), LEAD))
    assert [(found.rule, found.skipped) for found in planned(subject)] == [
        ("default:4", Reason.SHORT_NOTICE),
        ("default:3", Reason.SHORT_NOTICE),
        ("default:2", None),
        ("default", None),
    ]


def test_one_that_would_leave_within_ten_minutes_of_the_one_before_is_skipped() -> None:
    subject = work(known_at=at(8, 25), leads=(timedelta(hours=1), LEAD))
    assert [(found.rule, found.skipped) for found in planned(subject)] == [
        ("default:2", None),
        ("default", Reason.TOO_CLOSE),
    ]


def test_a_rule_makes_nothing_for_instants_before_it_was_enabled_or_changed() -> None:
    assert [found.rule for found in planned(work(), before(1440, since=START - timedelta(minutes=1439)))] == [
        "default"
    ]
    assert [found.rule for found in planned(work(), before(1440, since=START - timedelta(minutes=1440)))] == [
        "rule:1440",
        "default",
    ]


def test_a_local_time_on_the_day_of_the_start_but_after_it_is_no_instant() -> None:
    assert [found.rule for found in planned(work(), evening(time(10), days=0))] == ["default"]


STARTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))
HOURS = st.times().map(lambda at: at.replace(second=0, microsecond=0))
ZONES = st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "UTC"])
RULES = st.lists(
    st.one_of(
        st.builds(
            lambda minutes, quiet, past: before(minutes, respects_quiet_hours=quiet, when_past=past),
            st.integers(1, 43_200),
            st.booleans(),
            st.sampled_from(WhenPast),
        ),
        st.builds(
            lambda hour, days, quiet: evening(hour, days, respects_quiet_hours=quiet),
            HOURS,
            st.integers(0, 30),
            st.booleans(),
        ),
    ),
    max_size=6,
    unique_by=lambda rule: rule.key,
)


@given(STARTS, st.timedeltas(timedelta(0), timedelta(days=40)), ZONES, HOURS, HOURS, RULES)
def test_whatever_the_rules_nobody_is_reminded_too_often_or_in_quiet_hours_that_were_asked_for(
    start: datetime, notice: timedelta, zone: str, starts: time, until: time, rules: list[Rule]
) -> None:
    quiet = QuietHours(starts=starts, until=until)
    subject = work(start=start, known_at=start - notice, zone=ZoneInfo(zone), quiet_hours=quiet)
    by_key = {rule.key: rule for rule in rules}
    found = planned(subject, *rules)
    leaving = [max(one.due_at, subject.known_at) for one in found if one.skipped is None]

    assert all(later - earlier >= MIN_DISTANCE for earlier, later in pairwise(leaving))
    assert sum(one.skipped is None and one.due_at <= subject.known_at for one in found) <= 1
    assert found == sorted(found, key=lambda one: (one.due_at, one.rule))
    assert all(one.due_at < start for one in found)
    for one in found:
        rule = by_key.get(one.rule)
        if rule is None or not rule.respects_quiet_hours or one.skipped is not None:
            continue
        period = quiet_period(one.due_at, hours=quiet, zone=ZoneInfo(zone))
        assert period is None or one.due_at == period[0] or period[0] < subject.known_at


@given(STARTS, ZONES, RULES)
def test_known_early_every_rule_has_its_instant_or_is_too_close_to_another(
    start: datetime, zone: str, rules: list[Rule]
) -> None:
    subject = work(start=start, known_at=start - timedelta(days=40), zone=ZoneInfo(zone))
    found = planned(subject, *rules)
    assert {one.skipped for one in found} <= {None, Reason.TOO_CLOSE}
    after_start = {
        rule.key for rule in rules if rule.trigger.at is not None and rule.trigger.days_before == 0
    }
    assert {rule.key for rule in rules} - after_start <= {one.rule for one in found}
