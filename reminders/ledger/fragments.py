"""Conditions that several statements share, each written once. `r` is a row of the ledger, `a` its assignment."""

from reminders.policy.recipients import assignee_recipient_sql

TO_PEOPLE = "kind <> 'EVENT'"
"""Messages to people and the markers; not the events that webhook subscribers receive."""

TO_WEBHOOKS = "kind = 'EVENT'"

ROUTE = "CASE WHEN r.kind = 'EVENT' THEN r.recipient ELSE r.channel END"
"""What a circuit breaker guards; `Row.route` is the same rule."""

ACTIVE_PAUSE = (
    "SELECT id FROM reminders_pause"
    " WHERE ended_at IS NULL AND (until IS NULL OR until > statement_timestamp())"
)
"""The pause that holds sending now; `models.PAUSE_IN_FORCE` is the same rule."""

PLAN_NOTIFIED = """EXISTS (
        SELECT 1 FROM reminders_reminder r
        WHERE r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
          AND (r.state = 'SENT' OR r.reason IN ('already_told', 'imported'))
        OFFSET 0)"""
"""Whether the ledger says that the current plan was notified; `notified.plan_notified` is the same as a queryset's."""

MAY_KNOW = """m.kind IN ('REMINDER', 'CORRECTION')
          AND (m.state IN ('SENT', 'SENDING', 'UNKNOWN') OR m.ambiguous > 0 OR m.reason = 'imported')"""
"""Messages `m` to an assignee that were accepted, may have been, or were sent by a former system."""

HEARD = f"""(
        SELECT json_agg(json_build_object(
                   'announced', m.announced, 'start', m.planned_start, 'sending', m.state = 'SENDING',
                   'certain', m.state = 'SENT' OR m.reason = 'imported')
               ORDER BY coalesce(m.begun_at, m.closed_at), m.id)::text
        FROM reminders_reminder m
        WHERE m.assignment_id = {{assignment}} AND m.recipient = {{recipient}} AND {MAY_KNOW})"""  # noqa: S608 - our own constants""
"""What a person has heard of an assignment, as `policy.announcements.messages_from_json` reads it."""

# Whoever has heard, may have heard or is being told something else since is not notified of this start any more.
START_NOTIFIED = f"""(
        SELECT last.kind = 'REMINDER' AND last.state = 'SENT' AND last.planned_start = a.scheduled_start
           AND (a.renudge_at IS NULL OR last.sent_at > a.renudge_at)
        FROM reminders_reminder last
        WHERE last.assignment_id = a.id
          AND (last.kind = 'REMINDER' OR (last.kind = 'CORRECTION' AND (
                last.planned_start <> a.scheduled_start OR last.announced -> -1 -> 'theirs' = 'false'::jsonb)))
          AND last.recipient = {assignee_recipient_sql("a")} AND last.begun_at IS NOT NULL
          AND (last.state IN ('SENT', 'SENDING', 'UNKNOWN') OR last.ambiguous > 0)
        ORDER BY last.begun_at DESC LIMIT 1)"""  # noqa: S608 - our own constants
"""Whether the last message begun for the assignee that was this reminder, or said otherwise, stated the present start,
after any reset: nobody is reminded of it twice. A correction to the present start is no reminder of it.
`notified.with_start_notified` is the same as a queryset's annotation."""
