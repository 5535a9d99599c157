"""The figures that page and metrics share: what waits, what ended, what is wrong, from one row for everybody.

Whoever asks first when the row is old counts again; all others read what is there. So fifty viewers and
scrapers together cost one set of queries every 15 seconds, and each query reads an index.
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction

from assignments.clock import database_now
from assignments.team_scope import EVERYTHING, TeamScope
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, heartbeats
from reminders.delivery.heartbeats import ProcessCount
from reminders.insight import pace_outlook, starting_soon
from reminders.insight.figure_queries import OF_TEAMS, chart_ahead, questions
from reminders.insight.pace_outlook import PaceFigures
from reminders.insight.rule_progress import rule_progress
from reminders.ledger import sms_usage

logger = logging.getLogger(__name__)

MAX_AGE = timedelta(seconds=15)
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
    those that ended in the last 24 hours; `failed`, `possible_duplicates` and `bounced` are of the last 24 hours too.
    `switched_off` names the tasks of the schedule that an operator has switched off.
    `messages` counts messages by (begin of five minutes, state): what ended in the last hour, and as PLANNED
    what is open and comes within the look-ahead (four hours at most). `declined_soon` and `unanswered_soon` are of work that
    starts soon (`reminders.insight.starting_soon`). `awareness` counts work that starts soon by the rung of its assignee,
    `unaware_soon` what of it they may not know, `untold_soon` what of this nobody will be told by itself
    (`reminders.insight.awareness`). `rules_behind` is how much open work does not follow the last change of
    rules yet, and `rules_waiting_seconds` for how long that has stood still (`reminders.insight.rule_progress`). `paces` are
    the channels that take only so many messages in a time. `sms_this_month` are the SMS of this calendar month (UTC).
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
    awareness: Mapping[str, int] = field(default_factory=dict)
    unaware_soon: int = 0
    untold_soon: int = 0
    rules_behind: int = 0
    rules_waiting_seconds: float = 0.0
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
    calendars: Mapping[str, int] = field(default_factory=dict)
    sms_this_month: int = 0
    bounced: int = 0
    mailbox_failing: bool = False

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
        # Who has asked for a scan, which calendars are polled, and the mailbox are the whole system's affair.
        taken = replace(count(config, scope), last_scan_by="", calendars={}, mailbox_failing=False)
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
    if (followed := rule_progress(scope)) is not None:
        values["rules_behind"] = followed.behind
        values["rules_waiting_seconds"] = max(0.0, (now - followed.waiting_since).total_seconds())
    return Snapshot(
        taken_at=now.timestamp(),
        declined_soon=soon["declined"],
        unanswered_soon=soon["unanswered"],
        paces=pace_outlook.figures(now=now, config=config, ahead=chart_ahead(config), scope=scope),
        processes=heartbeats.recent_by_kind(),
        sms_this_month=sms_usage.this_month(now),
        **values,
    )


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
