"""Erasing a person: what is known of them goes, and a pseudonym stays where figures and history need somebody.

This is the first step, in one transaction: from then on nobody can find, reach or assign them. Texts that name them are
for who calls it, by what `erase_person` returns.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext

from assignments import erased_keys
from assignments.change_record import ChangeRecord
from assignments.clock import database_now
from assignments.contact_point import ContactPoint
from assignments.contact_points import same_address
from assignments.erased_keys import check_present
from assignments.erasure_models import Erasure, pseudonym_of
from assignments.locks import lock_imports
from assignments.models import Act, Assignee, Assignment, Status, Team
from assignments.refusals import Refused
from assignments.signals import person_erased, supervision_changed
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from assignments.validators import default_language, default_time_zone
from assignments.wording import quoted

OPEN = (Status.SCHEDULED, Status.IN_PROGRESS)
NAMED = 5
"""Open assignments that a refusal names."""


class NotErasable(Refused):
    """The person cannot be erased, or not now."""

    code = "not_erasable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a person by which they could be found. `ids`: theirs, and those of people who were merged into them.

    `addresses` are channel and address; `shared` are those of them that other people have too, `namesakes` whether another
    person has the same name.
    """

    person: Assignee
    ids: tuple[int, ...]
    names: tuple[str, ...]
    references: tuple[str, ...]
    addresses: tuple[tuple[str, str], ...]
    shared: frozenset[tuple[str, str]]
    namesakes: frozenset[str]


def known_of(person_id: int, *, scope: TeamScope = EVERYTHING) -> Known:
    """Raises Assignee.DoesNotExist, PersonErased, or NotErasable for somebody who was merged into another."""
    person = Assignee.objects.visible_to(scope).get(pk=person_id)
    check_present([person])
    if person.merged_into_id is not None:
        raise NotErasable(
            gettext("person %(person_id)s was merged into person %(merged_into_id)s: erase that one")
            % {"person_id": person_id, "merged_into_id": person.merged_into_id}
        )
    people = [person, *person.merged_people.order_by("pk")]
    ids = tuple(one.pk for one in people)
    points = ContactPoint.objects.filter(person__in=ids).values_list("channel", "address")
    columns = [(channel, getattr(person, name)) for name, channel in (("email", "email"), ("phone", "sms"))]
    addresses = dict.fromkeys((*((str(c), str(a)) for c, a in points), *(one for one in columns if one[1])))
    names = tuple(dict.fromkeys(one.name for one in people))
    others = Assignee.objects.exclude(pk__in=ids)
    return Known(
        person=person,
        ids=ids,
        names=names,
        references=tuple(one.reference for one in people if one.reference),
        addresses=tuple(addresses),
        shared=frozenset(one for one in addresses if _is_of_others(one, ids)),
        namesakes=frozenset(one for one in names if others.filter(name__iexact=one).exists()),
    )


def check_erasable(known: Known, *, scope: TeamScope = EVERYTHING) -> None:
    """Raises NotErasable, with what is in the way: work that is still to be done, or work outside of the caller's teams."""
    person = known.person
    work = Assignment.objects.filter(assignee__in=known.ids)
    teams = set(Team.objects.filter(supervisors__in=known.ids).values_list("pk", flat=True))
    if scope.limited:
        if work.visible_to(scope).count() < work.count():
            raise NotErasable(gettext("person %(pk)s has work outside of your teams") % {"pk": person.pk})
        if not teams <= (scope.teams or frozenset()):
            raise NotErasable(gettext("person %(pk)s supervises teams outside of yours") % {"pk": person.pk})
    still_open = work.filter(status__in=OPEN).order_by("scheduled_start", "pk")
    first = list(still_open[: NAMED + 1])
    if first:
        named = ", ".join(f"{one.pk} {quoted(one.title)}" for one in first[:NAMED])
        more = (
            gettext(" and %(value)s more") % {"value": still_open.count() - NAMED}
            if len(first) > NAMED
            else ""
        )
        raise NotErasable(
            gettext(
                "person %(pk)s has work that is still to be done: %(named)s%(more)s. Complete it, cancel it or "
                "give it to somebody else first"
            )
            % {"pk": person.pk, "named": named, "more": more}
        )


@atomically
def erase_person(person_id: int, words: Any, *, scope: TeamScope = EVERYTHING) -> Known:
    """Removes what is known of the person in the tables of this package; returns what it was.

    `words` makes what is looked for in texts afterwards of what is known (`Erasure.words`). Sends `person_erased`.
    Raises Assignee.DoesNotExist, PersonErased or NotErasable.
    """
    lock_imports()
    # Against everybody who gives them work (`erased_keys.check_assignable`) or changes them.
    family = Q(pk=person_id) | Q(merged_into=person_id)
    list(Assignee.objects.select_for_update().filter(family).order_by("pk").values_list("pk"))
    known = known_of(person_id, scope=scope)
    check_erasable(known, scope=scope)
    person, now = known.person, database_now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        [xid] = cursor.fetchone()
    Erasure.objects.create(person=person, at=now, xid=xid, words=words(known))
    person_erased.send(sender=Assignee, person=person.pk, ids=known.ids)
    erased_keys.keep(
        person,
        references=known.references,
        addresses=[one for one in known.addresses if one not in known.shared],
    )
    ContactPoint.objects.filter(person__in=known.ids).delete()
    for team in Team.objects.filter(supervisors__in=known.ids).distinct().order_by("pk"):
        team.supervisors.remove(*known.ids)
    Assignment.objects.filter(assignee__in=known.ids).exclude(answer_note="").update(answer_note="")
    for pk in known.ids:
        Assignee.objects.filter(pk=pk).update(
            name=pseudonym_of(person.pk),
            reference=None,
            email="",
            phone="",
            way="",
            time_zone=default_time_zone(),
            language=default_language(),
            quiet_from=None,
            quiet_until=None,
            calendar_number=Assignee.objects.get(pk=pk).calendar_number + 1,
            calendar_revoked_at=now,
            erased_at=now,
            updated_at=now,
        )
    supervision_changed.send(sender=Assignee)
    return known


@atomically
def allow_again(person_id: int) -> int:
    """Forgets under which reference and addresses the erased person was known; returns how many they were.

    The erased person stays erased: whoever comes with them is entered anew. Raises Assignee.DoesNotExist or NotErasable.
    """
    person = Assignee.objects.select_for_update(no_key=True).get(pk=person_id)
    if person.erased_at is None:
        raise NotErasable(gettext("person %(person_id)s was not erased") % {"person_id": person_id})
    return erased_keys.forget(person_id)


def work_of(ids: Iterable[int]) -> set[int]:
    """The assignments that are, or have been, these people's, as far as the record of changes and acts tells."""
    wanted = list(ids)
    acted = Act.objects.filter(actor__in=[f"assignee:{pk}" for pk in wanted])
    changed = ChangeRecord.objects.filter(
        Q(before__assignee_id__in=wanted) | Q(after__assignee_id__in=wanted)
    )
    return {
        *Assignment.objects.filter(assignee__in=wanted).values_list("pk", flat=True),
        *acted.values_list("assignment", flat=True),
        *changed.values_list("assignment", flat=True),
    }


def _is_of_others(address: tuple[str, str], ids: tuple[int, ...]) -> bool:
    channel, text = same_address(*address)
    points = ContactPoint.objects.filter(channel=channel).exclude(person__in=ids)
    if channel == "email":
        return points.annotate(lower=Lower("address")).filter(lower=text).exists()
    return points.filter(address=text).exists()
