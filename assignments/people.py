"""Who an assignee is, and every change of one.

A person is known by `reference`; without one, by e-mail address (compared without case) and name, because several
people may share an address; without an address, by name among those who have neither. Whoever has a reference is
changed only by it, or by id.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext

from assignments.clock import database_now
from assignments.erased_keys import FormerPeople, check_present, check_values
from assignments.locks import lock_keys
from assignments.models import Assignee
from assignments.references import hidden_references, person_key, person_spellings
from assignments.set_based import BATCH_SIZE, update_columns
from assignments.signals import circumstances_changed, contact_changed, supervision_changed
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.teams import TeamNames, check_within
from assignments.transactions import atomically
from assignments.validation import check_assignee, differing, stored_name, stored_person
from assignments.wording import quoted

CONTACT_FIELDS = (
    *("reference", "name", "email", "phone", "time_zone", "language"),
    *("team_id", "quiet_from", "quiet_until"),
)
REACHED_BY = {"email", "phone"}
IDENTIFIED_BY = {"reference", "email", "phone"}
SUPERVISED_BY = {"team_id", "email"}
"""What decides who supervises the work: the person's team, and whether a supervisor has an address."""
TIMED_BY = {"team_id", "time_zone", "quiet_from", "quiet_until"}
"""What decides, beside the plan, when the person is reminded."""


@atomically
def add_assignee(*, scope: TeamScope = EVERYTHING, **values: Any) -> Assignee:
    """Creates an assignee, who belongs to the caller's team if none is given.

    Raises ValidationError, by field, or PersonErased.
    """
    named = {"team_id": scope.only_team, **TeamNames(scope).resolved(values)}
    values = stored_person(named)
    check_values(values)
    assignee = _unsaved(values, now=database_now())
    check_within(scope, assignee.team_id)
    _check_reference(assignee)
    assignee.save()
    return assignee


@atomically
def change_assignee(pk: int, changes: Mapping[str, Any], *, scope: TeamScope = EVERYTHING) -> Assignee:
    """Writes the given fields of an assignee; sends `contact_changed` if the person can be reached another way now.

    Raises Assignee.DoesNotExist, PersonErased or ValidationError.
    """
    assignee = Assignee.objects.visible_to(scope).select_for_update(no_key=True).get(pk=pk)
    check_present([assignee])
    written = _apply(assignee, TeamNames(scope).resolved(changes), now=database_now())
    if not written:
        return assignee
    check_within(scope, assignee.team_id)
    if written & IDENTIFIED_BY:
        check_values({name: getattr(assignee, name) for name in written & IDENTIFIED_BY})
    if "reference" in written:
        _check_reference(assignee)
    assignee.save(update_fields=sorted(written))
    if written & REACHED_BY:
        contact_changed.send(sender=Assignee, ids=[pk])
    if written & TIMED_BY:
        circumstances_changed.send(sender=Assignee, assignments=[], people=[pk], teams=[])
    if written & SUPERVISED_BY:
        supervision_changed.send(sender=Assignee)
    return assignee


@atomically
def identify(
    given: Mapping[str, Any], *, scope: TeamScope = EVERYTHING, team_id: int | None = None
) -> Assignee:
    """The person that another system means, created where nobody is meant yet; see `Directory.identify`."""
    lock_keys([lock_key(given)])
    directory = Directory([given], now=database_now(), scope=scope)
    person = directory.identify(given, team_id=team_id)
    directory.write()
    return person


def lock_key(given: Mapping[str, Any]) -> str:
    """What calls that mean the same person have in common."""
    values = stored_person(given)
    reference = values.get("reference")
    key = values.get("id") or (reference and person_key(reference)) or (values.get("email") or "").lower()
    return f"assignee {key or values.get('name')}"


class Directory:
    """The people whom the rows of one call may mean, locked, in the order of their ids.

    The caller has locked their keys (`assignments.locks`). Changes are made in memory; `write` stores them. A limited
    caller means nobody outside of its teams.
    """

    def __init__(
        self,
        given: Sequence[Mapping[str, Any]],
        *,
        now: datetime,
        scope: TeamScope = EVERYTHING,
        teams: TeamNames | None = None,
    ) -> None:
        self._now = now
        self._scope = scope
        self._teams = teams or TeamNames(scope)
        self._by_id: dict[int, Assignee] = {}
        self._by_reference: dict[str, Assignee] = {}
        self._by_email: defaultdict[str, defaultdict[str, list[Assignee]]] = defaultdict(_lists)
        self._by_name: dict[str, Assignee] = {}
        self._aliases: dict[str, Assignee] = {}
        self._created: list[Assignee] = []
        self._changed: dict[int, set[str]] = {}
        wanted = [stored_person(one) for one in given]
        self._former = FormerPeople(wanted)
        emails = {one["email"] for one in wanted if one.get("email")}
        references = {s for one in wanted if one.get("reference") for s in person_spellings(one["reference"])}
        candidates = (
            Q(pk__in={one["id"] for one in wanted if one.get("id")})
            | Q(reference__in=references)
            | Q(email_key__in={email.lower() for email in emails})
            | Q(email__in=emails)  # The database's lower() may know fewer letters than Python's.
            | Q(name__in={one["name"] for one in wanted if _is_bare_name(one)}, email="", reference=None)
        )
        seen = Assignee.objects.visible_to(scope)
        if scope.limited:
            seen |= Assignee.objects.filter(merged_into__in=seen.values("pk"))
        people = seen.annotate(email_key=Lower("email")).filter(candidates)
        found = list(people.select_for_update(no_key=True).order_by("pk"))
        for person in found:
            if person.merged_into_id is None:
                self._by_id[person.pk] = person
                if person.erased_at is None:
                    self._index(person)
        self._take_merged([person for person in found if person.merged_into_id is not None])
        named = Assignee.objects.filter(reference__in=references)
        self._references_of_others = hidden_references(scope, named, self._by_id, person_key)

    def identify(self, given: Mapping[str, Any], *, team_id: int | None = None) -> Assignee:
        """The one person who is meant, with the other values that are given written to them in memory.

        Without a name the address must belong to one person; where it belongs to nobody, it becomes the name.
        A person who has a reference and is found without it is not changed. `team_id` is the team of somebody new for
        whom a limited caller gives none. Raises ValidationError, by field, or PersonErased.
        """
        values = self._teams.resolved(stored_person(given))
        wanted = values.pop("id", None)
        if wanted is not None:
            person = self._by_id.get(wanted)
            if person is None:
                message = gettext("there is no assignee with id %(wanted)s") % {"wanted": quoted(wanted)}
                raise ValidationError({"id": ValidationError(message, code="unknown")})
            check_present([person])
        elif alias := self._aliases.get(person_key(values.get("reference") or "")):
            return alias  # It is another one's by now, who is changed by their own reference.
        elif values.get("reference"):
            person = self._of_reference(values["reference"])
        else:
            values.pop("reference", None)
            person = self._find_unreferenced(values)
            if person is not None:
                if person.reference is not None:
                    return person
                values.pop("email", None)
        self._check_reference_is_free(values.get("reference"), person)
        if person is None:
            self._former.check(values)
            if not values.get("name"):
                values["name"] = values.get("email", "")
            if self._scope.limited and "team_id" not in values:
                values["team_id"] = self._scope.only_team or team_id
            check_within(self._scope, values.get("team_id"))
            person = _unsaved(values, now=self._now)
            self._created.append(person)
            self._index(person)
        elif written := _apply(person, values, now=self._now):
            self._former.check({name: getattr(person, name) for name in written & IDENTIFIED_BY})
            check_within(self._scope, person.team_id)
            self._index(person)
            if person.pk is not None:
                self._changed.setdefault(person.pk, set()).update(written)
        return person

    def _find_unreferenced(self, values: dict[str, Any]) -> Assignee | None:
        email, name = values.get("email"), values.get("name")
        if not email:
            found = self._by_name.get(name or "")
            return found if found is not None and not found.email and found.reference is None else None
        at_address = self._by_email[email.lower()]
        if name and name.lower() != email.lower():
            matching = [one for one in at_address[name] if stored_name(one.name) == name]
        else:
            values.pop("name", None)
            everybody = [one for sharing in at_address.values() for one in sharing]
            matching = [one for one in everybody if one.name.lower() == email.lower()] or everybody
            if len({one.name for one in matching}) > 1:
                message = gettext("%(number)s people share %(email)s: a name or a reference is needed") % {
                    "number": len(matching),
                    "email": quoted(email),
                }
                raise ValidationError({"name": ValidationError(message, code="ambiguous")})
        matching = [one for one in matching if one.email.lower() == email.lower()]
        # Of two who cannot be told apart, the one who can be changed without a reference.
        return min(matching, key=lambda one: one.reference is not None, default=None)

    def _check_reference_is_free(self, reference: str | None, person: Assignee | None) -> None:
        owner = self._of_reference(reference) if reference else None
        taken = reference is not None and person_key(reference) in self._references_of_others
        if (owner is not None and owner is not person) or taken:
            message = gettext("%(reference)s is another person's reference already") % {
                "reference": quoted(reference)
            }
            raise ValidationError({"reference": ValidationError(message, code="duplicate")})

    def _take_merged(self, shells: Sequence[Assignee]) -> None:
        """Ids and references of people who were merged into others mean those others."""
        meant = Assignee.objects.visible_to(self._scope).filter(pk__in={one.merged_into_id for one in shells})
        for person in meant.exclude(pk__in=self._by_id).select_for_update(no_key=True).order_by("pk"):
            self._by_id[person.pk] = person
            self._index(person)
        for shell in shells:
            if (present := self._by_id.get(shell.merged_into_id or 0)) is not None:
                self._by_id[shell.pk] = present
                if shell.reference is not None:
                    self._aliases[person_key(shell.reference)] = present

    def _of_reference(self, reference: str) -> Assignee | None:
        """Whoever has it: of two who have it in two spellings, since an earlier release, who has this one."""
        return self._by_reference.get(reference) or self._by_reference.get(person_key(reference))

    def _index(self, person: Assignee) -> None:
        if person.reference is not None:
            self._by_reference[person.reference] = person
            self._by_reference.setdefault(person_key(person.reference), person)
        name = stored_name(person.name)
        if person.email and person not in (sharing := self._by_email[person.email.lower()][name]):
            sharing.append(person)
        if not person.email and person.reference is None:
            self._by_name.setdefault(name, person)

    def write(self) -> None:
        """Stores who is new and who has changed; sends `contact_changed` for those who can be reached another way."""
        Assignee.objects.bulk_create(self._created, batch_size=BATCH_SIZE)
        changed = [self._by_id[pk] for pk in self._changed]
        update_columns(changed, (*CONTACT_FIELDS, "updated_at"))
        reached = sorted(pk for pk, written in self._changed.items() if written & REACHED_BY)
        if reached:
            contact_changed.send(sender=Assignee, ids=reached)
        if timed := sorted(pk for pk, written in self._changed.items() if written & TIMED_BY):
            circumstances_changed.send(sender=Assignee, assignments=[], people=timed, teams=[])
        if any(written & SUPERVISED_BY for written in self._changed.values()):
            supervision_changed.send(sender=Assignee)


def _check_reference(assignee: Assignee) -> None:
    """Raises ValidationError where somebody else has this reference, in whichever spelling."""
    assignee.validate_unique()
    if assignee.reference is None:
        return
    named = Assignee.objects.filter(reference__in=person_spellings(assignee.reference))
    if named.exclude(pk=assignee.pk).exists():
        message = gettext("%(reference)s is another person's reference already") % {
            "reference": quoted(assignee.reference)
        }
        raise ValidationError({"reference": ValidationError(message, code="unique")})


def _is_bare_name(values: Mapping[str, Any]) -> bool:
    return bool(values.get("name")) and not any(values.get(key) for key in ("id", "reference", "email"))


def _lists() -> defaultdict[str, list[Assignee]]:
    return defaultdict(list)


def _unsaved(values: Mapping[str, Any], *, now: datetime) -> Assignee:
    assignee = Assignee(**values, created_at=now, updated_at=now)
    check_assignee(assignee, CONTACT_FIELDS)
    return assignee


def _apply(assignee: Assignee, changes: Mapping[str, object], *, now: datetime) -> set[str]:
    """Gives a locked assignee these values in memory; returns the names of the fields that changed."""
    changed = differing(assignee, stored_person(changes))
    unknown = set(changed) - set(CONTACT_FIELDS)
    if unknown:
        raise ValueError(f"not writable: {sorted(unknown)}")
    if not changed:
        return set()
    for name, value in changed.items():
        setattr(assignee, name, value)
    check_assignee(assignee, changed)
    assignee.updated_at = now
    return {*changed, "updated_at"}
