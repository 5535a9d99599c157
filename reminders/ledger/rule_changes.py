"""Makes the ledger follow a change of rules: over all open assignments, in batches, where it stopped last."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.rule_planning import RulesPlanned, follow_rules
from reminders.ledger.sql import run
from reminders.models import RuleChange

BATCH = 2_000
"""Assignments per transaction."""

ANNOUNCE = """
    INSERT INTO reminders_rulechange (id, revision, changed_at, done_up_to, done, finished_at)
    VALUES (1, 1, statement_timestamp(), 0, 0, NULL)
    ON CONFLICT (id) DO UPDATE SET revision = reminders_rulechange.revision + 1, changed_at = statement_timestamp(),
        done_up_to = 0, done = 0, finished_at = NULL
"""

NEXT_BATCH = """
    SELECT a.id FROM assignments_assignment a
    WHERE a.id > %s AND a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND a.scheduled_start > statement_timestamp()
    ORDER BY a.id LIMIT %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the ledger has followed the last change. `finished_at` is None while it has not ended."""

    changed_at: datetime
    done: int
    finished_at: datetime | None


@atomically
def announce_change() -> None:
    """Has every open assignment computed anew: a rule, a zone or quiet hours have changed. Part of that change."""
    with connection.cursor() as cursor:
        run(cursor, ANNOUNCE)


def progress() -> Progress | None:
    """How far the ledger has followed the last change of rules; None where there never was one."""
    found = RuleChange.objects.filter(pk=1).first()
    if found is None:
        return None
    return Progress(changed_at=found.changed_at, done=found.done, finished_at=found.finished_at)


@atomically
def follow_next_batch(config: ReminderConfig, *, scan_id: int | None) -> RulesPlanned | None:
    """Follows the change for the next assignments; None where nothing is left. One process at a time does a batch."""
    with connection.cursor() as cursor:
        run(
            cursor,
            "SELECT done_up_to, changed_at FROM reminders_rulechange"
            " WHERE id = 1 AND finished_at IS NULL FOR UPDATE SKIP LOCKED",
        )
        found = cursor.fetchone()
        if found is None:
            return None
        run(cursor, NEXT_BATCH, [found[0], BATCH])
        ids = [row[0] for row in cursor.fetchall()]
        planned = follow_rules(ids, config=config, rules_changed_at=found[1], scan_id=scan_id)
        run(
            cursor,
            "UPDATE reminders_rulechange SET done_up_to = %s, done = done + %s,"
            " finished_at = CASE WHEN %s THEN statement_timestamp() END WHERE id = 1",
            [ids[-1] if ids else found[0], len(ids), len(ids) < BATCH],
        )
    return planned
