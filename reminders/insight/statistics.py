"""The figures that page and metrics share: what waits, what ended, what is wrong, from one row for everybody.

Whoever asks first when the row is old counts again; all others read what is there. So fifty viewers and
scrapers together cost one set of queries every 15 seconds, and each query reads an index.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction

from assignments.clock import database_now
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.teams import effective_team_sql
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, heartbeats
from reminders.delivery.heartbeats import ProcessCount
from reminders.insight import pace_outlook, starting_soon
from reminders.insight.pace_outlook import PaceFigures
from reminders.ledger import planning
from reminders.ledger.fragments import ACTIVE_PAUSE, TO_PEOPLE
from reminders.models import State
from reminders.policy.timing import overdue_base_sql

logger = logging.getLogger(__name__)

MAX_AGE = timedelta(seconds=15)
DAY = timedelta(hours=24)
BUCKET = timedelta(minutes=5)
BEHIND, MOST_AHEAD = timedelta(hours=1), timedelta(hours=4)
"""How far the messages by five minutes reach back, and at most ahead."""
STATEMENT_TIMEOUT = timedelta(seconds=3)
MOST_SCOPES = 200
"""Sets of teams whose figures one process keeps."""
FIGURES_LOCK = 0x72656D04
_failed_at = float("-inf")
_of_teams: dict[frozenset[int], tuple[float, "Snapshot"]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All figures at one instant. Instants are seconds since 1970, ages are seconds, counts are whole numbers.

    `assignments` counts what starts within a day of now (or within the look-ahead), and what is older and
    still SCHEDULED, by (status, reminder_status). `ledger_open` counts the open rows by state, `ledger_closed`
    those that ended in the last 24 hours; `failed` and `possible_duplicates` are of the last 24 hours too.
    `switched_off` names the tasks of the schedule that an operator has switched off.
    `messages` counts messages by (begin of five minutes, state): what ended in the last hour, and as PLANNED
    what is open and comes within the look-ahead (four hours at most). `declined_soon` and `unanswered_soon` are of work that
    starts soon (`reminders.insight.starting_soon`). `paces` are the channels that take only so many
    messages in a time.
    """

    taken_at: float
    assignments: Mapping[tuple[str, str], int] = field(default_factory=dict)
    ledger_open: Mapping[str, int] = field(default_factory=dict)
    ledger_closed: Mapping[str, int] = field(default_factory=dict)
    due_unsent: int = 0
    oldest_due_age_seconds: float = 0.0
    unaccounted: int = 0
    unknown: int = 0
    overdue: int = 0
    declined: int = 0
    declined_soon: int = 0
    unanswered_soon: int = 0
    last_scan_timestamp_seconds: float = 0.0
    last_scan_by: str = ""
    paused: bool = False
    switched_off: Sequence[str] = field(default_factory=list)
    failed: Mapping[str, int] = field(default_factory=dict)
    possible_duplicates: int = 0
    held_channels: Mapping[str, float] = field(default_factory=dict)
    paces: Sequence[PaceFigures] = ()
    processes: Mapping[str, ProcessCount] = field(default_factory=dict)
    messages: Sequence[tuple[int, str, int]] = ()

    @property
    def ledger(self) -> dict[str, int]:
        """Rows by state: open ones, and those that ended in the last 24 hours."""
        return {**self.ledger_open, **self.ledger_closed}

    @property
    def taken(self) -> datetime:
        return datetime.fromtimestamp(self.taken_at, UTC)


def current(*, max_age: timedelta = MAX_AGE, config: ReminderConfig | None = None) -> Snapshot:
    """The figures, at most `max_age` old; older ones only while somebody else is counting, or counting fails.

    Raises a database error where not even old figures can be read.
    """
    kept, fresh = _kept(max_age)
    if kept is not None and (fresh or _failed_lately()):
        return kept
    try:
        taken = _take_turn(config or conf.current(), max_age, wait=kept is None)
    except DatabaseError as error:
        if kept is None:
            raise
        _note_failure()
        logger.warning("Figures not refreshed", extra={"reason": type(error).__name__})
        return kept
    found = taken or kept
    assert found is not None  # whoever finds nothing kept waits for its turn
    return found


def current_of(scope: TeamScope, *, config: ReminderConfig) -> Snapshot:
    """The figures of what is in the scope; those of a limited one are at most `MAX_AGE` old in this process.

    Raises a database error where nothing is kept and counting fails.
    """
    if scope.teams is None:
        return current(config=config)
    kept = _of_teams.get(scope.teams)
    if kept is not None and time.monotonic() - kept[0] < MAX_AGE.total_seconds():
        return kept[1]
    with bounded():
        # Who has asked for a scan is the whole system's affair.
        taken = replace(count(config, scope), last_scan_by="")
    if len(_of_teams) >= MOST_SCOPES:
        _of_teams.clear()
    _of_teams[scope.teams] = (time.monotonic(), taken)
    return taken


def count(config: ReminderConfig, scope: TeamScope = EVERYTHING) -> Snapshot:
    """Counts now, whatever is kept."""
    now = database_now()
    values: dict[str, Any] = {}
    teams = None if scope.teams is None else sorted(scope.teams)
    with connection.cursor() as cursor:
        for question in questions(now, config):
            statement = question.statement if teams is None else OF_TEAMS + question.statement
            cursor.execute(statement, {**question.params, "teams": teams})
            values |= question.read(cursor.fetchall())
    values["switched_off"] = [task for task in beat_schedule.TASKS if beat_schedule.stopped_by(task)]
    soon = starting_soon.counts(now=now, config=config, scope=scope)
    return Snapshot(
        taken_at=now.timestamp(),
        declined_soon=soon["declined"],
        unanswered_soon=soon["unanswered"],
        paces=pace_outlook.figures(now=now, config=config, ahead=chart_ahead(config), scope=scope),
        processes=heartbeats.recent_by_kind(),
        **values,
    )


# --- what is asked ---------------------------------------------------------------------------------------------

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Question:
    """One statement, and how its rows become figures."""

    statement: str
    params: Any
    read: Callable[[Rows], dict[str, Any]]


# Names the rows of some teams as the tables are named, so that every question asks of these alone.
OF_TEAMS = f"""
    WITH assignments_assignment AS NOT MATERIALIZED (
        SELECT a.* FROM assignments_assignment a WHERE {effective_team_sql("a")} = ANY(%(teams)s)
    ),
    reminders_reminder AS NOT MATERIALIZED (
        SELECT r.* FROM reminders_reminder r
        WHERE EXISTS (SELECT 1 FROM assignments_assignment a WHERE a.id = r.assignment_id)
    )
"""  # noqa: S608 - our own constants
# Each branch is a range of an index: the starts around now, the older open ones, the older overdue ones.
ASSIGNMENTS = """
    SELECT status, reminder_status, count(*) FROM (
        SELECT status, reminder_status FROM assignments_assignment
        WHERE scheduled_start > %(since)s AND scheduled_start <= %(until)s
        UNION ALL
        SELECT status, reminder_status FROM assignments_assignment
        WHERE scheduled_start <= %(since)s AND status = 'SCHEDULED' AND overdue_at IS NULL
        UNION ALL
        SELECT status, reminder_status FROM assignments_assignment
        WHERE scheduled_start <= %(since)s AND status = 'SCHEDULED' AND overdue_at IS NOT NULL
    ) AS looked_at
    GROUP BY status, reminder_status
"""
LEDGER_OPEN = f"""
    SELECT state, count(*),
           count(*) FILTER (WHERE channel <> 'none' AND due_at <= %(now)s),
           min(greatest(due_at, planned_at)) FILTER (WHERE channel <> 'none' AND due_at <= %(now)s)
    FROM reminders_reminder WHERE closed_at IS NULL AND {TO_PEOPLE}
    GROUP BY state
"""  # noqa: S608 - our own constants
LEDGER_CLOSED = f"""
    SELECT state, reason, count(*) FROM reminders_reminder
    WHERE closed_at > %(since)s AND {TO_PEOPLE}
    GROUP BY state, reason
"""  # noqa: S608 - our own constants
UNKNOWN = f"""
    SELECT count(*) FROM reminders_reminder r JOIN assignments_assignment a ON a.id = r.assignment_id
    WHERE r.ambiguous > 0 AND r.state = 'UNKNOWN' AND r.{TO_PEOPLE} AND r.version = a.version AND a.status = 'SCHEDULED'
"""  # noqa: S608 - our own constants
POSSIBLE_DUPLICATES = f"""
    SELECT count(*) FROM reminders_reminder
    WHERE ambiguous > 0 AND attempts > 1 AND {TO_PEOPLE} AND (closed_at IS NULL OR closed_at > %(since)s)
"""  # noqa: S608 - our own constants
# The start is implied by the base; it lets the indexes serve.
OVERDUE = f"""
    SELECT (SELECT count(*) FROM assignments_assignment a
            WHERE status = 'SCHEDULED' AND overdue_at IS NULL AND scheduled_start <= %(before)s
              AND {overdue_base_sql("a")} <= %(before)s)
         + (SELECT count(*) FROM assignments_assignment a
            WHERE status = 'SCHEDULED' AND overdue_at IS NOT NULL AND scheduled_start <= %(before)s
              AND {overdue_base_sql("a")} <= %(before)s)
"""  # noqa: S608 - our own constants
DECLINED = "SELECT count(*) FROM assignments_assignment WHERE status = 'SCHEDULED' AND answer = 'DECLINED'"
LAST_SCAN = """
    SELECT finished_at, trigger, by FROM reminders_scanrun WHERE finished_at IS NOT NULL AND error = ''
    ORDER BY finished_at DESC LIMIT 1
"""
MESSAGES = f"""
    SELECT (floor(extract(epoch FROM at) / %(bucket)s) * %(bucket)s)::bigint, state, count(*) FROM (
        SELECT greatest(next_attempt_at, %(now)s) AS at, 'PLANNED' AS state FROM reminders_reminder
        WHERE closed_at IS NULL AND channel <> 'none' AND {TO_PEOPLE} AND next_attempt_at <= %(until)s
        UNION ALL
        SELECT closed_at, state FROM reminders_reminder
        WHERE closed_at > %(since)s AND channel <> 'none' AND {TO_PEOPLE} AND state IN ('SENT', 'FAILED', 'UNKNOWN')
    ) AS behind_and_ahead
    GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 - our own constants
# An endpoint that is left alone is its own affair: the figures are about people's reminders.
HELD = """
    SELECT channel, until FROM reminders_channelhold
    WHERE until > %(now)s AND channel NOT LIKE 'subscription:%%' ORDER BY channel
"""


def questions(now: datetime, config: ReminderConfig) -> Iterator[Question]:
    """Everything that is asked of the database for one set of figures."""
    since = now - DAY
    until = now + max(DAY, config.lookahead)
    yield Question(
        ASSIGNMENTS,
        {"since": since, "until": until},
        lambda rows: {"assignments": {(status, roll_up): number for status, roll_up, number in rows}},
    )
    yield Question(LEDGER_OPEN, {"now": now}, lambda rows: _open(rows, now))
    yield Question(LEDGER_CLOSED, {"since": since}, _closed)
    yield Question(planning.UNACCOUNTED, {"lead": config.lead}, lambda rows: {"unaccounted": rows[0][0]})
    yield Question(UNKNOWN, {}, lambda rows: {"unknown": rows[0][0]})
    yield Question(POSSIBLE_DUPLICATES, {"since": since}, lambda rows: {"possible_duplicates": rows[0][0]})
    yield Question(OVERDUE, {"before": now - config.overdue}, lambda rows: {"overdue": rows[0][0]})
    yield Question(DECLINED, {}, lambda rows: {"declined": rows[0][0]})
    yield Question(LAST_SCAN, {}, _last_scan)
    yield Question(
        MESSAGES,
        {
            "now": now,
            "bucket": int(BUCKET.total_seconds()),
            "since": now - BEHIND,
            "until": now + chart_ahead(config),
        },
        lambda rows: {"messages": tuple((at, state, number) for at, state, number in rows)},
    )
    yield Question(ACTIVE_PAUSE, {}, lambda rows: {"paused": bool(rows)})
    yield Question(
        HELD, {"now": now}, lambda rows: {"held_channels": {name: at.timestamp() for name, at in rows}}
    )


def chart_ahead(config: ReminderConfig) -> timedelta:
    """How far ahead of now messages are counted by five minutes."""
    return min(config.lookahead, MOST_AHEAD)


def _open(rows: Rows, now: datetime) -> dict[str, Any]:
    oldest = min((waits_since for *_, waits_since in rows if waits_since), default=now)
    return {
        "ledger_open": {state: number for state, number, _, _ in rows},
        "due_unsent": sum(due for _, _, due, _ in rows),
        "oldest_due_age_seconds": max(0.0, (now - oldest).total_seconds()),
    }


def _closed(rows: Rows) -> dict[str, Any]:
    ended: dict[str, int] = {}
    failed: dict[str, int] = {}
    for state, reason, number in rows:
        ended[state] = ended.get(state, 0) + number
        if state in (State.FAILED, State.UNKNOWN):
            failed[reason] = failed.get(reason, 0) + number
    return {"ledger_closed": ended, "failed": failed}


def _last_scan(rows: Rows) -> dict[str, Any]:
    if not rows:
        return {}
    at, trigger, by = rows[0]
    return {"last_scan_timestamp_seconds": at.timestamp(), "last_scan_by": by or trigger}


# --- what is kept ----------------------------------------------------------------------------------------------


def _kept(max_age: timedelta) -> tuple[Snapshot | None, bool]:
    """The figures in the row, and whether they are fresh; ones from the future are not (a clock was set back)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT values, extract(epoch FROM statement_timestamp() - taken_at)::float8"
            " FROM reminders_figures WHERE id = 1"
        )
        found = cursor.fetchone()
    if found is None:
        return None, False
    values, age = found
    kept = _read(values if isinstance(values, dict) else json.loads(values))
    return kept, kept is not None and -1.0 <= age < max_age.total_seconds()


def bounds() -> dict[str, str]:
    """What holds while figures are counted: settings of PostgreSQL, for that transaction only.

    The planner believes that status and start are independent, expects half the table to be open and in the
    past, and would read all of it; every question here is a range of an index.
    """
    return {
        "statement_timeout": str(int(STATEMENT_TIMEOUT.total_seconds() * 1000)),
        "enable_seqscan": "off",
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
    }


@contextmanager
def bounded() -> Iterator[None]:
    """A transaction in which these bounds hold; also for lists, which ask the same kind of question."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            settings = bounds()
            asked = ", ".join(["set_config(%s, %s, true)"] * len(settings))
            cursor.execute(f"SELECT {asked}", [word for pair in settings.items() for word in pair])
        yield


def _take_turn(config: ReminderConfig, max_age: timedelta, *, wait: bool) -> Snapshot | None:
    """Counts and keeps the figures; None when somebody else is at it right now."""
    with bounded(), connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FIGURES_LOCK])
        else:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [FIGURES_LOCK])
            if not cursor.fetchone()[0]:
                return None
        kept, fresh = _kept(max_age)
        if fresh:
            return kept
        taken = count(config)
        cursor.execute(
            """
            INSERT INTO reminders_figures (id, taken_at, values) VALUES (1, %s, %s::jsonb)
            ON CONFLICT (id) DO UPDATE SET taken_at = excluded.taken_at, values = excluded.values
            """,
            [taken.taken, json.dumps(_written(taken))],
        )
        return taken


def _written(taken: Snapshot) -> dict[str, Any]:
    values = asdict(taken)
    values["assignments"] = [[*key, number] for key, number in taken.assignments.items()]
    return values


def _read(values: dict[str, Any]) -> Snapshot | None:
    """None for figures that another version of this program has kept: they are counted anew."""
    try:
        assignments = {(status, roll_up): number for status, roll_up, number in values.pop("assignments")}
        processes = {kind: ProcessCount(**seen) for kind, seen in values.pop("processes").items()}
        messages = tuple((at, state, number) for at, state, number in values.pop("messages"))
        paces = tuple(PaceFigures(**figures) for figures in values.pop("paces"))
        return Snapshot(
            assignments=assignments, processes=processes, messages=messages, paces=paces, **values
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _failed_lately() -> bool:
    return time.monotonic() - _failed_at < MAX_AGE.total_seconds()


def _note_failure() -> None:
    global _failed_at
    _failed_at = time.monotonic()
