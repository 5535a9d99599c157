"""How far the ledger has followed a change of rules. Pages, API, metrics and the doctor show this."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils.translation import gettext

from assignments.team_scope import EVERYTHING, TeamScope
from assignments.teams import effective_team_sql
from reminders.ledger.rule_changes import OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleProgress:
    """A change that is still being followed: `done` of `total` open assignments have the rows of the rules in force.

    `changed_at` is the latest change. Nothing more was done since `waiting_since`, when a batch ended, or the first change
    was made that has not been followed.
    """

    changed_at: datetime
    waiting_since: datetime
    done: int
    total: int

    @property
    def behind(self) -> int:
        """How many assignments do not follow yet."""
        return self.total - self.done

    def __str__(self) -> str:
        return gettext("%(done)s of about %(total)s assignments follow the last change of rules") % {
            "done": f"{self.done:,}",
            "total": f"{self.total:,}",
        }


# What `ledger.rule_changes` takes.
PROGRESS = f"""
    SELECT c.changed_at, coalesce(c.waiting_since, c.changed_at), work.done, work.total
    FROM reminders_rulechange c CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE a.id <= c.done_up_to) AS done, count(*) AS total
        FROM assignments_assignment a
        WHERE a.status = 'SCHEDULED' AND {OPEN}
          AND (%(teams)s::bigint[] IS NULL OR {effective_team_sql("a")} = ANY(%(teams)s::bigint[]))) work
    WHERE c.id = 1 AND c.finished_at IS NULL
"""  # noqa: S608 - our own constant


def rule_progress(scope: TeamScope = EVERYTHING) -> RuleProgress | None:
    """The change that is being followed, with the work of the scope; None while all open work follows the rules in force."""
    with connection.cursor() as cursor:
        cursor.execute(PROGRESS, {"teams": None if scope.teams is None else sorted(scope.teams)})
        found = cursor.fetchone()
    if found is None:
        return None
    changed_at, waiting_since, done, total = found
    if done == total:
        return None
    return RuleProgress(changed_at=changed_at, waiting_since=waiting_since, done=done, total=total)
