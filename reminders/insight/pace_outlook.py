"""What waits for channels that have a pace, when it will leave, and what will not leave in time.

Most installations have no such channel: then this costs one statement that finds nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import connection

from assignments.team_scope import EVERYTHING, TeamScope
from reminders.conf import ReminderConfig
from reminders.ledger.fragments import TO_PEOPLE
from reminders.ledger.paces import FIELDS
from reminders.ledger.sql import fetch
from reminders.models import Reminder
from reminders.policy import pace as policy_pace
from reminders.policy.departures import Departure, Waiting, departures
from reminders.policy.pace import Pace

MOST_WAITING = 50_000
"""Messages of one channel that are looked at."""

NOTICEABLE = timedelta(seconds=2)
"""Dispatch looks once a second: less than this is no delay."""

PACE = ", ".join(f"p.{name}" for name in FIELDS.split(", "))
PACES = f"""
    SELECT p.channel, {PACE}, p.code, h.until
    FROM reminders_channelpace p LEFT JOIN reminders_channelhold h ON h.channel = p.channel
    ORDER BY p.channel
"""  # noqa: S608 - our own constants
WAITING = f"""
    SELECT id, next_attempt_at, not_after, kind = 'REMINDER' FROM reminders_reminder
    WHERE closed_at IS NULL AND lease_until IS NULL AND {TO_PEOPLE} AND channel = %s AND next_attempt_at <= %s
    ORDER BY next_attempt_at LIMIT %s
"""  # noqa: S608 - our own constant


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceInForce:
    """The pace of a channel at this moment. `code` is its last complaint's; nothing leaves before `opens_at`."""

    channel: str
    pace: Pace
    code: str
    opens_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceFigures:
    """What is shown of a channel's pace. Instants are seconds since 1970.

    `since` is when it first complained; None where only a configured limit is known. `waiting` messages are due;
    `last_leaves_at` is when the last of them leaves that leaves in time. `too_late` counts those that are due, or fall
    due within the look-ahead, and cannot leave in time.
    """

    channel: str
    per_minute: float
    since: float | None
    code: str
    waiting: int
    last_leaves_at: float | None
    too_late: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """When a message leaves at its channel's pace, and how many do so before it; `at` is None where that is too late."""

    channel: str
    per_minute: float
    at: datetime | None
    ahead: int

    def is_late(self, expected: datetime) -> bool:
        """Whether the pace makes it leave noticeably later than expected."""
        return self.at is None or self.at - expected >= NOTICEABLE


@dataclass(slots=True)
class PaceOutlook:
    """The turns of what waits, computed for each channel once it is asked for."""

    until: datetime
    channels: Mapping[str, PaceInForce]
    _messages: dict[str, list[Waiting]] = field(default_factory=dict)
    _turns: dict[str, dict[int, Turn]] = field(default_factory=dict)

    def turn(self, message: Waiting, channel: str) -> Turn | None:
        """The turn of this message; None where its channel has no pace, or where it is too far ahead to be known.

        A message that no row stands for yet has the id 0.
        """
        if channel not in self.channels or message.at > self.until:
            return None
        if channel not in self._messages:
            self._messages[channel] = waiting(channel, until=self.until)
        known = self.channels[channel]
        queue = [one for one in self._messages[channel] if one.id != message.id]
        found = next(one for one in leaving([*queue, message], known) if one.message is message)
        return Turn(channel=channel, per_minute=known.pace.per_minute, at=found.at, ahead=found.ahead)

    def turns(self, channel: str) -> Mapping[int, Turn]:
        """The turns of all that waits for this channel, by the ids of the rows; none where it has no pace."""
        if channel not in self._turns:
            known = self.channels.get(channel)
            per_minute = known.pace.per_minute if known else 0.0
            left = leaving(waiting(channel, until=self.until), known) if known else ()
            self._turns[channel] = {
                one.message.id: Turn(channel=channel, per_minute=per_minute, at=one.at, ahead=one.ahead)
                for one in left
            }
        return self._turns[channel]


def outlook(*, now: datetime, config: ReminderConfig, opens_at: datetime | None = None) -> PaceOutlook:
    """The outlook for everything that is due, or falls due within the look-ahead; none leaves before `opens_at`."""
    channels = {
        name: replace(found, opens_at=max(found.opens_at, opens_at or now))
        for name, found in channel_paces(now=now, config=config).items()
    }
    return PaceOutlook(until=now + config.lookahead, channels=channels)


def channel_paces(*, now: datetime, config: ReminderConfig) -> dict[str, PaceInForce]:
    """The channels that have a pace, as dispatch would find them now."""
    found: dict[str, PaceInForce] = {}
    with connection.cursor() as cursor:
        cursor.execute(PACES)
        rows = list(fetch(cursor))
    for row in rows:
        channel, code, until = row.pop("channel"), row.pop("code"), row.pop("until")
        known = policy_pace.refilled(Pace(**row), now=now, limit=config.rate_limit(channel))
        if known is not None:
            opens_at = max(now, until or now)
            found[channel] = PaceInForce(channel=channel, pace=known, code=code, opens_at=opens_at)
    limit = config.rate_limit(config.channel)
    if limit and config.channel not in found:
        first = policy_pace.configured(limit, now=now)
        found[config.channel] = PaceInForce(channel=config.channel, pace=first, code="", opens_at=now)
    return found


def waiting(channel: str, *, until: datetime) -> list[Waiting]:
    """The messages of this channel that are due by `until` and not handed over; the first MOST_WAITING of them."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [channel, until, MOST_WAITING])
        return [
            Waiting(id=number, at=at, not_after=not_after, urgent=urgent)
            for number, at, not_after, urgent in cursor.fetchall()
        ]


def leaving(messages: Sequence[Waiting], known: PaceInForce) -> Iterator[Departure]:
    return departures(messages, known.pace, opens_at=known.opens_at)


def figures(
    *, now: datetime, config: ReminderConfig, ahead: timedelta, scope: TeamScope = EVERYTHING
) -> tuple[PaceFigures, ...]:
    """The figures of each channel that has a pace, looking so far ahead: of the messages about work in the scope, which
    take their turns among all."""
    return tuple(
        _figures(known, waiting(channel, until=now + ahead), _visible(scope, channel), now=now)
        for channel, known in channel_paces(now=now, config=config).items()
    )


def _visible(scope: TeamScope, channel: str) -> set[int] | None:
    """The open messages of this channel about work in the scope; None where that is all of them."""
    if not scope.limited:
        return None
    rows = Reminder.objects.visible_to(scope).filter(closed_at=None, channel=channel)
    return set(rows.values_list("pk", flat=True))


def _figures(
    known: PaceInForce, messages: Sequence[Waiting], visible: set[int] | None, *, now: datetime
) -> PaceFigures:
    found = [one for one in leaving(messages, known) if visible is None or one.message.id in visible]
    leaves = [one.at for one in found if one.at is not None and one.message.at <= now]
    return PaceFigures(
        channel=known.channel,
        per_minute=known.pace.per_minute,
        since=None if known.pace.since is None else known.pace.since.timestamp(),
        code=known.code,
        waiting=sum(one.message.at <= now for one in found),
        last_leaves_at=leaves[-1].timestamp() if leaves else None,
        too_late=sum(one.at is None for one in found),
    )
