"""What is put away, and after how long: reminders of long-past work, and old records."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError, connection

from accounts import allowances, user_sessions
from assignments.imports import kept_files
from assignments.transactions import sqlstate
from reminders.conf import ReminderConfig, Retention
from reminders.delivery import heartbeats
from reminders.ledger import archive, erased_texts

logger = logging.getLogger(__name__)

SHARE, LEAST_SECONDS = 30, 2.0
"""After a scan, archiving takes one in so many seconds of the time between two scans, or the least, and so does what is
removed for good; the next scan goes on.
"""
ERASING_SECONDS = 5.0
"""The same for erasures that nobody waits for any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A table whose rows go once `instant` is `after` ago, `batch` at most in one statement; `key` is its primary key.

    The oldest are found by `oldest`: a column with an index. Where that is the key, only the oldest keys are looked at:
    nothing is read where nothing is old.
    """

    table: str
    instant: str
    after: timedelta
    oldest: str
    key: str = "id"
    batch: int = 1_000

    @property
    def statement(self) -> str:
        """Takes `seconds` and `batch`."""
        old = f"{self.instant} < statement_timestamp() - make_interval(secs => %(seconds)s)"
        inside, outside = ("true", old) if self.oldest == self.key else (old, "true")
        return f"""
            DELETE FROM {self.table}
            WHERE {self.key} IN (
                SELECT {self.key} FROM {self.table} WHERE {inside} ORDER BY {self.oldest} LIMIT %(batch)s)
              AND {outside}
        """  # noqa: S608 - names of this module


def kept_tables(kept: Retention) -> tuple[Kept, ...]:
    """Every table that keeps its rows for so long; the archive is not among them where it keeps them for good."""
    tables = [
        Kept(table="reminders_audit", instant="at", after=kept.audit, oldest="id"),
        Kept(table="assignments_act", instant="at", after=kept.acts, oldest="id"),
        Kept(table="assignments_changerecord", instant="at", after=kept.changes, oldest="id"),
        Kept(
            table="reminders_deliveryevent",
            instant="received_at",
            after=kept.delivery_events,
            oldest="received_at",
        ),
        Kept(table="reminders_scanrun", instant="finished_at", after=kept.scans, oldest="finished_at"),
        Kept(table="reminders_verification", instant="requested_at", after=kept.verifications, oldest="id"),
        Kept(
            table="reminders_smsreply",
            instant="received_at",
            after=kept.sms_replies,
            oldest="received_at",
            key="sid",
            batch=10_000,
        ),
        Kept(table="reminders_keptanswer", instant="at", after=kept.responses, oldest="at", batch=10_000),
    ]
    if kept.archive:
        tables.append(
            Kept(table="reminders_archivedreminder", instant="archived_at", after=kept.archive, oldest="id")
        )
    return tuple(tables)


def prune(config: ReminderConfig) -> None:
    """Forgets what is past its time, and archives old reminders; the scanner does it after each scan."""
    heartbeats.prune()
    allowances.prune()
    user_sessions.prune()
    kept_files.prune_uploads(after=config.retention.uploads)
    _go_on_erasing()
    seconds = max(LEAST_SECONDS, config.poll.total_seconds() / SHARE)
    over = time.monotonic() + seconds
    for kept in kept_tables(config.retention):
        while _remove(kept) == kept.batch and time.monotonic() < over:
            pass
    if config.archive_after:
        over = time.monotonic() + seconds
        for _ in archive.archive_batches(after=config.archive_after):
            if time.monotonic() >= over:
                break


def _remove(kept: Kept) -> int:
    """One batch of the oldest; returns how many rows there were."""
    with connection.cursor() as cursor:
        cursor.execute(kept.statement, {"seconds": kept.after.total_seconds(), "batch": kept.batch})
        return int(cursor.rowcount)


def _go_on_erasing() -> None:
    """An erasure that cannot go on keeps nothing else from being put away."""
    for erasure in erased_texts.unfinished():
        try:
            erased_texts.go_on(erasure.pk, seconds=ERASING_SECONDS)
            return
        except DatabaseError as error:
            extra = {"person_id": erasure.pk, "reason": type(error).__name__, "code": sqlstate(error)}
            logger.error("Erasure does not go on", extra=extra)
