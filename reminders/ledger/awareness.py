"""What the ledger knows of whether assignees know of their work: the facts of `policy.awareness`, for many assignments at
once, and why somebody is not reached by messages.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from django.db import connection

from assignments.models import Status
from reminders.conf import ReminderConfig
from reminders.ledger.fragments import is_now_sql, is_set_up_sql, ways_of
from reminders.ledger.sql import run
from reminders.ledger.ways import BOUNCED
from reminders.policy.awareness import Awareness, AwarenessFacts, awareness_of
from reminders.policy.recipients import assignee_recipient_sql
from reminders.policy.timing import overdue_base_sql

_CERTAIN = "(m.state = 'SENT' OR m.reason = 'imported')"
_POSSIBLE = f"""((m.state IN ('SENT', 'UNKNOWN') OR m.ambiguous > 0 OR m.reason = 'imported')
                 AND NOT {BOUNCED.format(row="m")})"""


def _as_planned(stated: str) -> str:
    """Whether one statement of the message `m` (an SQL expression) is what is planned; what is unknown differs from nothing,
    as in `policy.announcements.changes`."""
    return f"""(coalesce(({stated} ->> 'start')::timestamptz, m.planned_start) = a.scheduled_start
         AND coalesce(({stated} ->> 'theirs')::boolean, TRUE)
         AND coalesce({stated} ->> 'place', a.location) = a.location
         AND coalesce({stated} ->> 'title', a.title) = a.title)"""


# Of an accepted message its last attempt counts, of one in doubt each, as in `policy.announcements.known`.
_LAST_IS = _as_planned("coalesce(m.announced -> -1, '{}')")
_EACH = "jsonb_array_elements(CASE WHEN m.announced <> '[]' THEN m.announced ELSE '[{}]' END) stated"

# The messages to the present assignee of `a`, in the order in which they were begun. Work that is not to be done any more,
# or is nobody's, has none. OFFSET 0: what is asked of a message is asked once.
_MESSAGES = f"""
    SELECT m.*,
           CASE WHEN NOT possible THEN FALSE WHEN certain THEN {_LAST_IS}
                ELSE (SELECT bool_or({_as_planned("stated")}) FROM {_EACH}) END AS agrees,
           CASE WHEN NOT possible THEN FALSE WHEN certain THEN NOT {_LAST_IS}
                ELSE (SELECT bool_or(NOT {_as_planned("stated")}) FROM {_EACH}) END AS differs
    FROM (SELECT m.id, m.announced, m.planned_start, m.closed_at IS NULL AS is_open,
                 m.kind = 'REMINDER' AND m.version = a.version AND NOT {is_now_sql("m.rule")} AS of_plan,
                 CASE WHEN m.kind = 'CORRECTION' THEN m.planned_at END AS changed_at,
                 coalesce(m.begun_at, m.closed_at) AS at, {_POSSIBLE} AS possible, {_CERTAIN} AS certain,
                 a.renudge_at IS NULL OR coalesce(m.sent_at, m.begun_at, m.closed_at) > a.renudge_at AS fresh,
                 row_number() OVER (ORDER BY coalesce(m.begun_at, m.closed_at, m.planned_at), m.id) AS place
          FROM reminders_reminder m
          WHERE m.assignment_id = a.id AND m.recipient = {assignee_recipient_sql("a")}
            AND m.kind IN ('REMINDER', 'CORRECTION') AND a.status = 'SCHEDULED' AND a.assignee_id IS NOT NULL
          OFFSET 0) m
"""  # noqa: S608 - our own constants

# Whatever was begun before the last accepted message, that has said the last word.
_KNOWN = f"""
    SELECT coalesce(bool_or(last AND agrees AND fresh), FALSE) AS told,
           coalesce(bool_or(last AND agrees AND fresh AND certain), FALSE) AS certain,
           coalesce(bool_or(last AND agrees AND fresh AND EXISTS (
               SELECT FROM reminders_deliveryevent e
               WHERE e.reminder_id = known.id AND e.kind IN ('delivered', 'opened', 'complained'))), FALSE) AS delivered,
           coalesce(bool_or(last AND differs) AND NOT bool_or(last AND agrees), FALSE) AS contradicted,
           coalesce(max(changed_at), max(at) FILTER (WHERE last)) AS changed_at,
           coalesce(bool_or(is_open), FALSE) AS has_open, coalesce(bool_or(of_plan), FALSE) AS has_row
    FROM (SELECT *, possible AND place >= coalesce(max(place) FILTER (WHERE possible AND certain) OVER (), 0) AS last
          FROM ({_MESSAGES}) messages) known
"""  # noqa: S608 - our own constants

REACHABLE = f"""EXISTS (
        SELECT FROM assignments_contactpoint c
        WHERE c.person_id = a.assignee_id AND c.opted_out_at IS NULL AND c.failing_since IS NULL
          AND {is_set_up_sql("c.channel")})"""
"""Whether messages reach the assignee of `a`; `policy.awareness.cause_of` is the same rule, and says why not."""

# In the order of the fields of `Facts`.
FACTS = f"""
    a.status, a.assignee_id IS NOT NULL AS assigned,
    {REACHABLE} AS reachable,
    a.status = 'SCHEDULED' AND {overdue_base_sql("a")} <= statement_timestamp() - %(overdue)s AS overdue,
    a.answer = 'DECLINED' AS declined, a.answer = 'CONFIRMED' AS confirmed, a.expected_start IS NOT NULL AS late,
    a.on_my_way_at IS NOT NULL AS on_my_way,
    told.told, told.certain, told.delivered,
    told.contradicted AND NOT coalesce(greatest(a.answered_at, a.on_my_way_at) > told.changed_at, FALSE) AS told_wrong,
    told.has_open OR coalesce(
        (SELECT s.next_at IS NOT NULL FROM reminders_ruleschedule s WHERE s.assignment_id = a.id), NOT told.has_row)
        AS coming
"""  # noqa: S608 - our own constants
"""The facts of the assignment `a`, beside `KNOWN` as `told`, in statements with `parameters`."""

KNOWN = f"CROSS JOIN LATERAL ({_KNOWN}) told"
NUMBER_OF_FACTS = len(AwarenessFacts.__dataclass_fields__)
OF_IDS = f"SELECT a.id, {FACTS} FROM assignments_assignment a {KNOWN} WHERE a.id = ANY(%(ids)s)"  # noqa: S608


def fact_parameters(config: ReminderConfig) -> dict[str, Any]:
    """What FACTS needs."""
    return {**ways_of(config), "overdue": config.overdue}


def facts_of(values: Sequence[Any]) -> AwarenessFacts:
    """The facts out of the columns of FACTS."""
    named = dict(zip(AwarenessFacts.__dataclass_fields__, values, strict=True))
    return AwarenessFacts(**{**named, "status": Status(named["status"])})


def of_assignments(ids: Collection[int], *, config: ReminderConfig) -> dict[int, Awareness]:
    """The awareness of these assignments, in one query; none of cancelled work."""
    if not ids:
        return {}
    return dict(read(OF_IDS, fact_parameters(config) | {"ids": sorted(ids)}))


def read(statement: str, params: Mapping[str, Any]) -> Iterator[tuple[int, Awareness]]:
    """What a statement says whose columns are an id and FACTS."""
    with connection.cursor() as cursor:
        run(cursor, statement, params)
        rows = cursor.fetchall()
    for pk, *values in rows:
        awareness = awareness_of(facts_of(values))
        if awareness is not None:
            yield pk, awareness
