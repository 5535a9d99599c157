"""Teams: every change of one, to which an assignment belongs, and what a limited caller may give."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models.functions import Now
from django.utils.translation import gettext

from assignments.erased_keys import check_assignable
from assignments.models import Assignee, Assignment, Team
from assignments.references import normalized
from assignments.signals import circumstances_changed, supervision_changed
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from assignments.validation import check_team, differing, stored_form
from assignments.wording import quoted

TEAM_FIELDS = ("name", "time_zone", "quiet_from", "quiet_until", "organisation", "phone", "reply_to")


class UnknownTeam(Exception):
    """There is no team with this id."""


class TeamInUse(Exception):
    """The team has people or assignments, so it cannot be removed."""


def effective_team(assignment: Assignment) -> Team | None:
    """The team to which work belongs: its own, else that of its assignee."""
    if assignment.team is not None or assignment.assignee is None:
        return assignment.team
    return assignment.assignee.team


def effective_team_id(assignment: Assignment) -> int | None:
    """The id of the same, without a look at the team."""
    if assignment.team_id is not None or assignment.assignee is None:
        return assignment.team_id
    return assignment.assignee.team_id


def effective_team_sql(assignments: str) -> str:
    """The same as an SQL expression; `assignments` is the alias of a row with `team_id` and `assignee_id`."""
    of_assignee = f"SELECT team_id FROM assignments_assignee WHERE id = {assignments}.assignee_id"  # noqa: S608
    return f"coalesce({assignments}.team_id, ({of_assignee}))"


def check_within(scope: TeamScope, team_id: int | None) -> None:
    """Raises ValidationError where a limited caller would put something outside of its teams."""
    if not scope.holds(team_id):
        message = gettext(
            "this would belong to none of the teams that the caller is limited to: one of them is needed"
        )
        raise ValidationError({"team": ValidationError(message, code="outside")})


def all_names() -> dict[int, str]:
    """Every team's name by its id."""
    return dict(Team.objects.values_list("id", "name"))


class TeamNames:
    """The teams that a caller sees, by name or id; read once, when the first is asked for.

    Without `by_id` a number names none: another system's ids are other teams' here.
    """

    def __init__(self, scope: TeamScope, *, by_id: bool = True) -> None:
        self._scope = scope
        self._by_id = by_id

    @cached_property
    def _ids(self) -> dict[str, int]:
        return dict(Team.objects.visible_to(self._scope).values_list("name", "id"))

    def id_of(self, given: int | str | None) -> int | None:
        """The team with this name or, as a number, this id; None for None. Raises ValidationError."""
        if given is None:
            return None
        if isinstance(given, int):
            found = given if self._by_id and given in self._ids.values() else None
        else:
            found = self._ids.get(normalized(given))
        if found is None:
            message = gettext("there is no team %(given)s: the name of one is needed") % {
                "given": quoted(given)
            }
            raise ValidationError({"team": ValidationError(message, code="unknown")})
        return found

    def resolved(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values with `team_id` in place of `team`, where that is given. Raises ValidationError."""
        if "team" not in values:
            return dict(values)
        named = {name: value for name, value in values.items() if name != "team"}
        return {**named, "team_id": self.id_of(values["team"])}


@atomically
def add_team(*, supervisors: Iterable[int] = (), scope: TeamScope = EVERYTHING, **values: Any) -> Team:
    """Creates a team. Raises ValidationError, which names the field."""
    team = Team(**stored_form(values))
    check_team(team, TEAM_FIELDS)
    team.validate_unique()
    people = _people(supervisors, scope)
    team.save()
    team.supervisors.set(people)
    return team


@atomically
def change_team(pk: int, changes: Mapping[str, Any], *, scope: TeamScope = EVERYTHING) -> Team:
    """Writes the given fields; `supervisors` are ids of people. Raises UnknownTeam or ValidationError."""
    team = _locked(pk, scope)
    given = dict(changes)
    supervisors = given.pop("supervisors", None)
    changed = differing(team, stored_form(given))
    unknown = set(changed) - set(TEAM_FIELDS)
    if unknown:
        raise ValueError(f"not writable: {sorted(unknown)}")
    if changed:
        for name, value in changed.items():
            setattr(team, name, value)
        check_team(team, changed)
        team.validate_unique()
        team.save(update_fields=sorted(changed))
        Team.objects.filter(pk=pk).update(updated_at=Now())
        if changed.keys() & {"quiet_from", "quiet_until"}:
            circumstances_changed.send(sender=Team, assignments=[], people=[], teams=[pk])
    if supervisors is not None:
        _supervise(team, supervisors, scope)
    return team


@atomically
def remove_team(pk: int) -> None:
    """Removes a team that nobody and nothing belongs to. Raises UnknownTeam or TeamInUse."""
    team = _locked(pk, EVERYTHING)
    people, work = team.people.count(), team.assignments.count()
    if people or work:
        raise TeamInUse(
            gettext(
                "team %(pk)s has %(people)s people and %(work)s assignments: give them another team, or none, "
                "first"
            )
            % {"pk": pk, "people": people, "work": work}
        )
    team.delete()


def _supervise(team: Team, ids: Iterable[int], scope: TeamScope) -> None:
    wanted = set(ids)
    present = set(team.supervisors.values_list("pk", flat=True))
    if wanted == present:
        return
    team.supervisors.set(_people(wanted, scope, present))
    Team.objects.filter(pk=team.pk).update(updated_at=Now())
    supervision_changed.send(sender=Team)


def _people(ids: Iterable[int], scope: TeamScope, present: Iterable[int] = ()) -> list[int]:
    """These people, whom the caller sees or who supervise the team already. Raises ValidationError."""
    wanted = set(ids)
    known = set(
        Assignee.objects.visible_to(scope).filter(pk__in=wanted, erased_at=None).values_list("pk", flat=True)
    ) | wanted.intersection(present)
    if missing := sorted(wanted - known):
        message = gettext("there is no person %(list)s") % {"list": ", ".join(map(str, missing))}
        raise ValidationError({"supervisors": ValidationError(message, code="unknown")})
    check_assignable(known)
    return sorted(known)


def _locked(pk: int, scope: TeamScope) -> Team:
    found = Team.objects.visible_to(scope).select_for_update().filter(pk=pk).first()
    if found is None:
        raise UnknownTeam(gettext("there is no team %(pk)s") % {"pk": pk})
    return found
