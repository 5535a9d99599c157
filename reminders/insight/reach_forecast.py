"""Whom messages will not reach on a day to come, and why, while there is time to do something about it."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

from assignments.clock import database_now
from assignments.contact_point import ContactPoint
from assignments.instants import known_zone
from assignments.models import Assignee, Assignment, Team
from reminders.conf import ReminderConfig
from reminders.insight import awareness
from reminders.ledger.awareness import REACHABLE, of_assignments
from reminders.ledger.briefs import want_no_reminders
from reminders.ledger.fragments import ANY_OPT_OUT
from reminders.ledger.sql import run
from reminders.policy.awareness import DOES_NOT_KNOW, Unreachable, cause_of
from reminders.policy.wall_clock import local_day

MOST_DAYS_AHEAD = 7
MOST_LISTED = 1_000
MOST_COUNTED = 10_000

_OF_DAY = """a.status = 'SCHEDULED' AND a.scheduled_start >= greatest(%(since)s, statement_timestamp())
    AND a.scheduled_start < %(until)s"""
_COUNT = f"SELECT count(*) FROM (SELECT FROM assignments_assignment a WHERE {_OF_DAY} AND {{team}} LIMIT %(most)s) work"  # noqa: S608
# Those who may not be reached; who of them knows already, and which rules they have opted out of, is asked of these alone.
_CANDIDATES = f"""
    SELECT a.id, {REACHABLE} FROM assignments_assignment a
    WHERE {_OF_DAY} AND {{team}}
      AND (a.assignee_id IS NULL OR NOT {REACHABLE}
           OR ({ANY_OPT_OUT} AND EXISTS (
               SELECT FROM reminders_optout o WHERE o.person_id = a.assignee_id AND o.undone_at IS NULL)))
    ORDER BY a.scheduled_start, a.id LIMIT %(most)s
"""  # noqa: S608 - our own constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """Work whose assignee does not know of it, and whom no message will reach."""

    assignment: Assignment
    cause: Unreachable

    @property
    def person(self) -> Assignee | None:
        return self.assignment.assignee


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachForecast:
    """One day in one zone, from `since` up to `until` (outside). `work` is how many assignments start then, MOST_COUNTED
    at most. `truncated`: more than MOST_LISTED would have to be looked at."""

    day: date
    zone: str
    since: datetime
    until: datetime
    work: int
    unreached: Sequence[Unreached]
    truncated: bool

    @property
    def by_cause(self) -> dict[Unreachable, int]:
        """How many there are of each cause, in the order of the causes."""
        found = Counter(one.cause for one in self.unreached)
        return {cause: found[cause] for cause in Unreachable}


def reach_forecast(
    *, days_ahead: int, team: int | None, teams: Collection[int] | None, config: ReminderConfig
) -> ReachForecast:
    """Whom no message reaches on the day so many days after today, in the zone of the team that is asked for, or of the
    installation. `teams`: those whose work is looked at, None for all. What is left of today, where `days_ahead` is 0.
    """
    zone = zone_of(team)
    day, since, until = local_day(database_now(), days_ahead=days_ahead, zone=zone)
    condition = "TRUE" if teams is None else awareness.OF_TEAM
    asked = awareness.parameters(config) | {"since": since, "until": until, "teams": sorted(teams or ())}
    with connection.cursor() as cursor:
        run(cursor, _COUNT.format(team=condition), asked | {"most": MOST_COUNTED})
        work = int(cursor.fetchone()[0])
        run(cursor, _CANDIDATES.format(team=condition), asked | {"most": MOST_LISTED + 1})
        found = dict(cursor.fetchall())
    listed = list(found)[:MOST_LISTED]
    known = of_assignments(listed, config=config)
    unaware = [pk for pk in listed if pk in known and known[pk].rung in DOES_NOT_KNOW]
    refused = want_no_reminders([pk for pk in unaware if found[pk]], config)
    rows = Assignment.objects.filter(pk__in=unaware).select_related("assignee", "team", "assignee__team")
    work_of = {one.pk: one for one in rows}
    addresses = _causes({one.assignee_id for one in work_of.values() if one.assignee_id is not None}, config)
    unreached = []
    for pk in unaware:
        person = work_of[pk].assignee_id
        cause = (
            Unreachable.UNASSIGNED
            if person is None
            else addresses[person] or (Unreachable.OPTED_OUT if pk in refused else None)
        )
        if cause is not None:
            unreached.append(Unreached(assignment=work_of[pk], cause=cause))
    return ReachForecast(
        day=day,
        zone=zone.key,
        since=since,
        until=until,
        work=work,
        unreached=unreached,
        truncated=len(found) > MOST_LISTED,
    )


def zone_of(team: int | None) -> ZoneInfo:
    """The zone of this team, or of the installation."""
    own = None if team is None else Team.objects.filter(pk=team).values_list("time_zone", flat=True).first()
    return known_zone(own or settings.TIME_ZONE) or ZoneInfo("UTC")


def _causes(people: Iterable[int], config: ReminderConfig) -> dict[int, Unreachable | None]:
    """Why each of these people is not reached by messages at all; None where they are."""
    points: dict[int, list[ContactPoint]] = {pk: [] for pk in people}
    for point in ContactPoint.objects.filter(person__in=points):
        points[point.person_id].append(point)
    return {pk: cause_of(awareness.addresses_of(own, config)) for pk, own in points.items()}
