"""Which assignees know of their work: the facts of `policy.awareness` out of the ledger, answers and delivery events.

One statement reads them for many assignments at once, so that a list asks once and a figure counts in the database.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.act_rules import MOST_LATE
from assignments.contact_point import ContactPoint
from assignments.models import Assignment
from assignments.team_scope import TeamScope
from assignments.teams import effective_team_sql
from reminders.conf import ReminderConfig
from reminders.ledger.awareness import (
    FACTS,
    KNOWN,
    NUMBER_OF_FACTS,
    fact_parameters,
    facts_of,
    of_assignments,
    read,
)
from reminders.policy.awareness import Awareness, KnownAddress, Rung, awareness_of
from reminders.policy.ways import is_set_up

HORIZON = timedelta(hours=2)
"""How far ahead the figures look: time enough to call somebody, or to find somebody else."""

UNFINISHED_FOR = timedelta(hours=24)
"""Older work that is still SCHEDULED is no matter of who knows of it any more."""

MOST_COUNTED = 10_000
"""The first to start; more are not looked at for figures, which are counted every 15 seconds."""


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
    SELECT {FACTS}, count(*) FROM {window_sql()} a {KNOWN} GROUP BY {", ".join(map(str, range(1, NUMBER_OF_FACTS + 1)))}
"""  # noqa: S608 - our own constants
OF_TEAM = f"{effective_team_sql('a')} = ANY(%(teams)s::bigint[])"


def parameters(
    config: ReminderConfig, *, ahead: timedelta = HORIZON, most: int = MOST_COUNTED
) -> dict[str, Any]:
    """What the statements of this module need."""
    return {
        **fact_parameters(config),
        "ahead": ahead,
        # Nobody is later than this without being overdue.
        "behind": timedelta(minutes=MOST_LATE) + config.overdue,
        "unfinished": max(UNFINISHED_FOR, timedelta(minutes=MOST_LATE) + config.overdue),
        "most": most,
    }


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
    return dict(read(statement, params))


def with_awareness(rows: Sequence[Assignment], *, config: ReminderConfig) -> Sequence[Assignment]:
    """The same assignments, each with the word of its rung as `awareness`; None where it is cancelled."""
    found = of_assignments([row.pk for row in rows], config=config)
    for row in rows:
        known = found.get(row.pk)
        row.awareness = known.rung.value if known else None  # type: ignore[attr-defined]  # shown beside its columns
    return rows


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


WORDS = {
    Rung.UNASSIGNED: _("nobody is assigned"),
    Rung.UNREACHABLE: _("cannot be reached"),
    Rung.NOT_TOLD: _("not told yet"),
    Rung.TOLD: _("told"),
    Rung.DELIVERED: _("message delivered"),
    Rung.CONFIRMED: _("confirmed"),
    Rung.ON_MY_WAY: _("on the way"),
    Rung.STARTED: _("started"),
    Rung.DECLINED: _("can't make it"),
    Rung.OVERDUE: _("overdue"),
}
"""Each rung as the pages say it."""


def state_words(awareness: Awareness) -> str:
    """The state in words: "told wrong", "told, may not have arrived"."""
    if awareness.told_wrong:
        if awareness.rung is Rung.NOT_TOLD:
            return gettext("told wrong")
        return gettext("told wrong, cannot be reached")
    words = str(WORDS[awareness.rung])
    return gettext("%(state)s, may not have arrived") % {"state": words} if awareness.in_doubt else words
