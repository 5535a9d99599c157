"""What people and programs did, in sentences and in the order of time: the audit trail, with the changes of work in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import CharField, Q, QuerySet, Value

from assignments.direction import isolated
from assignments.models import Assignee, Assignment, ChangeRecord
from reminders.insight.change_words import Names, as_act, sentence
from reminders.models import Audit

CHANGE = "change"
"""The kind of a change of work that no other line of the trail tells of."""

TOLD_BY = ("move", "cancel", "reassign", "close_as_not_done")
"""Actions of operators that make changes of work: those are told with them."""

TOGETHER = timedelta(seconds=30)
"""An action and the changes that it makes are recorded within this time."""

MOST_NAMED = 3
"""Assignments that one sentence names; of the others it says how many they are."""

PHRASES = {
    "reset": "reset the reminder status of {work}",
    "resend": "had the reminder of {work} planned again",
    "remind_now": "reminded the assignee of {work} at once",
    "close_as_not_done": "closed {work} as not done",
    "reassign": "gave {work} to somebody else",
    "move": "moved {work}",
    "cancel": "cancelled {work}",
    "create": "entered {work}",
    "confirm": "confirmed {work} for its assignee",
    "decline": "declined {work} for its assignee",
    "on_my_way": "said that the assignee of {work} is on the way",
    "late": "said that {work} begins later",
    "start": "started {work}",
    "complete": "completed {work}",
    "pause": "paused all sending",
    "resume": "resumed sending",
    "rescan": "had all work scanned",
    "purge": "emptied the queue",
    "subscribe": "added a webhook",
    "change_subscription": "changed a webhook",
    "rotate_secret": "gave a webhook another secret",
    "unsubscribe": "removed a webhook",
    "add_rule": "added the rule {name}",
    "change_rule": "changed the rule {name}",
    "remove_rule": "removed the rule {name}",
    "add_calendar": "added the calendar {name}",
    "change_calendar": "changed the calendar {name}",
    "remove_calendar": "removed the calendar {name}",
    "poll_calendar": "had a calendar polled",
    "accept_calendar": "cancelled what is gone from a calendar",
    "import_table": "imported the table {name}",
    "finish_import": "finished an import",
    "save_import_mapping": "saved the mapping {name}",
    "remove_import_mapping": "removed the mapping {name}",
    "add_contact_point": "added an address of {person}",
    "move_contact_point": "put the addresses of {person} in another order",
    "remove_contact_point": "removed an address of {person}",
    "change_contact_point": "changed an address of {person}",
    "opt_in_contact_point": "undid the opt-out of an address of {person}",
    "mark_contact_point_working": "marked an address of {person} as working",
    "send_verification": "had an address of {person} verified",
    "renew_calendar_link": "renewed the calendar address of {person}",
    "revoke_calendar_link": "revoked the calendar address of {person}",
    "renew_team_calendar_link": "renewed the calendar address of the team {name}",
    "revoke_team_calendar_link": "revoked the calendar address of the team {name}",
    "undo_opt_out": "undid an opt-out of {person}",
    "merge_people": "merged two entries of one person: {name}",
    "create_token": "made the API token {name}",
    "revoke_token": "revoked the API token {name}",
    "limit_user": "limited {name} to teams",
}
"""What each action is as a sentence goes on after its actor; `{name}` and `{person}` are what its record names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailWork:
    """An assignment that a line is about."""

    id: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailLine:
    """One line: `actor`, then `before`, the assignments `works` (and `more` that are not named), and `after`, is a sentence.

    `sentences` say of each of several assignments what has become of it. `details` is the record itself, by name.
    """

    at: datetime
    actor: str
    before: str
    works: Sequence[TrailWork]
    more: int
    after: str
    kind: str
    reason: str
    sentences: Sequence[str]
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailFilter:
    """What the trail is narrowed down to. `kind` is an action or CHANGE, `actor` a whole name, `text` a part of a name or a
    reason; '' and None: any."""

    kind: str = ""
    actor: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


def entries(asked: TrailFilter) -> QuerySet[Any]:
    """Which records there are, the latest first: their `source` ("audit" or "change"), `id` and `at`."""
    audit, changes = Audit.objects.order_by(), ChangeRecord.objects.order_by()
    if asked.actor:
        audit, changes = audit.filter(actor=asked.actor), changes.filter(actor=asked.actor)
    if asked.since:
        audit, changes = audit.filter(at__gte=asked.since), changes.filter(at__gte=asked.since)
    if asked.until:
        audit, changes = audit.filter(at__lt=asked.until), changes.filter(at__lt=asked.until)
    if asked.text:
        audit = audit.filter(Q(actor__icontains=asked.text) | Q(reason__icontains=asked.text))
        changes = changes.filter(actor=asked.text)
    if asked.kind and asked.kind != CHANGE:
        return _named(audit.filter(action=asked.kind), "audit").order_by("-at", "-id")
    if asked.kind == CHANGE:
        return _named(changes, "change").order_by("-at", "-id")
    both = _named(audit, "audit").union(_named(changes, "change"), all=True)
    return both.order_by("-at", "-id")


def _named(rows: QuerySet[Any], source: str) -> QuerySet[Any]:
    return rows.values("at", "id", source=Value(source, output_field=CharField()))


def lines(found: Sequence[Mapping[str, Any]]) -> list[TrailLine]:
    """These records in sentences; changes that an action on the same page has made are told with it."""
    audits = Audit.objects.in_bulk([one["id"] for one in found if one["source"] == "audit"])
    changes = ChangeRecord.objects.in_bulk([one["id"] for one in found if one["source"] == "change"])
    of_action = _of_actions(audits.values(), changes.values())
    told = {change.pk for own in of_action.values() for change in own}
    works = _titles(audits.values(), changes.values())
    people = _people(audits.values())
    names = Names.of(changes.values())
    made = []
    for one in found:
        if one["source"] == "audit" and one["id"] in audits:
            audit = audits[one["id"]]
            made.append(_line_of_audit(audit, of_action.get(audit.pk, []), works, people, names))
        elif one["id"] in changes and one["source"] == "change" and one["id"] not in told:
            made.append(_line_of_change(changes[one["id"]], works, names))
    return made


def actions() -> list[str]:
    """The kinds of lines that there are."""
    return [CHANGE, *Audit.objects.order_by("action").values_list("action", flat=True).distinct()]


def _of_actions(audits: Iterable[Audit], changes: Iterable[ChangeRecord]) -> dict[int, list[ChangeRecord]]:
    """The changes that each action has made, by the id of its record."""
    left = {change.pk: change for change in changes}
    found: dict[int, list[ChangeRecord]] = {}
    for audit in audits:
        if audit.action in TOLD_BY:
            ids = set(_ids(audit))
            own = [
                change
                for change in left.values()
                if change.assignment_id in ids
                and change.actor == audit.actor
                and abs(change.at - audit.at) < TOGETHER
            ]
            found[audit.pk] = own
            for change in own:
                del left[change.pk]
    return found


def _line_of_audit(
    audit: Audit,
    changes: Sequence[ChangeRecord],
    works: Mapping[int, str],
    people: Mapping[int, str],
    names: Names,
) -> TrailLine:
    ids = _ids(audit)
    phrase = PHRASES.get(audit.action, f"did “{audit.action.replace('_', ' ')}”")
    if len(ids) == 1 and len(changes) == 1 and audit.action != "close_as_not_done":
        phrase = as_act(changes[0], names)
    before, _, after = phrase.partition("{work}")
    values = {"name": _name(audit), "person": _person(audit, people)}
    return TrailLine(
        at=audit.at,
        actor=audit.actor,
        before=_filled(before, values),
        works=[TrailWork(id=pk, title=works.get(pk, f"#{pk}")) for pk in ids[:MOST_NAMED]]
        if "{work}" in phrase
        else [],
        more=max(0, len(ids) - MOST_NAMED) if "{work}" in phrase else 0,
        after=_filled(after, values),
        kind=audit.action,
        reason=audit.reason,
        sentences=[
            f"{isolated(works.get(one.assignment_id, ''))} (#{one.assignment_id}): {sentence(one, names)}"
            for one in changes
        ]
        if len(ids) > 1
        else [],
        details={"selection": audit.selection, "before": audit.before, "after": audit.after},
    )


def _line_of_change(change: ChangeRecord, works: Mapping[int, str], names: Names) -> TrailLine:
    before, _, after = as_act(change, names).partition("{work}")
    pk = change.assignment_id
    return TrailLine(
        at=change.at,
        actor=change.actor or "somebody",
        before=before,
        works=[TrailWork(id=pk, title=works.get(pk, f"#{pk}"))],
        more=0,
        after=after,
        kind=CHANGE,
        reason="",
        sentences=[],
        details={
            "version": change.version,
            "via": change.via,
            "before": change.before,
            "after": change.after,
        },
    )


def _ids(audit: Audit) -> list[int]:
    """The assignments that an action was carried out on."""
    named = audit.before if all(str(key).isdigit() for key in audit.before) and audit.before else {}
    if not named and audit.after and all(str(key).isdigit() for key in audit.after):
        named = audit.after
    given = audit.selection.get("ids") if isinstance(audit.selection, dict) else None
    ids = list(named) or (given if isinstance(given, list) else [])
    return [int(one) for one in ids if str(one).isdigit()]


def _titles(audits: Iterable[Audit], changes: Iterable[ChangeRecord]) -> dict[int, str]:
    """The titles of the assignments that sentences name, in one query."""
    ids = {pk for audit in audits for pk in _ids(audit)[:MOST_NAMED]} | {one.assignment_id for one in changes}
    return dict(Assignment.objects.filter(pk__in=ids).values_list("pk", "title")) if ids else {}


def _people(audits: Iterable[Audit]) -> dict[int, str]:
    ids = {pk for audit in audits if (pk := _person_id(audit))}
    return dict(Assignee.objects.filter(pk__in=ids).values_list("pk", "name")) if ids else {}


def _person_id(audit: Audit) -> int:
    found = audit.selection.get("person") if isinstance(audit.selection, dict) else None
    return int(str(found)) if str(found).isdigit() else 0


def _person(audit: Audit, people: Mapping[int, str]) -> str:
    pk = _person_id(audit)
    return isolated(people.get(pk) or f"person {pk}") if pk else "a person"


def _name(audit: Audit) -> str:
    """What a record calls the thing that it is about; '' where it says nothing."""
    for part in (audit.after, audit.before, audit.selection):
        for name in ("name", "file", "username", "user"):
            if isinstance(part, dict) and part.get(name):
                return f"“{isolated(str(part[name]))}”"
    return ""


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text.rstrip(": ") if text.endswith(": ") else text
