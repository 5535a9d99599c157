"""Makes the ledger follow a change of rules: over all open assignments, in batches, where it stopped last."""

from collections.abc import Sequence

from django.db import connection

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.chains import IS_STEP
from reminders.ledger.fragments import NOTICES
from reminders.ledger.records import Ended
from reminders.ledger.rule_planning import RulesPlanned, follow_rules
from reminders.ledger.sql import bigints, fetch_one, run
from reminders.policy.recipients import person_recipient

BATCH = 2_000
"""Assignments per transaction."""

# Another change while one is still followed does not make it wait for less long.
WAITING_SINCE = """CASE WHEN c.finished_at IS NULL THEN coalesce(c.waiting_since, c.changed_at)
                             ELSE statement_timestamp() END"""

ANNOUNCE = f"""
    INSERT INTO reminders_rulechange AS c (id, revision, changed_at, done_up_to, done, finished_at, waiting_since)
    VALUES (1, 1, statement_timestamp(), 0, 0, NULL, statement_timestamp())
    ON CONFLICT (id) DO UPDATE SET revision = c.revision + 1, changed_at = statement_timestamp(),
        done_up_to = 0, done = 0, finished_at = NULL, waiting_since = {WAITING_SINCE}
"""  # noqa: S608 - our own constant

OPEN = f"""((a.overdue_at IS NULL AND a.scheduled_start > statement_timestamp())
           OR EXISTS (SELECT FROM reminders_reminderrule WHERE enabled AND audience <> 'assignee')
           OR EXISTS (SELECT FROM reminders_reminder r WHERE r.assignment_id = a.id AND r.closed_at IS NULL
                      AND {IS_STEP}))"""  # noqa: S608 - our own constant
"""For which work rules may still ask for something: once it has begun or is overdue, only those for supervisors and Ops."""

# Without any rule, and without work that has leads of its own, there is nothing to follow.
CONCERNED = f"""
    SELECT a.id, statement_timestamp() FROM assignments_assignment a
    WHERE a.status = 'SCHEDULED' AND {OPEN}
      AND (EXISTS (SELECT FROM reminders_reminderrule WHERE enabled) OR EXISTS (SELECT FROM reminders_ruleschedule))
      AND a.id IN (
        SELECT unnest(%(assignments)s::bigint[])
        UNION SELECT id FROM assignments_assignment WHERE assignee_id = ANY(%(people)s::bigint[])
        UNION SELECT id FROM assignments_assignment WHERE team_id = ANY(%(teams)s::bigint[])
        UNION SELECT w.id FROM assignments_assignment w JOIN assignments_assignee p ON p.id = w.assignee_id
              WHERE w.team_id IS NULL AND p.team_id = ANY(%(teams)s::bigint[])
        UNION SELECT assignment_id FROM reminders_reminder
              WHERE closed_at IS NULL AND {NOTICES} AND recipient = ANY(%(supervisors)s::text[]))
    ORDER BY a.id LIMIT %(limit)s
"""  # noqa: S608 - our own constants

# One row, so a look at the whole table is a block less than one through its index.
OUTSTANDING = """
    SELECT EXISTS (SELECT FROM reminders_rulechange WHERE lead IS DISTINCT FROM %(lead)s OR finished_at IS NULL)
"""

FOLLOW_LEAD = f"""
    UPDATE reminders_rulechange c
    SET lead = %(lead)s, revision = revision + (lead IS NOT NULL)::int,
        changed_at = CASE WHEN lead IS NULL THEN changed_at ELSE statement_timestamp() END,
        done_up_to = CASE WHEN lead IS NULL THEN done_up_to ELSE 0 END,
        done = CASE WHEN lead IS NULL THEN done ELSE 0 END,
        finished_at = CASE WHEN lead IS NULL THEN finished_at END, waiting_since = {WAITING_SINCE}
    WHERE id = 1 AND lead IS DISTINCT FROM %(lead)s
"""  # noqa: S608 - our own constant

NEXT_BATCH = f"""
    SELECT a.id FROM assignments_assignment a
    WHERE a.id > %s AND a.status = 'SCHEDULED' AND {OPEN}
    ORDER BY a.id LIMIT %s
"""  # noqa: S608 - our own constant


@atomically
def announce_change() -> None:
    """Has every open assignment computed anew: a rule, a zone or quiet hours have changed. Part of that change."""
    with connection.cursor() as cursor:
        run(cursor, ANNOUNCE)


@atomically
def follow_circumstances(
    *, assignments: Sequence[int], people: Sequence[int], teams: Sequence[int], config: ReminderConfig
) -> list[Ended]:
    """Has the work of these followed, whose circumstances have changed; in the service's own transaction.

    Much work, and all while reminders are switched off, is left to the scan. Nobody is reminded at once because of it.
    """
    with connection.cursor() as cursor:
        given = {
            "assignments": bigints(assignments),
            "people": bigints(people),
            "teams": bigints(teams),
            "supervisors": [person_recipient(person) for person in people],
        }
        run(cursor, CONCERNED, {**given, "limit": BATCH + 1})
        concerned = cursor.fetchall()
    ids = [row[0] for row in concerned]
    if not ids:
        return []
    if len(ids) > BATCH or not config.enabled:
        announce_change()
        return []
    return follow_rules(ids, config=config, rules_changed_at=concerned[0][1]).ended


def is_outstanding(config: ReminderConfig) -> bool:
    """Whether there is a change that the ledger has not followed to its end: of rules, or of the built-in rule."""
    with connection.cursor() as cursor:
        run(cursor, OUTSTANDING, {"lead": config.lead})
        return bool(fetch_one(cursor))


@atomically
def follow_lead(config: ReminderConfig) -> None:
    """Has every open assignment computed anew where the built-in rule has another lead than at the last scan."""
    with connection.cursor() as cursor:
        run(cursor, FOLLOW_LEAD, {"lead": config.lead})


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
            "UPDATE reminders_rulechange SET done_up_to = %s, done = done + %s, waiting_since = statement_timestamp(),"
            " finished_at = CASE WHEN %s THEN statement_timestamp() END WHERE id = 1",
            [ids[-1] if ids else found[0], len(ids), len(ids) < BATCH],
        )
    return planned
