"""Which assignees know of their work: the facts of `policy.awareness` out of the ledger, answers and delivery events.

One statement reads them for many assignments at once, so that a list asks once and a figure counts in the database.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection

from assignments.act_rules import MOST_LATE
from assignments.contact_point import ContactPoint
from assignments.models import Assignment, Status
from assignments.team_scope import TeamScope
from assignments.teams import effective_team_sql
from reminders.conf import ReminderConfig
from reminders.ledger.fragments import is_now_sql, is_set_up_sql, ways_of
from reminders.ledger.sql import run
from reminders.ledger.ways import BOUNCED
from reminders.policy.awareness import Awareness, AwarenessFacts, KnownAddress, Rung, awareness_of
from reminders.policy.recipients import assignee_recipient_sql
from reminders.policy.timing import overdue_base_sql
from reminders.policy.ways import is_set_up

HORIZON = timedelta(hours=2)
"""How far ahead the figures look: time enough to call somebody, or to find somebody else."""

UNFINISHED_FOR = timedelta(hours=24)
"""Older work that is still SCHEDULED is no matter of who knows of it any more."""

MOST_COUNTED = 10_000
"""The first to start; more are not looked at for figures, which are counted every 15 seconds."""

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
_NUMBER_OF_FACTS = len(AwarenessFacts.__dataclass_fields__)


def _columns(condition: str) -> str:
    return f"""
    (SELECT a.id, a.version, a.status, a.scheduled_start, a.expected_start, a.assignee_id, a.answer, a.answered_at,
            a.on_my_way_at, a.renudge_at, a.location, a.title
     FROM assignments_assignment a WHERE {condition}
     ORDER BY a.scheduled_start, a.id LIMIT %(most)s)"""  # noqa: S608 - our own constants


_LONG_AGO = """a.status = 'SCHEDULED' AND a.scheduled_start <= statement_timestamp() - %(behind)s
    AND a.scheduled_start > statement_timestamp() - %(unfinished)s AND {team}"""


def window_sql(team: str = "TRUE") -> str:
    """The work that concerns people now, `MOST` of it at most: what starts within `ahead`, what was to start or has been
    started since `behind`, and what is older and still SCHEDULED, for a day. `team` is a condition on `a`.

    Each branch is a range of an index: of all starts, of the open ones, of the overdue ones.
    """
    around = f"""a.status IN ('SCHEDULED', 'IN_PROGRESS') AND a.scheduled_start > statement_timestamp() - %(behind)s
        AND a.scheduled_start <= statement_timestamp() + %(ahead)s AND {team}"""
    unmarked = f"{_LONG_AGO.format(team=team)} AND a.overdue_at IS NULL"
    marked = f"{_LONG_AGO.format(team=team)} AND a.overdue_at > statement_timestamp() - %(unfinished)s"
    return "(" + " UNION ALL ".join(map(_columns, (around, unmarked, marked))) + ")"


COUNTS = f"""
    SELECT {FACTS}, count(*) FROM {window_sql()} a {KNOWN} GROUP BY {", ".join(map(str, range(1, _NUMBER_OF_FACTS + 1)))}
"""  # noqa: S608 - our own constants
OF_TEAM = f"{effective_team_sql('a')} = ANY(%(teams)s::bigint[])"
OF_IDS = f"SELECT a.id, {FACTS} FROM assignments_assignment a {KNOWN} WHERE a.id = ANY(%(ids)s)"  # noqa: S608


def parameters(
    config: ReminderConfig, *, ahead: timedelta = HORIZON, most: int = MOST_COUNTED
) -> dict[str, Any]:
    """What the statements of this module need."""
    return {
        **ways_of(config),
        "overdue": config.overdue,
        "ahead": ahead,
        # Nobody is later than this without being overdue.
        "behind": timedelta(minutes=MOST_LATE) + config.overdue,
        "unfinished": max(UNFINISHED_FOR, timedelta(minutes=MOST_LATE) + config.overdue),
        "most": most,
    }


def facts_of(values: Sequence[Any]) -> AwarenessFacts:
    """The facts out of the columns of FACTS."""
    named = dict(zip(AwarenessFacts.__dataclass_fields__, values, strict=True))
    return AwarenessFacts(**{**named, "status": Status(named["status"])})


def counted(rows: Sequence[Sequence[Any]]) -> dict[Awareness, int]:
    """How much work there is of each kind of awareness, out of the rows of COUNTS."""
    found: dict[Awareness, int] = {}
    for *values, number in rows:
        awareness = awareness_of(facts_of(values))
        if awareness is not None:
            found[awareness] = found.get(awareness, 0) + number
    return found


def in_window(
    *, ahead: timedelta, most: int, teams: Collection[int] | None, config: ReminderConfig
) -> dict[int, Awareness]:
    """The work of the window by its id, the first to start first, `most` at most; `teams` are those whose work is asked for,
    None for all.
    """
    window = window_sql() if teams is None else window_sql(OF_TEAM)
    statement = (
        f"SELECT a.id, {FACTS} FROM {window} a {KNOWN} ORDER BY a.scheduled_start, a.id LIMIT %(most)s"  # noqa: S608
    )
    params = parameters(config, ahead=ahead, most=most) | {"teams": sorted(teams or ())}
    return dict(_read(statement, params))


def of_assignments(ids: Collection[int], *, config: ReminderConfig) -> dict[int, Awareness]:
    """The awareness of these assignments, in one query; none of cancelled work."""
    if not ids:
        return {}
    return dict(_read(OF_IDS, parameters(config) | {"ids": sorted(ids)}))


def with_awareness(rows: Sequence[Assignment], *, config: ReminderConfig) -> Sequence[Assignment]:
    """The same assignments, each with the word of its rung as `awareness`; None where it is cancelled."""
    found = of_assignments([row.pk for row in rows], config=config)
    for row in rows:
        known = found.get(row.pk)
        row.awareness = known.rung.value if known else None  # type: ignore[attr-defined]  # shown beside its columns
    return rows


def _read(statement: str, params: Mapping[str, Any]) -> Iterator[tuple[int, Awareness]]:
    with connection.cursor() as cursor:
        run(cursor, statement, params)
        rows = cursor.fetchall()
    for pk, *values in rows:
        awareness = awareness_of(facts_of(values))
        if awareness is not None:
            yield pk, awareness


def addresses_of(points: Iterable[ContactPoint], config: ReminderConfig) -> list[KnownAddress]:
    """What matters of these addresses of a person."""
    return [
        KnownAddress(
            usable=is_set_up(one.channel, config),
            opted_out=one.opted_out_at is not None,
            failing=one.failing_since is not None,
        )
        for one in points
    ]


def teams_asked(scope: TeamScope, team: int | None) -> frozenset[int] | None:
    """The teams whose work is asked for: one that the caller sees, or all that they see (None: everything)."""
    if team is None:
        return scope.teams
    return frozenset([team]) if scope.holds(team) else frozenset()


WORDS: Mapping[Rung, str] = {
    Rung.UNASSIGNED: "nobody is assigned",
    Rung.UNREACHABLE: "cannot be reached",
    Rung.NOT_TOLD: "not told yet",
    Rung.TOLD: "told",
    Rung.DELIVERED: "message delivered",
    Rung.CONFIRMED: "confirmed",
    Rung.ON_MY_WAY: "on the way",
    Rung.STARTED: "started",
    Rung.DECLINED: "can't make it",
    Rung.OVERDUE: "overdue",
}
"""Each rung as the pages say it."""


def state_words(awareness: Awareness) -> str:
    """The state in words: "told wrong", "told, may not have arrived"."""
    if awareness.told_wrong:
        return "told wrong" if awareness.rung is Rung.NOT_TOLD else "told wrong, cannot be reached"
    return WORDS[awareness.rung] + (", may not have arrived" if awareness.in_doubt else "")
