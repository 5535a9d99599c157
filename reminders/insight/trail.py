"""What people and programs did, in sentences and in the order of time: the audit trail, with the changes of work in it."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.direction import isolated
from assignments.models import Assignee, Assignment, ChangeRecord
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.teams import effective_team_sql
from reminders.insight.change_words import Names, as_act, sentence
from reminders.insight.stored_words import actor_in_words, reason_in_words
from reminders.models import Audit

CHANGE = "change"
"""The kind of a change of work that no other line of the trail tells of."""

TOLD_BY = ("move", "cancel", "reassign", "close_as_not_done")
"""Actions of operators that make changes of work: those are told with them."""

TOGETHER = timedelta(seconds=30)
"""An action and the changes that it makes are recorded within this time."""

MOST_SEARCHED = 5_000
"""Actions, the latest, among which those are looked for that concern the teams of a limited reader."""

MOST_NAMED = 3
"""Assignments that one sentence names; of the others it says how many they are."""

PHRASES = {
    "reset": _("reset the reminder status of {work}"),
    "resend": _("had the reminder of {work} planned again"),
    "remind_now": _("reminded the assignee of {work} at once"),
    "close_as_not_done": _("closed {work} as not done"),
    "reassign": _("gave {work} to somebody else"),
    "move": _("moved {work}"),
    "cancel": _("cancelled {work}"),
    "create": _("entered {work}"),
    "confirm": _("confirmed {work} for its assignee"),
    "decline": _("declined {work} for its assignee"),
    "on_my_way": _("said that the assignee of {work} is on the way"),
    "late": _("said that {work} begins later"),
    "start": _("started {work}"),
    "complete": _("completed {work}"),
    "pause": _("paused all sending"),
    "resume": _("resumed sending"),
    "rescan": _("had all work scanned"),
    "purge": _("emptied the queue"),
    "subscribe": _("added a webhook"),
    "change_subscription": _("changed a webhook"),
    "rotate_secret": _("gave a webhook another secret"),
    "unsubscribe": _("removed a webhook"),
    "add_rule": _("added the rule {name}"),
    "change_rule": _("changed the rule {name}"),
    "remove_rule": _("removed the rule {name}"),
    "add_calendar": _("added the calendar {name}"),
    "change_calendar": _("changed the calendar {name}"),
    "remove_calendar": _("removed the calendar {name}"),
    "poll_calendar": _("had a calendar polled"),
    "accept_calendar": _("cancelled what is gone from a calendar"),
    "import_table": _("imported the table {name}"),
    "finish_import": _("finished an import"),
    "save_import_mapping": _("saved the mapping {name}"),
    "remove_import_mapping": _("removed the mapping {name}"),
    "save_template": _("saved a text of messages"),
    "restore_template": _("put a former text of messages into use again"),
    "deactivate_template": _("switched off a text of messages"),
    "add_contact_point": _("added an address of {person}"),
    "move_contact_point": _("put the addresses of {person} in another order"),
    "remove_contact_point": _("removed an address of {person}"),
    "change_contact_point": _("changed an address of {person}"),
    "opt_in_contact_point": _("undid the opt-out of an address of {person}"),
    "mark_contact_point_working": _("marked an address of {person} as working"),
    "send_verification": _("had an address of {person} verified"),
    "renew_calendar_link": _("renewed the calendar address of {person}"),
    "revoke_calendar_link": _("revoked the calendar address of {person}"),
    "renew_team_calendar_link": _("renewed the calendar address of the team {name}"),
    "revoke_team_calendar_link": _("revoked the calendar address of the team {name}"),
    "undo_opt_out": _("undid an opt-out of {person}"),
    "change_quiet_hours": _("changed the quiet hours of {person}"),
    "change_language": _("changed the language of {person}"),
    "merge_people": _("merged {name} into {person}"),
    "export_person": _("exported what is known of {person}"),
    "erase_person": _("erased {person}"),
    "allow_erased_person": _("allowed the former reference and addresses of {person} again"),
    "create_token": _("made the API token {name}"),
    "revoke_token": _("revoked the API token {name}"),
    "limit_user": _("limited {name} to teams"),
    "sign_in": _("signed in"),
    "fail_sign_in": _("tried to sign in as {name}"),
    "change_password": _("changed the own password"),
    "add_second_factor": _("added a second factor"),
    "remove_second_factor": _("removed a second factor"),
    "renew_recovery_codes": _("made new recovery codes"),
    "reset_second_factors": _("reset the second factors of {name}"),
    "end_sessions": _("ended sessions of {name}"),
    "add_person": _("added the account {name}"),
    "connect_person": _("connected the account {name}"),
    "change_role": _("changed the role of {name}"),
    "switch_off_schedule": _("switched off a part of the schedule"),
    "switch_on_schedule": _("switched on a part of the schedule"),
    "correct_schedule": _("corrected the schedule"),
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


# Of an action it names assignments as keys of `before` and `after`, or in `ids`; a person or a team by its id.
_NUMBER = "~ '^[0-9]+$'"
_KEYS = """SELECT k::bigint FROM jsonb_object_keys(
                   CASE jsonb_typeof(x.{column}) WHEN 'object' THEN x.{column} ELSE '{{}}' END) k WHERE k """
_ID = f"CASE WHEN x.selection ->> '{{name}}' {_NUMBER} THEN (x.selection ->> '{{name}}')::bigint END"
_CONCERNS = f"""
    SELECT x.id FROM (SELECT * FROM {Audit._meta.db_table} ORDER BY at DESC, id DESC LIMIT {MOST_SEARCHED}) x
    WHERE EXISTS (
            SELECT FROM assignments_assignment a
            WHERE {effective_team_sql("a")} = ANY(%s::bigint[]) AND a.id = ANY(ARRAY(
                {_KEYS.format(column="before")}{_NUMBER} UNION {_KEYS.format(column="after")}{_NUMBER} UNION
                SELECT k::bigint FROM jsonb_array_elements_text(
                    CASE jsonb_typeof(x.selection -> 'ids') WHEN 'array' THEN x.selection -> 'ids' ELSE '[]' END) k
                WHERE k {_NUMBER})))
       OR EXISTS (
            SELECT FROM assignments_assignee p
            WHERE p.team_id = ANY(%s::bigint[])
              AND p.id = COALESCE({_ID.format(name="person")}, {_ID.format(name="kept")}))
       OR {_ID.format(name="team")} = ANY(%s::bigint[])
"""  # noqa: S608 - our own constants


def entries(asked: TrailFilter, scope: TeamScope = EVERYTHING) -> QuerySet[Any]:
    """Which records there are, the latest first: their `source` ("audit" or "change"), `id` and `at`.

    A limited reader gets those about the work and the people of their teams, and about the teams themselves.
    """
    audit, changes = Audit.objects.order_by(), ChangeRecord.objects.visible_to(scope).order_by()
    if scope.teams is not None:
        audit = audit.filter(pk__in=RawSQL(_CONCERNS, [sorted(scope.teams)] * 3))  # noqa: S611
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


def lines(found: Sequence[Mapping[str, Any]], scope: TeamScope = EVERYTHING) -> list[TrailLine]:
    """These records in sentences; changes that an action on the same page has made are told with it.

    A limited reader hears of the work of their teams alone, and gets no `details`.
    """
    audits = Audit.objects.in_bulk([one["id"] for one in found if one["source"] == "audit"])
    changes = ChangeRecord.objects.in_bulk([one["id"] for one in found if one["source"] == "change"])
    of_action = _of_actions(audits.values(), changes.values())
    told = {change.pk for own in of_action.values() for change in own}
    told_of = _Subjects(
        works=_titles(audits.values(), changes.values(), scope),
        people=_people(audits.values(), scope),
        names=Names.of(changes.values(), scope),
        seen=_seen(audits.values(), scope),
    )
    made = []
    for one in found:
        if one["source"] == "audit" and one["id"] in audits:
            audit = audits[one["id"]]
            made.append(_line_of_audit(audit, of_action.get(audit.pk, []), told_of))
        elif one["id"] in changes and one["source"] == "change" and one["id"] not in told:
            made.append(_line_of_change(changes[one["id"]], told_of))
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subjects:
    """What the records of a page are about, as far as the reader may see it. `seen`: the assignments of actions, None where
    the reader sees everything.
    """

    works: Mapping[int, str]
    people: Mapping[int, str]
    names: Names
    seen: Set[int] | None

    def ids(self, audit: Audit) -> list[int]:
        return [pk for pk in _ids(audit) if self.seen is None or pk in self.seen]


def actions(scope: TeamScope = EVERYTHING) -> list[str]:
    """The kinds of lines that there are."""
    if scope.limited:
        return [
            CHANGE,
            *sorted(
                name
                for name, phrase in PHRASES.items()
                if "{work}" in str(phrase) or "{person}" in str(phrase)
            ),
        ]
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


def _line_of_audit(audit: Audit, changes: Sequence[ChangeRecord], told_of: _Subjects) -> TrailLine:
    ids, works, names = told_of.ids(audit), told_of.works, told_of.names
    phrase = str(
        PHRASES.get(audit.action) or gettext("did “%(action)s”") % {"action": audit.action.replace("_", " ")}
    )
    if len(ids) == 1 and len(changes) == 1 and audit.action != "close_as_not_done":
        phrase = as_act(changes[0], names)
    before, _, after = phrase.partition("{work}")
    values = {"name": _name(audit), "person": _person(audit, told_of.people)}
    return TrailLine(
        at=audit.at,
        actor=actor_in_words(audit.actor),
        before=_filled(before, values),
        works=[TrailWork(id=pk, title=works.get(pk, f"#{pk}")) for pk in ids[:MOST_NAMED]]
        if "{work}" in phrase
        else [],
        more=max(0, len(ids) - MOST_NAMED) if "{work}" in phrase else 0,
        after=_filled(after, values),
        kind=audit.action,
        reason=reason_in_words(audit.reason)
        if len(ids) == len(_ids(audit))
        else "",  # It may be about the work of others.
        sentences=[
            f"{isolated(works.get(one.assignment_id, ''))} (#{one.assignment_id}): {sentence(one, names)}"
            for one in changes
        ]
        if len(ids) > 1
        else [],
        details={}
        if told_of.seen is not None
        else {"selection": audit.selection, "before": audit.before, "after": audit.after},
    )


def _line_of_change(change: ChangeRecord, told_of: _Subjects) -> TrailLine:
    before, _, after = as_act(change, told_of.names).partition("{work}")
    pk = change.assignment_id
    return TrailLine(
        at=change.at,
        actor=actor_in_words(change.actor) or gettext("somebody"),
        before=before,
        works=[TrailWork(id=pk, title=told_of.works.get(pk, f"#{pk}"))],
        more=0,
        after=after,
        kind=CHANGE,
        reason="",
        sentences=[],
        details={}
        if told_of.seen is not None
        else {
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


def _seen(audits: Iterable[Audit], scope: TeamScope) -> Set[int] | None:
    """Those of the assignments of these actions that a limited reader sees; None for any other reader."""
    if not scope.limited:
        return None
    ids = {pk for audit in audits for pk in _ids(audit)}
    return set(Assignment.objects.visible_to(scope).filter(pk__in=ids).values_list("pk", flat=True))


def _titles(audits: Iterable[Audit], changes: Iterable[ChangeRecord], scope: TeamScope) -> dict[int, str]:
    """The titles of the assignments that sentences name, in one query."""
    most = None if scope.limited else MOST_NAMED
    ids = {pk for audit in audits for pk in _ids(audit)[:most]} | {one.assignment_id for one in changes}
    return (
        dict(Assignment.objects.visible_to(scope).filter(pk__in=ids).values_list("pk", "title"))
        if ids
        else {}
    )


def _people(audits: Iterable[Audit], scope: TeamScope) -> dict[int, str]:
    ids = {pk for audit in audits if (pk := _person_id(audit))}
    return (
        dict(Assignee.objects.visible_to(scope).filter(pk__in=ids).values_list("pk", "name")) if ids else {}
    )


def _person_id(audit: Audit) -> int:
    selection = audit.selection if isinstance(audit.selection, dict) else {}
    found = selection.get("person", selection.get("kept"))
    return int(str(found)) if str(found).isdigit() else 0


def _person(audit: Audit, people: Mapping[int, str]) -> str:
    pk = _person_id(audit)
    return isolated(people.get(pk) or gettext("person %(pk)s") % {"pk": pk}) if pk else gettext("a person")


def _name(audit: Audit) -> str:
    """What a record calls the thing that it is about; '' where it says nothing."""
    for part in (audit.after, audit.before, audit.selection):
        for name in ("name", "file", "username", "user"):
            if isinstance(part, dict) and part.get(name):
                return gettext("“%(name)s”") % {"name": isolated(str(part[name]))}
    return ""


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text.rstrip(": ") if text.endswith(": ") else text
