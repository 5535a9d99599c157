"""Finds the rows that a process was sending when it died."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from reminders.ledger.fragments import OF_NOTICE, ROW_AND_PLAN
from reminders.ledger.records import Claim, Hint, claim_of, plan_of, row_of
from reminders.ledger.sql import bigints, fetch, run
from reminders.models import Kind
from reminders.policy.retries import Result
from reminders.policy.rows import Row

DIED = "process_died"
"""The code of an attempt whose process died while it was at it."""

# The members of a digest are begun by one statement, some of them under tickets that nobody else has seen.
UNFINISHED = f"""
    SELECT {ROW_AND_PLAN}, {OF_NOTICE}, r.begun_at,
           lead_id, lead_assignment_id, lead_version, lead_kind, lead_rule,
           (SELECT count(*) FROM reminders_attempt t
            WHERE t.reminder_id = r.id AND t.code = %s AND t.outcome = %s) AS deaths
    FROM (SELECT DISTINCT r.id AS begun_id
          FROM unnest(%s::bigint[], %s::bigint[]) AS h(id, ticket)
          JOIN reminders_reminder own ON own.id = h.id AND own.ticket = h.ticket AND own.state = 'SENDING'
          JOIN reminders_reminder r ON r.id = own.id
              OR (r.digest_id = own.digest_id AND r.state = 'SENDING' AND r.begun_at = own.begun_at)) begun
    JOIN reminders_reminder r ON r.id = begun_id
    CROSS JOIN LATERAL (
        SELECT id AS lead_id, assignment_id AS lead_assignment_id, version AS lead_version, kind AS lead_kind,
               rule AS lead_rule
        FROM reminders_reminder l WHERE l.id = coalesce(r.digest_id, r.id)) lead
    JOIN assignments_assignment a ON a.id = r.assignment_id
    LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
    ORDER BY r.id
"""  # noqa: S608 - our own constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A row in SENDING: its claim as it was begun, the row whose id its message has, and how many processes have died
    before while they sent it.
    """

    claim: Claim
    lead: Row
    deaths: int

    @property
    def hint(self) -> Hint:
        return Hint(self.claim.row.id, self.claim.row.ticket)


def unfinished(hints: Sequence[Hint]) -> list[Unfinished]:
    """The rows that are being sent under these hints, and the others of their digests."""
    with connection.cursor() as cursor:
        run(
            cursor,
            UNFINISHED,
            [
                DIED,
                Result.HANDED_BACK.value,
                bigints(hint.reminder_id for hint in hints),
                bigints(hint.ticket for hint in hints),
            ],
        )
        return [_unfinished(found) for found in fetch(cursor)]


def _unfinished(found: Mapping[str, Any]) -> Unfinished:
    row = row_of(found)
    begun = replace(row, attempts=row.attempts - 1)  # as it was when it was begun
    lead = replace(
        row,
        id=found["lead_id"],
        assignment_id=found["lead_assignment_id"],
        version=found["lead_version"],
        kind=Kind(found["lead_kind"]),
        rule=found["lead_rule"],
    )
    claim = replace(claim_of(begun, plan_of(found), found), begun_at=found["begun_at"])
    return Unfinished(claim=claim, lead=lead, deaths=found["deaths"])
