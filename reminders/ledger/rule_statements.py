"""The statements by which rules make, move and end reminders of assignees. Their parameters are arrays of one length: which
assignment `x`, by which rule, when, why not, and over which channels that the rule names."""

from functools import partial

from reminders.ledger.fragments import (
    AS_ENDED,
    carrier_sql,
    channel_name_sql,
    is_first_sql,
    is_now_sql,
    is_set_up_sql,
    known_way,
    way_sql,
)
from reminders.models import Reason
from reminders.policy.recipients import assignee_recipient_sql
from reminders.policy.timing import overdue_base_sql

_COME_BACK = (Reason.REPLANNED, Reason.TOO_CLOSE, Reason.QUIET_HOURS, Reason.DECLINED, Reason.OPTED_OUT)
REQUEUED = tuple(reason.value for reason in _COME_BACK)
"""Rows that ended so come back where the rules ask for them again, and they are not due yet."""

_OF_CARRIER = f"{channel_name_sql('known.channel')} = c.carried_by"
_known_way = partial(known_way, "REMINDER", "x.rule", assignee_recipient_sql("a"))

NAMED_WAYS = f"""
    SELECT coalesce({_known_way(_OF_CARRIER)},
        c.carried_by || CASE WHEN best.is_first THEN '' ELSE ':' || best.id END) AS way
    FROM (SELECT name, {carrier_sql("name")} AS carried_by
          FROM unnest(string_to_array(x.channels, ' ')) AS named(name)
          WHERE {is_set_up_sql("name")}) c
    CROSS JOIN LATERAL (
        SELECT q.id, {is_first_sql("q")} AS is_first
        FROM assignments_contactpoint q
        WHERE q.person_id = a.assignee_id AND q.channel = c.name AND q.opted_out_at IS NULL
          AND (q.verified_at IS NOT NULL OR NOT x.verified_only)
        ORDER BY q.failing_since IS NOT NULL, q."order", q.id LIMIT 1) best
"""  # noqa: S608 - our own constants
"""The ways that a rule `x` names by its `channels`, to the assignee of `a`: one for each channel over which they have an
address."""

VERIFIED_WAY = f"""(
        SELECT {carrier_sql("q.channel")} || CASE WHEN {is_first_sql("q")} THEN '' ELSE ':' || q.id END
        FROM assignments_contactpoint q
        WHERE x.verified_only AND q.person_id = a.assignee_id AND q.verified_at IS NOT NULL AND q.opted_out_at IS NULL
          AND {is_set_up_sql("q.channel")}
        ORDER BY q.failing_since IS NOT NULL, q."order", q.id LIMIT 1)"""  # noqa: S608 - our own constants
"""The way to the first address that the assignee of `a` has verified, for a rule `x` that asks for that."""

# A row that a rule has lost, or that was too close to another, comes back when the rules say so again.
PLAN = f"""
    INSERT INTO reminders_reminder AS r (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, scan_id, due_at, not_after, next_attempt_at, state, reason, closed_at)
    SELECT j.id, j.version, 'REMINDER', j.rule, j.recipient, j.way, j.start, statement_timestamp(),
           %(scan_id)s::bigint, j.due_at, j.not_after, j.due_at,
           CASE WHEN j.reason = '' THEN 'PLANNED' ELSE 'SKIPPED' END, j.reason,
           CASE WHEN j.reason = '' THEN NULL ELSE statement_timestamp() END
    FROM (
        SELECT a.id, a.version, x.rule, {assignee_recipient_sql("a")} AS recipient, a.scheduled_start AS start, x.due_at,
               coalesce(named.way, {_known_way()}, {VERIFIED_WAY}, {way_sql("p")}) AS way,
               {overdue_base_sql("a")} + %(overdue)s AS not_after,
               CASE WHEN a.scheduled_start <= a.known_at THEN 'past'
                    WHEN {overdue_base_sql("a")} + %(overdue)s < statement_timestamp() THEN 'too_late'
                    WHEN EXISTS (SELECT 1 FROM reminders_reminder i WHERE i.assignment_id = a.id
                                 AND i.version = a.version AND i.kind = 'REMINDER' AND i.reason = 'imported')
                        THEN 'imported'
                    WHEN x.reason <> '' THEN x.reason
                    WHEN a.answer = 'DECLINED' THEN 'declined'
                    WHEN p.way = 'none' THEN 'opted_out'
                    ELSE '' END AS reason
        FROM unnest(%(ids)s::bigint[], %(versions)s::int[], %(rules)s::text[], %(dues)s::timestamptz[],
                    %(reasons)s::text[], %(channels)s::text[], %(verified_only)s::boolean[])
            AS x(id, version, rule, due_at, reason, channels, verified_only)
        JOIN assignments_assignment a ON a.id = x.id AND a.version = x.version
        LEFT JOIN assignments_assignee p ON p.id = a.assignee_id
        LEFT JOIN LATERAL ({NAMED_WAYS}) named ON x.channels <> ''
        WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL) j
    ORDER BY j.id, j.due_at
    ON CONFLICT (assignment_id, version, kind, rule, recipient, channel) DO UPDATE
    SET state = 'PLANNED', reason = '', closed_at = NULL, due_at = EXCLUDED.due_at,
        next_attempt_at = EXCLUDED.due_at, not_after = EXCLUDED.not_after
    WHERE r.state = 'SKIPPED' AND r.reason IN {REQUEUED} AND r.attempts = 0
      AND EXCLUDED.state = 'PLANNED' AND EXCLUDED.due_at > statement_timestamp()
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constants

NAME_OF = f"""CASE {channel_name_sql("{row}.channel")} WHEN %(channel)s THEN 'email'
        ELSE {channel_name_sql("{row}.channel")} END"""
OF_PLAN = f"""r.kind = 'REMINDER' AND NOT {is_now_sql("r.rule")} AND r.attempts = 0 AND r.closed_at IS NULL
      AND r.assignment_id = a.id AND r.version = a.version AND a.id = ANY(%(assignments)s::bigint[])"""

RETIME = f"""
    UPDATE reminders_reminder r
    SET due_at = x.due_at, next_attempt_at = x.due_at, not_after = {overdue_base_sql("a")} + %(overdue)s,
        state = 'PLANNED', lease_until = NULL
    FROM assignments_assignment a,
         unnest(%(ids)s::bigint[], %(rules)s::text[], %(dues)s::timestamptz[], %(reasons)s::text[])
           AS x(id, rule, due_at, reason)
    WHERE {OF_PLAN} AND x.id = a.id AND x.rule = r.rule AND x.reason = ''
      AND (r.state = 'PLANNED' OR (r.state = 'QUEUED' AND x.due_at > statement_timestamp()))
      AND (r.due_at, r.not_after) IS DISTINCT FROM (x.due_at, {overdue_base_sql("a")} + %(overdue)s)
"""  # noqa: S608 - our own constant

# A rule that names fewer channels than it did: one row is enough, and stays.
NAMED_NO_MORE = f"""(
        NOT {NAME_OF.format(row="r")} = ANY(string_to_array(lost.channels, ' ')) AND EXISTS (
            SELECT FROM reminders_reminder other
            WHERE other.assignment_id = r.assignment_id AND other.version = r.version AND other.kind = 'REMINDER'
              AND other.rule = r.rule AND other.recipient = r.recipient AND other.closed_at IS NULL
              AND (other.id < r.id OR {NAME_OF.format(row="other")} = ANY(string_to_array(lost.channels, ' ')))))"""

END_REPLACED = f"""
    UPDATE reminders_reminder r
    SET state = 'SKIPPED', reason = coalesce(nullif(lost.reason, ''), 'replanned'), lease_until = NULL,
        closed_at = statement_timestamp()
    FROM assignments_assignment a, reminders_reminder known
    LEFT JOIN unnest(%(ids)s::bigint[], %(rules)s::text[], %(reasons)s::text[], %(channels)s::text[])
        AS lost(id, rule, reason, channels) ON lost.id = known.assignment_id AND lost.rule = known.rule
    WHERE {OF_PLAN} AND r.state IN ('PLANNED', 'QUEUED') AND r.ambiguous = 0 AND known.id = r.id
      AND (lost.id IS NULL OR lost.reason <> '' OR {NAMED_NO_MORE})
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constant
