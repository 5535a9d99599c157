"""Changes of assignments in sentences: "Moved from 2026-06-15 13:00:00 UTC to ... by olga, as an operator."."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.utils.translation import gettext

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
        return isolated(self.people.get(_whole(pk)) or gettext("person %(pk)s") % {"pk": pk})

    def team(self, pk: object) -> str:
        return isolated(self.teams.get(_whole(pk)) or gettext("team %(pk)s") % {"pk": pk})


@dataclass(frozen=True, slots=True)
class _Said:
    """One change in both of its forms: as what has become of the work, and as what somebody did to it, where `{work}` stands
    for the assignment.
    """

    passive: str
    active: str


def what_changed(change: ChangeRecord, names: Names) -> str:
    """What has become of the work, without a full stop: "moved from ... to ..., given to Ada"."""
    return ", ".join(said.passive for said in _parts(change.before, change.after, names)) or gettext(
        "changed"
    )


def sentence(change: ChangeRecord, names: Names) -> str:
    """The same with who did it, as a sentence."""
    said = what_changed(change, names)
    said = f"{said[:1].upper()}{said[1:]}"
    if not change.actor:
        return f"{said}."
    via = "" if change.via == Way.OPS else f", {WAYS[Way(change.via)]}" if change.via else ""
    return gettext("%(said)s by %(actor)s%(via)s.") % {
        "said": said,
        "actor": isolated(change.actor),
        "via": via,
    }


def as_act(change: ChangeRecord, names: Names) -> str:
    """The same as who did it goes on: "moved {work} from ... to ..."; `{work}` stands for the assignment."""
    first, *others = list(_parts(change.before, change.after, names)) or [
        _said(gettext("changed"), gettext("changed {work}"), {})
    ]
    return ", ".join([first.active, *(said.passive.replace("{work}", "{ work }") for said in others)])


def _said(passive: str, active: str, values: Mapping[str, str]) -> _Said:
    harmless = {name: value.replace("{work}", "{ work }") for name, value in values.items()}
    return _Said(passive % values if values else passive, active % harmless if values else active)


def _parts(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> Iterator[_Said]:
    for name, say in SAYINGS.items():
        if name in after and (said := say(before, after, names)):
            yield said


Saying = Callable[[Mapping[str, Any], Mapping[str, Any], Names], _Said | None]


def _status(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> _Said:
    if after["status"] == Status.CANCELLED:
        return _said(gettext("cancelled"), gettext("cancelled {work}"), {})
    if before["status"] == Status.CANCELLED:
        return _said(gettext("put back"), gettext("put {work} back"), {})
    return _said(
        gettext("status changed from %(former)s to %(new)s"),
        gettext("changed the status of {work} from %(former)s to %(new)s"),
        {"former": before["status"], "new": after["status"]},
    )


def _start(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> _Said:
    values = {"former": _moment(before["scheduled_start"]), "new": _moment(after["scheduled_start"])}
    if _keeps_length(before, after):
        return _said(
            gettext("moved from %(former)s to %(new)s"),
            gettext("moved {work} from %(former)s to %(new)s"),
            values,
        )
    return _said(
        gettext("moved from %(former)s to %(new)s, until %(end)s"),
        gettext("moved {work} from %(former)s to %(new)s, until %(end)s"),
        {**values, "end": _moment(after["scheduled_end"])},
    )


def _end(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> _Said | None:
    if "scheduled_start" in after:
        return None
    return _said(
        gettext("its end changed from %(former)s to %(new)s"),
        gettext("changed the end of {work} from %(former)s to %(new)s"),
        {"former": _moment(before["scheduled_end"]), "new": _moment(after["scheduled_end"])},
    )


def _keeps_length(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether there is nothing to say of the end beside the start."""
    if "scheduled_end" not in after:
        return True
    if not (before["scheduled_end"] and after["scheduled_end"]):
        return False
    lengths = {_at(one["scheduled_end"]) - _at(one["scheduled_start"]) for one in (before, after)}
    return len(lengths) == 1


def _assignee(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> _Said:
    former, new = before["assignee_id"], after["assignee_id"]
    if former and new:
        return _said(
            gettext("given to %(new)s in place of %(former)s"),
            gettext("gave {work} to %(new)s in place of %(former)s"),
            {"new": names.person(new), "former": names.person(former)},
        )
    if new:
        return _said(
            gettext("given to %(new)s"), gettext("gave {work} to %(new)s"), {"new": names.person(new)}
        )
    return _said(
        gettext("taken away from %(former)s"),
        gettext("took {work} away from %(former)s"),
        {"former": names.person(former)},
    )


def _team(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> _Said:
    former, new = before["team_id"], after["team_id"]
    if new:
        return _said(
            gettext("put into team %(team)s"),
            gettext("put {work} into team %(team)s"),
            {"team": names.team(new)},
        )
    return _said(
        gettext("taken out of team %(team)s"),
        gettext("took {work} out of team %(team)s"),
        {"team": names.team(former)},
    )


def _title(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> _Said:
    return _said(
        gettext("renamed from “%(former)s” to “%(new)s”"),
        gettext("renamed {work} from “%(former)s” to “%(new)s”"),
        {"former": isolated(before["title"]), "new": isolated(after["title"])},
    )


def _place(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> _Said:
    former, new = (
        gettext("“%(place)s”") % {"place": isolated(one["location"])} if one["location"] else gettext("none")
        for one in (before, after)
    )
    return _said(
        gettext("its place changed from %(former)s to %(new)s"),
        gettext("changed the place of {work} from %(former)s to %(new)s"),
        {"former": former, "new": new},
    )


def _lead(before: Mapping[str, Any], after: Mapping[str, Any], names: Names) -> _Said:
    former, new = (
        gettext("the default")
        if one["lead_minutes"] is None
        else gettext("%(minutes)s minutes") % {"minutes": one["lead_minutes"]}
        for one in (before, after)
    )
    return _said(
        gettext("its lead changed from %(former)s to %(new)s"),
        gettext("changed the lead of {work} from %(former)s to %(new)s"),
        {"former": former, "new": new},
    )


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
    return moment(_at(text)) if text else gettext("none")


def _ids(changes: Iterable[ChangeRecord], name: str) -> set[int]:
    return {
        int(values[name])
        for change in changes
        for values in (change.before, change.after)
        if values.get(name)
    }


def _whole(pk: object) -> int:
    return int(str(pk)) if str(pk).isdigit() else 0
