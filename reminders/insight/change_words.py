"""Changes of assignments in sentences: "Moved from 2026-06-15 13:00:00 UTC to ... by olga, as an operator."."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from assignments.direction import isolated
from assignments.models import Assignee, ChangeRecord, Status, Team, Way
from assignments.team_scope import EVERYTHING, TeamScope
from reminders.insight.explain.wording import WAYS, moment


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the people and teams that changes are about, by id."""

    people: Mapping[int, str]
    teams: Mapping[int, str]

    @classmethod
    def of(cls, changes: Iterable[ChangeRecord], scope: TeamScope = EVERYTHING) -> Self:
        """Looked up in two queries, or in none where no change is about people or teams. Outside of the scope nobody and
        nothing has a name.
        """
        records = list(changes)
        people, teams = _ids(records, "assignee_id"), _ids(records, "team_id")
        return cls(
            dict(Assignee.objects.visible_to(scope).filter(pk__in=people).values_list("pk", "name"))
            if people
            else {},
            dict(Team.objects.visible_to(scope).filter(pk__in=teams).values_list("pk", "name"))
            if teams
            else {},
        )

    def person(self, pk: object) -> str:
        return isolated(self.people.get(_whole(pk)) or f"person {pk}")

    def team(self, pk: object) -> str:
        return isolated(self.teams.get(_whole(pk)) or f"team {pk}")


def what_changed(change: ChangeRecord, names: Names) -> str:
    """What has become of the work, without a full stop: "moved from ... to ..., given to Ada"."""
    return ", ".join(_parts(change.before, change.after, names)) or "changed"


def sentence(change: ChangeRecord, names: Names) -> str:
    """The same with who did it, as a sentence."""
    said = what_changed(change, names)
    return f"{said[:1].upper()}{said[1:]}{_by(change)}."


ACTIVE = {
    "moved from": "moved {work} from",
    "given to": "gave {work} to",
    "taken away from": "took {work} away from",
    "cancelled": "cancelled {work}",
    "put back": "put {work} back",
    "put into": "put {work} into",
    "taken out of": "took {work} out of",
    "renamed from": "renamed {work} from",
    "status changed": "changed the status of {work}",
    "its end changed": "changed the end of {work}",
    "its place changed": "changed the place of {work}",
    "its lead changed": "changed the lead of {work}",
    "changed": "changed {work}",
}


def as_act(change: ChangeRecord, names: Names) -> str:
    """The same as who did it goes on: "moved {work} from ... to ..."; `{work}` stands for the assignment."""
    said = what_changed(change, names).replace("{work}", "{ work }")
    begin = next(passive for passive in ACTIVE if said.startswith(passive))
    return ACTIVE[begin] + said[len(begin) :]


def _by(change: ChangeRecord) -> str:
    if not change.actor:
        return ""
    via = "" if change.via == Way.OPS else f", {WAYS[Way(change.via)]}" if change.via else ""
    return f" by {isolated(change.actor)}{via}"


def _parts(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> Iterator[str]:
    for name, say in SAYINGS.items():
        if name in after and (said := say(before, after, names)):
            yield said


Saying = Callable[[Mapping[str, Any], Mapping[str, Any], Names], str]


def _status(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> str:
    if after["status"] == Status.CANCELLED:
        return "cancelled"
    if before["status"] == Status.CANCELLED:
        return "put back"
    return f"status changed from {before['status']} to {after['status']}"


def _start(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> str:
    said = f"moved from {_moment(before['scheduled_start'])} to {_moment(after['scheduled_start'])}"
    return said if _keeps_length(before, after) else f"{said}, until {_moment(after['scheduled_end'])}"


def _end(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> str:
    if "scheduled_start" in after:
        return ""
    return f"its end changed from {_moment(before['scheduled_end'])} to {_moment(after['scheduled_end'])}"


def _keeps_length(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether there is nothing to say of the end beside the start."""
    if "scheduled_end" not in after:
        return True
    if not (before["scheduled_end"] and after["scheduled_end"]):
        return False
    lengths = {_at(one["scheduled_end"]) - _at(one["scheduled_start"]) for one in (before, after)}
    return len(lengths) == 1


def _assignee(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> str:
    former, new = before["assignee_id"], after["assignee_id"]
    if former and new:
        return f"given to {names.person(new)} in place of {names.person(former)}"
    return f"given to {names.person(new)}" if new else f"taken away from {names.person(former)}"


def _team(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> str:
    former, new = before["team_id"], after["team_id"]
    return f"put into team {names.team(new)}" if new else f"taken out of team {names.team(former)}"


def _title(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> str:
    return f"renamed from “{isolated(before['title'])}” to “{isolated(after['title'])}”"


def _place(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> str:
    former, new = (f"“{isolated(one['location'])}”" if one["location"] else "none" for one in (before, after))
    return f"its place changed from {former} to {new}"


def _lead(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> str:
    former, new = (
        "the default" if one["lead_minutes"] is None else f"{one['lead_minutes']} minutes"
        for one in (before, after)
    )
    return f"its lead changed from {former} to {new}"


SAYINGS: Mapping[str, Saying] = {
    "status": _status,
    "scheduled_start": _start,
    "scheduled_end": _end,
    "assignee_id": _assignee,
    "team_id": _team,
    "title": _title,
    "location": _place,
    "lead_minutes": _lead,
}
"""How the change of each field is said, in the order in which a sentence has them."""


def _at(text: Any) -> datetime:
    return datetime.fromisoformat(text)


def _moment(text: Any) -> str:
    return moment(_at(text)) if text else "none"


def _ids(changes: Iterable[ChangeRecord], name: str) -> set[int]:
    return {
        int(values[name])
        for change in changes
        for values in (change.before, change.after)
        if values.get(name)
    }


def _whole(pk: object) -> int:
    return int(str(pk)) if str(pk).isdigit() else 0
