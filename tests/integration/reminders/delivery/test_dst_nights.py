"""Rules given over the API, in nights in which clocks change: explained, and delivered, at the instants that clocks show.

What is expected is found by looking at the clock of every minute, as a person would.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from reminders.delivery import scan
from tests.fakes.api_caller import ApiCaller
from tests.stage import Ticks

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
BUILT_IN = "30 minutes before the start (built-in)"
ELSEWHERE = "Asia/Kolkata"
"""Where clocks do not change."""

NIGHTS = [
    # zone, the day on which clocks change, a time that is skipped or comes twice in its night
    pytest.param("Europe/Berlin", date(2026, 3, 29), time(2, 30), id="Berlin, an hour is skipped"),
    pytest.param("Europe/Berlin", date(2026, 10, 25), time(2, 30), id="Berlin, an hour comes twice"),
    pytest.param("America/New_York", date(2026, 3, 8), time(2, 30), id="New York, an hour is skipped"),
    pytest.param("America/New_York", date(2026, 11, 1), time(1, 30), id="New York, an hour comes twice"),
    pytest.param(
        "Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), id="Lord Howe, half an hour is skipped"
    ),
    pytest.param(
        "Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), id="Lord Howe, half an hour comes twice"
    ),
]


def minutes(first: datetime) -> Iterator[datetime]:
    for n in range(4 * 24 * 60):
        yield first + n * MINUTE


def shown(instant: datetime, zone: str) -> datetime:
    """What a clock there shows."""
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def reached(day: date, at: time, zone: str) -> datetime:
    """The first minute in which a clock there shows this time of this day, or a later one."""
    wanted = datetime.combine(day, at)
    begin = datetime.combine(day, time(), UTC) - timedelta(days=1)
    return next(minute for minute in minutes(begin) if shown(minute, zone) >= wanted)


def out_of_quiet(instant: datetime, quiet: tuple[time, time], zone: str) -> datetime:
    """The instant, or the beginning of the quiet hours in which it lies."""
    begins, ends = quiet
    for days in (0, 1):
        day = shown(instant, zone).date() - timedelta(days=days)
        first = reached(day, begins, zone)
        last = reached(day + timedelta(days=1) if ends < begins else day, ends, zone)
        if first <= instant < last:
            return first
    return instant


class Night:
    """Two people with the same work in the morning after, and an API to give them and the rules."""

    def __init__(self, ticks: Ticks, zone: str, day: date, at: time) -> None:
        self.ticks, self.zones, self.day = ticks, (zone, ELSEWHERE), day
        self.start = reached(day, at, zone)
        ticks.clock.set(self.start.replace(minute=0) - timedelta(days=4))
        self.work: dict[str, int] = {}
        """The id of the work of each zone's person."""
        self.api = ApiCaller("read", "write", "ops")

    def rule(self, name: str, **trigger: object) -> None:
        body = {"name": name, "audience": "assignee", "trigger": trigger}
        made = self.api.post("/api/rules", body)
        assert made.status_code == 201, made.content

    def plan(self, **person: str) -> None:
        """Makes the person of each zone, and their work."""
        for zone in self.zones:
            given = {
                "name": zone,
                "email": f"{zone.replace('/', '-')}@example.test".lower(),
                "time_zone": zone,
            }
            added = self.api.post("/api/people", {**given, **person})
            assert added.status_code == 201, added.content
            body = {
                "title": zone,
                "scheduled_start": self.start.isoformat(),
                "assignee": {"id": added.json()["id"]},
            }
            created = self.api.post("/api/assignments", body)
            assert created.status_code == 201, created.content
            self.work[zone] = created.json()["id"]

    def explained(self, work: int) -> dict[str, datetime]:
        """The instant of each rule, as the API explains it."""
        answer = self.api.get(f"/api/assignments/{work}/explain").json()
        return {
            one["name"]: datetime.fromisoformat(one["due_at"])
            for one in answer["rules"]
            if one["applies"] and one["due_at"]
        }

    def hold(self, expected: dict[str, dict[str, datetime]]) -> None:
        """Explained so, and delivered so: nothing a few seconds before, and then each to whom it is due."""
        assert {zone: self.explained(pk) for zone, pk in self.work.items()} == expected
        due = sorted({instant for instants in expected.values() for instant in instants.values()})
        for instant in due:
            self.ticks.clock.set(instant - timedelta(seconds=10))
            scan.scan(trigger="beat", config=self.ticks.config)
            assert self.delivered() == [], instant
            self.ticks.clock.set(instant)
            whom = sorted(zone for zone in expected for at in expected[zone].values() if at == instant)
            assert self.delivered() == whom, instant
        self.ticks.clock.set(self.start)
        scan.scan(trigger="beat", config=self.ticks.config)
        assert self.delivered() == []

    def delivered(self) -> list[str]:
        before = len(self.ticks.outbox.messages)
        self.ticks.deliver_due()
        return sorted(message.name for message in self.ticks.outbox.messages[before:])


@pytest.fixture
def night(clock, config, outbox):
    return lambda zone, day, at: Night(Ticks(clock, config, outbox), zone, day, at)


@pytest.mark.parametrize(("zone", "day", "twice"), NIGHTS)
def test_reminders_leave_when_clocks_show_their_time(night, zone, day, twice):
    tonight = night(zone, day, time(8))
    tonight.rule("evening", type="at_local_time", days_before=1, at="20:00")
    tonight.rule("night", type="at_local_time", days_before=0, at=f"{twice:%H:%M}")
    tonight.rule("long before", type="before_start", minutes=570)
    tonight.rule("shortly before", type="before_start", minutes=45)
    tonight.plan()
    expected = {}
    for own in tonight.zones:
        today = shown(tonight.start, own).date()
        expected[own] = {
            "evening": reached(today - timedelta(days=1), time(20), own),
            "night": reached(today, twice, own),
            "long before": tonight.start - timedelta(minutes=570),
            "shortly before": tonight.start - timedelta(minutes=45),
            BUILT_IN: tonight.start - timedelta(minutes=30),
        }
    tonight.hold(expected)


def test_quiet_hours_of_a_team_go_by_the_clock_of_each_person(night):
    """The team works elsewhere, and clocks change where one of them is."""
    tonight = night("Europe/Berlin", date(2026, 3, 29), time(11))
    team = {"name": "North", "time_zone": "America/New_York", "quiet_from": "02:30", "quiet_until": "10:00"}
    assert tonight.api.post("/api/teams", team).status_code == 201
    tonight.rule("long before", type="before_start", minutes=300)
    tonight.plan(team="North")
    quiet = (time(2, 30), time(10))
    tonight.hold(
        {
            own: {
                "long before": out_of_quiet(tonight.start - timedelta(hours=5), quiet, own),
                BUILT_IN: tonight.start - timedelta(minutes=30),
            }
            for own in tonight.zones
        }
    )


@pytest.mark.parametrize("over", ["midnight", "the change"])
@pytest.mark.parametrize(("zone", "day", "twice"), NIGHTS)
def test_quiet_hours_begin_and_end_when_clocks_show_it(night, zone, day, twice, over):
    """The long one lies in them, and moves to their beginning; the short one ignores them."""
    quiet = (time(22), time(10)) if over == "midnight" else (twice, time(10))
    tonight = night(zone, day, time(11))
    tonight.rule("evening", type="at_local_time", days_before=1, at="20:00")
    tonight.rule("long before", type="before_start", minutes=300)
    tonight.rule("shortly before", type="before_start", minutes=75)
    tonight.plan(quiet_from=f"{quiet[0]:%H:%M}", quiet_until=f"{quiet[1]:%H:%M}")
    expected = {}
    for own in tonight.zones:
        today = shown(tonight.start, own).date()
        evening = reached(today - timedelta(days=1), time(20), own)
        expected[own] = {
            "evening": out_of_quiet(evening, quiet, own),
            "long before": out_of_quiet(tonight.start - timedelta(hours=5), quiet, own),
            "shortly before": tonight.start - timedelta(minutes=75),
            BUILT_IN: tonight.start - timedelta(minutes=30),
        }
    here = expected[zone]
    assert here["long before"] == reached(day - timedelta(days=int(over == "midnight")), quiet[0], zone)
    tonight.hold(expected)
