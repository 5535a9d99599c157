"""Scan: brings the ledger in line with the assignments, every few minutes and on request.

It plans what is missing, ends what no longer holds, and audits. Every step is committed on its own.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from assignments.transactions import sqlstate
from reminders.conf import ReminderConfig
from reminders.delivery.journal import NO_JOURNAL, Journal
from reminders.delivery.log_lines import log_ended
from reminders.ledger import leases, notified, planning, replanning, rule_changes, rule_planning, scans
from reminders.ledger.records import Ended
from reminders.ledger.rule_planning import RulesPlanned

logger = logging.getLogger(__name__)

RENEW_LEASE_SECONDS = scans.SCAN_LEASE.total_seconds() / 10
"""A scan says so often that it is still at work; each of its steps takes less than the rest of that lease."""


QUERY_CANCELED = "57014"
"""PostgreSQL manual, appendix A: here, a statement that took too long."""


@dataclass(slots=True)
class ScanCounts:
    """What a scan did. `unaccounted` is the audit's figure and must be 0."""

    planned: int = 0
    markers: int = 0
    skipped: int = 0
    voided: int = 0
    retimed: int = 0
    synced: int = 0
    returned: int = 0
    ambiguous: int = 0
    unaccounted: int = 0


@dataclass(frozen=True, slots=True)
class ScanResult:
    """A scan's answer.

    `counts` is None when another scan was running already (`is_new` is False), or when the time it was given was
    over before it was done (`unfinished`): its record is then still open, for somebody else to go on.
    """

    scan_id: int
    counts: ScanCounts | None
    is_new: bool = True

    @property
    def unfinished(self) -> bool:
        return self.is_new and self.counts is None


@dataclass(frozen=True, slots=True)
class ScanPreview:
    """What a scan would do. `complete` is False when time was over before everything was counted."""

    counts: ScanCounts
    complete: bool = True


def scan(
    *,
    trigger: str,
    by: str = "",
    config: ReminderConfig,
    journal: Journal = NO_JOURNAL,
    watch: Callable[[ScanCounts], None] | None = None,
) -> ScanResult:
    """Brings the ledger in line with the assignments. One at a time: a second one answers with the first's id.

    `watch` hears after each step what was done so far. Raises Disabled while REMINDER_WORKER_ENABLED is false; database
    errors after they were recorded.
    """
    _refuse_while_disabled(config)
    turn = scans.open_scan(trigger=trigger, by=by)
    if not turn.is_new:
        return ScanResult(turn.scan_id, None, is_new=False)
    return run_scan(turn.scan_id, config=config, journal=journal, watch=watch)


def run_scan(
    scan_id: int,
    *,
    config: ReminderConfig,
    budget: timedelta | None = None,
    journal: Journal = NO_JOURNAL,
    watch: Callable[[ScanCounts], None] | None = None,
) -> ScanResult:
    """Does the work of a scan whose record is open, from its beginning or where another process left it.

    Every step is committed on its own and finds nothing to do a second time. When the budget is over before
    the work is, the record stays open. `watch` hears after each step what was done so far.
    """
    counts, error, done = ScanCounts(), "", False
    over = None if budget is None else time.monotonic() + budget.total_seconds()
    keep_at = time.monotonic() + RENEW_LEASE_SECONDS
    journal.begin_scan(scan_id)
    try:
        for ended in _scan(scan_id, counts, config):
            log_ended(ended, scan_id=scan_id)
            if watch is not None:
                watch(counts)
            if time.monotonic() >= keep_at:
                scans.renew_scan_lease(scan_id)
                keep_at = time.monotonic() + RENEW_LEASE_SECONDS
            if over is not None and time.monotonic() >= over:
                return ScanResult(scan_id, None)
        done = True
    except Exception as failure:
        error = f"{type(failure).__name__} ({sqlstate(failure) or 'no code'})"
        raise
    finally:
        journal.end_scan()
        if done or error:
            seconds = _close_scan(scan_id, counts, error)
            logger.info(
                "Scan finished",
                extra={"scan_id": scan_id, "seconds": round(seconds, 3), "reason": error, **asdict(counts)},
            )
    return ScanResult(scan_id, counts)


def resume_scan(
    scan_id: int,
    *,
    config: ReminderConfig,
    journal: Journal = NO_JOURNAL,
    watch: Callable[[ScanCounts], None] | None = None,
) -> ScanResult | None:
    """Finishes a scan that a request had no time for. None when its record is closed by now."""
    _refuse_while_disabled(config)
    if not scans.renew_scan_lease(scan_id):
        return None
    return run_scan(scan_id, config=config, journal=journal, watch=watch)


def _refuse_while_disabled(config: ReminderConfig) -> None:
    if not config.enabled:
        raise Disabled("REMINDER_WORKER_ENABLED is false: nothing is planned until it is true")


def preview_scan(*, config: ReminderConfig, budget: timedelta | None = None) -> ScanPreview:
    """What a scan would do now: the same statements, taken back at the end, and nothing said in the log.

    It costs what a scan costs, and until it ends workers leave the rows alone that it has touched. With a budget
    no statement takes longer than that, and after it none is begun.
    """
    counts, complete = ScanCounts(), True
    over = None if budget is None else time.monotonic() + budget.total_seconds()
    try:
        with transaction.atomic():
            if budget is not None:
                _bound_statements(budget)
            for _ in _scan(None, counts, config):
                if over is not None and time.monotonic() >= over:
                    complete = False
                    break
            transaction.set_rollback(True)
    except OperationalError as error:
        if budget is None or sqlstate(error) != QUERY_CANCELED:
            raise
        complete = False
    return ScanPreview(counts, complete)


def _bound_statements(most: timedelta) -> None:
    milliseconds = max(1, int(most.total_seconds() * 1000))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])


def _scan(scan_id: int | None, counts: ScanCounts, config: ReminderConfig) -> Iterator[Sequence[Ended]]:
    """The steps of a scan, each committed on its own; yields the rows that each step has ended."""
    reaped = leases.reap(config, among=leases.EVERYWHERE)
    counts.returned, counts.ambiguous = reaped.returned, len(reaped.ambiguous_rows)
    yield reaped.ambiguous_rows
    voided = replanning.void_outdated(config)
    counts.voided = len(voided)
    yield voided
    counts.retimed = replanning.retime(config)
    due_schedules = 0
    for by_rules in _rule_steps(config, scan_id):
        due_schedules += by_rules.due_schedules
        counts.planned += by_rules.planned
        counts.retimed += by_rules.retimed
        counts.skipped += len(by_rules.ended)
        yield by_rules.ended
    for scope in (planning.SCOPE_DEFAULT_LEAD, planning.SCOPE_OWN_LEAD):
        for page in planning.pages(planning.plan_reminders, config, scope, scan_id=scan_id):
            counts.planned += page.planned
            counts.skipped += len(page.skipped)
            yield page.skipped
    for page in planning.pages(planning.plan_markers, config, planning.SCOPE_PAGE, scan_id=scan_id):
        counts.markers += page.planned
        yield page.skipped
    counts.synced = notified.sync_roll_up(config)
    counts.unaccounted = planning.unaccounted(config, by_rules=due_schedules > 0)


def _rule_steps(config: ReminderConfig, scan_id: int | None) -> Iterator[RulesPlanned]:
    """What rules plan: first the rest of a change of rules, then what has come within the look-ahead."""
    if rule_changes.is_outstanding(config):
        rule_changes.follow_lead(config)
        while (followed := rule_changes.follow_next_batch(config, scan_id=scan_id)) is not None:
            yield followed
    more = True
    while more:
        planned, more = rule_planning.plan_due_schedules(config, scan_id=scan_id)
        yield planned


def _close_scan(scan_id: int, counts: ScanCounts, error: str) -> float:
    """Ends the scan's record; a database that is gone must not hide the first error."""
    try:
        return scans.close_scan(scan_id, counts=json.dumps(asdict(counts)), error=error)
    except (DatabaseError, InterfaceError):
        if not error:
            raise
        return 0.0


class Disabled(Exception):
    """The master switch is off."""
