"""Conditions that several statements share, each written once. `r` is a row of the ledger, `a` its assignment."""

from django.db.models.functions import Greatest

from assignments.teams import effective_team_sql
from reminders.conf import ReminderConfig
from reminders.policy.recipients import (
    PERSON,
    assignee_recipient_sql,
    person_behind_sql,
    person_recipient_sql,
)
from reminders.policy.rules import NOW


def overdue_base() -> Greatest:
    """`policy.timing.overdue_base_sql` for a queryset of assignments; PostgreSQL's greatest leaves null out."""
    return Greatest("scheduled_start", "expected_start")


TO_PEOPLE = "kind <> 'EVENT'"
"""Messages to people and the markers; not the events that webhook subscribers receive."""

TO_WEBHOOKS = "kind = 'EVENT'"

NOTICES = "(recipient LIKE 'ops:%%' OR recipient LIKE 'person:%%')"
"""Notices to supervisors (`recipients.is_supervisor`), of whatever kind; for statements with parameters. The index
reminder_supervisor_idx has the same condition."""


AS_ENDED = "r.id AS reminder_id, r.assignment_id, r.version, r.kind, r.due_at, r.state, r.reason"
"""A row `r` as `records.Ended` has it."""


def ended_unsent(reason: str) -> str:
    """What is set of rows `r` that end without a send, by this reason (an SQL expression). Whether those in doubt have
    arrived nobody can know."""
    return f"""state = CASE WHEN r.ambiguous > 0 THEN 'UNKNOWN' ELSE 'SKIPPED' END,
        reason = CASE WHEN r.ambiguous > 0 THEN 'ambiguous' ELSE {reason} END,
        lease_until = NULL, closed_at = statement_timestamp()"""


def channel_name_sql(way: str) -> str:
    """The channel of a way (an SQL expression); `policy.ways.channel_name` is the same rule."""
    return f"split_part({way}, ':', 1)"


def carrier_sql(channel: str) -> str:
    """The channel that carries messages to addresses of this channel of people (an SQL expression), in statements with
    `ways_of(config)` as parameters."""
    return f"CASE WHEN {channel} = 'email' THEN %(channel)s ELSE {channel} END"


def is_set_up_sql(channel: str) -> str:
    """Whether messages reach addresses of this channel of people here; with the same parameters."""
    return f"({channel} = 'email' OR {channel} = ANY(%(further_channels)s))"


def is_first_sql(point: str) -> str:
    """Whether the contact point with this alias is the person's first one of its channel, which its ways do not name."""
    return f"""NOT EXISTS (SELECT FROM assignments_contactpoint e
                 WHERE e.person_id = {point}.person_id AND e.channel = {point}.channel
                   AND (e."order", e.id) < ({point}."order", {point}.id))"""


def known_way(kind: str, rule: str, recipient: str, over: str = "TRUE") -> str:
    """The way of a message of the plan in force of `a` that has a row already: of several that of an open one, or else that
    of the latest. Rule and recipient are SQL expressions, and `over` is a condition on the row `known`.
    """
    return f"""(
        SELECT known.channel FROM reminders_reminder known
        WHERE known.assignment_id = a.id AND known.version = a.version AND known.kind = '{kind}'
          AND known.rule = {rule} AND known.recipient = {recipient} AND {over}
        ORDER BY known.closed_at IS NOT NULL, known.id DESC LIMIT 1)"""  # noqa: S608 - our own constants


def way_sql(person: str) -> str:
    """The way that messages to the person with this alias go first, in statements with `ways_of(config)` as parameters.

    Ways over a channel that this installation has not set up are left out; e-mail goes over REMINDER_CHANNEL.
    """
    return f"""CASE WHEN {person}.way IS NULL OR {person}.way IN ('', 'none') THEN %(channel)s
                    WHEN {person}.way LIKE 'email:%%' THEN %(channel)s || substr({person}.way, 6)
                    WHEN {channel_name_sql(f"{person}.way")} = ANY(%(further_channels)s) THEN {person}.way
                    ELSE %(channel)s END"""


def way_to_sql(recipient: str) -> str:
    """The same for a recipient, an SQL expression: of whoever is no person it is REMINDER_CHANNEL."""
    person = person_behind_sql(recipient)
    way = f"SELECT {way_sql('whose')} FROM assignments_assignee whose WHERE whose.id = {person}"  # noqa: S608
    return f"coalesce(({way}), %(channel)s)"


def reachable_sql(person: str, further_channels: str = "%(further_channels)s") -> str:
    """Whether the person with this alias has an address that is not opted out, over a channel that is set up."""
    way = channel_name_sql(f"{person}.way")
    return f"({person}.way <> 'none' AND ({person}.email <> '' OR {way} = ANY({further_channels})))"


def ways_of(config: ReminderConfig) -> dict[str, object]:
    """The parameters that `way_sql` needs."""
    return {"channel": config.channel, "further_channels": list(config.further_channels)}


ROUTE = f"CASE WHEN r.kind = 'EVENT' THEN r.recipient ELSE {channel_name_sql('r.channel')} END"
"""What a circuit breaker guards; `Row.route` is the same rule."""

SAME_NUDGE = """(n.assignment_id = r.assignment_id AND n.version = r.version AND n.kind = r.kind AND n.rule = r.rule
            AND n.recipient = r.recipient)"""
"""Whether the row `n` says the same to the same person as `r`, over whatever way: a nudge is a row less its channel."""

HELD = "SELECT channel FROM reminders_channelhold WHERE until > statement_timestamp()"
"""The routes whose circuit breaker is open."""

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


PLANNED_BY_RULES = "EXISTS (SELECT FROM reminders_ruleschedule s WHERE s.assignment_id = a.id OFFSET 0)"
"""Whether `ledger.rule_planning` plans the reminders of the assignment. OFFSET 0: always a look-up, so that PostgreSQL
neither reads all schedules, nor the ends of every index to compare a join with."""

OTHER_RULE_BEGUN = """(
        SELECT max(o.begun_at) FROM reminders_reminder o
        WHERE o.assignment_id = r.assignment_id AND o.kind = 'REMINDER' AND o.recipient = r.recipient AND o.rule <> r.rule
          AND o.planned_start = r.planned_start AND (a.renudge_at IS NULL OR o.begun_at > a.renudge_at)
          AND (o.state IN ('SENT', 'SENDING', 'UNKNOWN') OR o.ambiguous > 0))"""
"""When another rule last reminded the recipient of the row's start, or may have, since any reset."""


def unless_confirmed(row: str) -> str:
    """Whether the rule of the row with this alias does not remind who has confirmed (`Situation.unless_confirmed`)."""
    return f"""EXISTS (SELECT FROM reminders_reminderrule q
                WHERE substring({row}.rule FROM 'rule:[0-9]+') = 'rule:' || q.id AND q.condition = 'not_confirmed')"""  # noqa: S608 - our own columns


def unless_reached(row: str) -> str:
    """Whether the rule of the row with this alias tells only of who is not reached (`policy.briefs`)."""
    return f"""EXISTS (SELECT FROM reminders_reminderrule q
                WHERE substring({row}.rule FROM 'rule:[0-9]+') = 'rule:' || q.id AND q.condition = 'not_reached')"""  # noqa: S608 - our own columns


def is_now_sql(rule: str) -> str:
    """Whether an operator sends the reminder of this key (an SQL expression) at once; `policy.rules.is_now` is the same."""
    return f"starts_with({rule}, '{NOW}')"


def is_exempt_sql(rule: str) -> str:
    """Whether the rate of its person neither holds nor counts a reminder of this key (an SQL expression)."""
    return f"({is_now_sql(rule)} OR {rule_is('mandatory', rule)})"


def rule_is(flag: str, rule: str) -> str:
    """Whether the rule of this key (an SQL expression) is `mandatory`, or `verified_only`."""
    return f"EXISTS (SELECT FROM reminders_reminderrule q WHERE {rule} = 'rule:' || q.id AND q.{flag})"


def may_go_to(point: str, rule: str) -> str:
    """Whether a reminder of this rule may go to the contact point with this alias as far as its verification is concerned;
    `contacts.contact_for` is the same rule."""
    return f"({point}.verified_at IS NOT NULL OR NOT {rule_is('verified_only', rule)})"


def base_rule(rule: str) -> str:
    """The rule that an opt-out names, as SQL; `policy.rules.base_of` is the same."""
    return f"CASE WHEN starts_with({rule}, 'default:') THEN 'default' ELSE {rule} END"


ANY_OPT_OUT = "(SELECT EXISTS (SELECT FROM reminders_optout WHERE undone_at IS NULL))"
"""Whether any opt-out is in force; PostgreSQL looks once for a statement."""


def opted_out(rule: str, person: str) -> str:
    """Whether this person has opted out of reminders of this rule (SQL expressions), and the rule allows it."""
    return f"""({ANY_OPT_OUT} AND EXISTS (
        SELECT FROM reminders_optout o
        WHERE o.person_id = {person} AND o.undone_at IS NULL AND o.rule = {base_rule(rule)}
          AND NOT {rule_is("mandatory", "o.rule")}))"""


def notified_sql(rule: str) -> str:
    """Whether the reminder of this rule (an SQL expression) has stated the present start, after any reset, and nothing
    that was begun later may have said otherwise: nobody is reminded twice of a start by one rule.

    Reminders of other rules that state the same start say nothing otherwise, nor does a correction to the present
    start. `notified.with_start_notified` is the same for the rule `default`, as a queryset's annotation.
    """
    return f"""(
        SELECT last.kind = 'REMINDER' AND last.state = 'SENT' AND last.planned_start = a.scheduled_start
           AND (a.renudge_at IS NULL OR last.sent_at > a.renudge_at)
        FROM reminders_reminder last
        WHERE last.assignment_id = a.id
          AND ((last.kind = 'REMINDER' AND (last.rule = {rule} OR last.planned_start <> a.scheduled_start))
               OR (last.kind = 'CORRECTION' AND (
                last.planned_start <> a.scheduled_start OR last.announced -> -1 -> 'theirs' = 'false'::jsonb)))
          AND last.recipient = {assignee_recipient_sql("a")} AND last.begun_at IS NOT NULL
          AND (last.state IN ('SENT', 'SENDING', 'UNKNOWN') OR last.ambiguous > 0)
        ORDER BY last.begun_at DESC LIMIT 1)"""  # noqa: S608 - our own constants


SUPERVISORS = f"""(
        SELECT s.assignee_id FROM assignments_team_supervisors s
        WHERE s.team_id = {effective_team_sql("a")})"""  # noqa: S608 - our own constants
"""The people who supervise the assignment's team now."""

TO_SUPERVISOR = f"starts_with(r.recipient, '{PERSON}')"
"""Notices to a team's supervisor, not those to Ops; `recipients.person_id_of` is the same rule."""

NO_LONGER_SUPERVISOR = f"""({TO_SUPERVISOR} AND NOT EXISTS (
        SELECT 1 FROM {SUPERVISORS} x(id) WHERE {person_recipient_sql("x.id")} = r.recipient))"""  # noqa: S608
"""Notices to somebody who does not supervise the assignment's team any more; `gates.void_reason` is the same rule."""

GIVEN_AWAY = f"""(r.kind = 'ESCALATION' AND r.version <> a.version AND EXISTS (
        SELECT FROM reminders_ruleschedule s
        WHERE s.assignment_id = a.id AND s.planned_start = a.scheduled_start
          AND s.recipient <> {assignee_recipient_sql("a")}))"""
"""Notices of an older version, where rules still count on another assignee; `gates.void_reason` is the same rule."""

ANSWER_TOLD = """told.kind = 'ESCALATION' AND told.begun_at IS NOT NULL
          AND split_part(told.rule, ':', 1) IN ('declined', 'confirmed_after_all')
          AND (told.state IN ('SENT', 'SENDING', 'UNKNOWN') OR told.ambiguous > 0)"""
"""Whether by the row `told` a supervisor may have been told an answer of the assignee."""

TOLD_DECLINE = f"""coalesce((
        SELECT split_part(told.rule, ':', 1) = 'declined' FROM reminders_reminder told
        WHERE told.assignment_id = r.assignment_id AND told.version = r.version AND told.recipient = r.recipient
          AND told.id <> r.id AND {ANSWER_TOLD}
        ORDER BY told.begun_at DESC, told.id DESC LIMIT 1), FALSE)"""  # noqa: S608 - our own constant
"""Whether the recipient of the row `r` may have been told last that the assignee can't make it."""

TEAM_CONTACT = f"""
    CASE WHEN (SELECT EXISTS (SELECT FROM assignments_team WHERE (organisation, phone, reply_to) <> ('', '', '')))
         THEN (SELECT ARRAY[t.organisation, t.phone, t.reply_to] FROM assignments_team t
               WHERE t.id = {effective_team_sql("a")}) END"""  # noqa: S608 - our own constants
"""Whom messages about `a` name for questions, as its team says. PostgreSQL looks once for a statement whether any does."""

ROW_AND_PLAN = f"""
    r.id, r.assignment_id, r.version, r.kind, r.rule, r.recipient, r.channel, r.planned_start, r.planned_at,
    r.due_at, r.not_after, r.next_attempt_at, r.state, r.ticket, r.attempts, r.failures, r.ambiguous, r.scan_id,
    r.digest_id, a.version AS plan_version, a.status AS plan_status, a.scheduled_start, a.scheduled_end, a.assignee_id,
    a.overdue_at, a.answer, a.answer_note, a.answered_at, a.expected_start, a.known_at, a.visible_changes,
    a.title, a.kind AS assignment_kind, a.location, a.notes, a.reference,
    p.name, p.email, p.phone, p.time_zone, p.language, {TEAM_CONTACT} AS team_contact,
    coalesce(a.team_id, p.team_id) AS team_id,
    statement_timestamp() AS now,
    EXISTS ({ACTIVE_PAUSE}) AS paused,
    r.payload,
    (SELECT h.until FROM reminders_channelhold h
     WHERE h.channel = {ROUTE}) AS held_until
"""  # noqa: S608 - our own constants
"""What begin needs to know of a row `r`, its assignment `a` and its assignee `p`, for statements with parameters."""

OF_NOTICE = f"""
    CASE WHEN {TO_SUPERVISOR}
         THEN ARRAY(SELECT {person_recipient_sql("x.id")} FROM {SUPERVISORS} x(id)) END AS supervisors,
    {GIVEN_AWAY} AS given_away,
    CASE WHEN {NOTICES} THEN (SELECT w.until FROM reminders_digestwindow w
                              WHERE w.recipient = r.recipient AND w.channel = r.channel) END AS window_until
"""  # noqa: S608 - our own constants
"""What begin needs to know besides of a row `r` that is a notice to a supervisor."""
