"""Erase a person: what goes and what stays, and the one call that erases, for command, page and API."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments import erasing
from assignments.erasing import Known, NotErasable
from assignments.erasure_models import pseudonym_of
from assignments.models import Act, Assignee, Assignment, ContactPoint, Erasure, Team
from assignments.references import person_spellings
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from notifications.phone_numbers import national_digits
from reminders.ledger import archive, erased_texts
from reminders.ledger.audit import record
from reminders.models import Attempt, Audit, Kind, OptOut, Reminder, Verification
from reminders.operations import erased_mails
from reminders.operations.contact_points import UnknownPerson
from reminders.policy.erased_words import Eraser, PersonWords, words_for
from reminders.policy.recipients import assignee_recipient, person_recipient

logger = logging.getLogger(__name__)

SECONDS_FOR_CALLERS = 10.0
"""How long a page or a call takes part in the work on texts; the scanner does the rest."""
SECONDS_FOR_PREVIEWS = 5.0
MOST_LIKEWISE = 1_000
"""Names, references and addresses of others that contain the person's, and are known to be others'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasurePlan:
    """What erasing a person would do now, in rows by what they are. `texts` are by table, `counted_all` whether there was
    time to look at all of them. `refusal` says why it cannot be done, or nothing. `login`: an account has an address of
    theirs.
    """

    person: Assignee
    pseudonym: str
    goes: Mapping[str, int]
    stays: Mapping[str, int]
    texts: Mapping[str, int]
    counted_all: bool
    refusal: str
    login: bool

    def as_json(self) -> dict[str, object]:
        return {
            "person": self.person.pk,
            "pseudonym": self.pseudonym,
            "possible": not self.refusal,
            "refusal": self.refusal,
            "goes": dict(self.goes),
            "stays": dict(self.stays),
            "texts": dict(self.texts),
            "texts_counted": self.counted_all,
            "account_with_their_address": self.login,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureState:
    """How far an erasure has come. `texts` are the rows that were changed or removed, by table."""

    person: int
    pseudonym: str
    erased_at: datetime
    finished_at: datetime | None
    texts: Mapping[str, int] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return self.finished_at is not None

    def as_json(self) -> dict[str, object]:
        return {
            "person": self.person,
            "pseudonym": self.pseudonym,
            "erased_at": self.erased_at.isoformat(),
            "finished": self.finished,
            "texts": dict(self.texts),
        }


def person_by(text: str, *, scope: TeamScope = EVERYTHING) -> Assignee:
    """The person with this reference, else with this id. Raises UnknownPerson."""
    seen = Assignee.objects.visible_to(scope)
    found = seen.filter(reference__in=person_spellings(text)).first()
    if found is None and text.isascii() and text.isdigit() and len(text) < 19:
        found = seen.filter(pk=int(text)).first()
    if found is None:
        raise UnknownPerson(gettext("there is no person with this reference or id"))
    return found


def plan_erasure(
    person_id: int, *, scope: TeamScope = EVERYTHING, seconds: float | None = SECONDS_FOR_PREVIEWS
) -> ErasurePlan:
    """What would go and what would stay; texts are counted for so many seconds.

    Raises UnknownPerson, PersonErased, or NotErasable for somebody who was merged into another person.
    """
    known, refusal = _known(person_id, scope), ""
    try:
        erasing.check_erasable(known, scope=scope)
    except NotErasable as refused:
        refusal = str(refused)
    found = erased_texts.count(_words(known), seconds=seconds)
    emails = [address for channel, address in known.addresses if channel == "email"]
    same = Q()
    for address in emails:
        same |= Q(email__iexact=address)
    return ErasurePlan(
        person=known.person,
        pseudonym=pseudonym_of(person_id),
        goes=_going(known),
        stays=_staying(known),
        texts=found.rows,
        counted_all=found.complete,
        refusal=refusal,
        login=bool(emails) and get_user_model().objects.filter(same).exists(),
    )


def erase(
    person_id: int,
    *,
    by: str,
    reason: str,
    scope: TeamScope = EVERYTHING,
    seconds: float | None = SECONDS_FOR_CALLERS,
    progress: Callable[[str], None] = lambda table: None,
) -> ErasureState:
    """Erases the person at once and takes them out of texts for so many seconds (None: until it is done).

    Of somebody who is erased already only the rest is done. Raises UnknownPerson, NotErasable or ValidationError.
    """
    reason = checked_reason(reason)
    seen = Assignee.objects.visible_to(scope).filter(pk=person_id).first()
    if seen is None:
        raise UnknownPerson(gettext("there is no person %(person_id)s") % {"person_id": person_id})
    if seen.erased_at is None:
        words = _begin(person_id, by=by, reason=reason, scope=scope)
        erased_mails.remove(words)
        logger.info("Person erased", extra={"person_id": person_id})
    elif seen.merged_into_id is not None:
        person_id = seen.merged_into_id
    erased_texts.go_on(person_id, seconds=seconds, progress=progress)
    return state_of(person_id)


def state_of(person_id: int) -> ErasureState:
    """How far the erasure of this person has come. Raises UnknownPerson where there is none."""
    merged = Assignee.objects.filter(pk=person_id).values_list("merged_into", flat=True).first()
    found = Erasure.objects.filter(pk=merged or person_id).first()
    if found is None:
        raise UnknownPerson(gettext("person %(person_id)s was not erased") % {"person_id": person_id})
    return ErasureState(
        person=found.pk,
        pseudonym=pseudonym_of(found.pk),
        erased_at=found.at,
        finished_at=found.finished_at,
        texts=dict(sorted(found.counts.items())),
    )


@atomically
def _begin(person_id: int, *, by: str, reason: str, scope: TeamScope) -> PersonWords:
    made: list[PersonWords] = []
    going: dict[str, int] = {}

    def words(known: Known) -> dict[str, object]:
        made[:] = [_words(known)]
        going.update(_going(known))
        return made[0].as_json()

    with _known_here(person_id):
        known = erasing.erase_person(person_id, words, scope=scope)
    record(
        "erase_person",
        by=by,
        reason=Eraser(made[0]).text(reason, own=True),
        selection={"person": person_id},
        before={"merged": list(known.ids[1:])},
        after={"pseudonym": pseudonym_of(person_id), "removed": going},
    )
    return made[0]


@atomically
def allow_again(person_id: int, *, by: str, reason: str) -> int:
    """Lets whoever comes with the former reference and addresses be entered, as somebody new; how many these were.

    Raises UnknownPerson, NotErasable or ValidationError.
    """
    reason = checked_reason(reason)
    with _known_here(person_id):
        keys = erasing.allow_again(person_id)
    record(
        "allow_erased_person",
        by=by,
        reason=reason,
        selection={"person": person_id},
        before={"keys": keys},
        after={"keys": 0},
    )
    return keys


# --- what is counted -------------------------------------------------------------------------------------------


def _known(person_id: int, scope: TeamScope) -> Known:
    with _known_here(person_id):
        return erasing.known_of(person_id, scope=scope)


@contextmanager
def _known_here(person_id: int) -> Iterator[None]:
    try:
        yield
    except Assignee.DoesNotExist as missing:
        raise UnknownPerson(
            gettext("there is no person %(person_id)s") % {"person_id": person_id}
        ) from missing


def _going(known: Known) -> dict[str, int]:
    points = list(ContactPoint.objects.filter(person__in=known.ids).values_list("pk", flat=True))
    return {
        "names": len(known.names),
        "references": len(known.references),
        "contact_points": len(points),
        "notes": Assignment.objects.filter(assignee__in=known.ids).exclude(answer_note="").count(),
        "verifications": Verification.objects.filter(contact_point__in=points).count(),
        "opt_outs": OptOut.objects.filter(person__in=known.ids).count(),
        "supervised_teams": Team.objects.filter(supervisors__in=known.ids).distinct().count(),
        "calendar_addresses": len(known.ids),
    }


def _staying(known: Known) -> dict[str, int]:
    to = [name for pk in known.ids for name in (assignee_recipient(pk), person_recipient(pk))]
    about = (
        Q(selection__person__in=known.ids)
        | Q(selection__kept__in=known.ids)
        | Q(selection__gone__in=known.ids)
    )
    return {
        "assignments": Assignment.objects.filter(assignee__in=known.ids).count(),
        "reminders": Reminder.objects.filter(recipient__in=to).count(),
        "attempts": Attempt.objects.filter(reminder__recipient__in=to).count(),
        "archived_reminders": archive.number_to(to),
        "acts": Act.objects.filter(actor__in=[assignee_recipient(pk) for pk in known.ids]).count(),
        "audit_entries": Audit.objects.filter(about).count(),
    }


# --- what is looked for ----------------------------------------------------------------------------------------


def _words(known: Known) -> PersonWords:
    """Their names, references and addresses as they are, and former names as far as they are recorded."""
    pseudonym = pseudonym_of(known.person.pk)
    names = dict.fromkeys((*known.names, *_former_names(known)))
    namesakes = {
        name
        for name in names
        if Assignee.objects.exclude(pk__in=known.ids).filter(name__iexact=name).exists()
    }
    own = [address for address in known.addresses if address not in known.shared]
    return words_for(
        pseudonym=pseudonym,
        ids=known.ids,
        names=[name for name in names if name != pseudonym],
        references=known.references,
        addresses=[
            (channel, address, national_digits(address) if channel == "sms" else "")
            for channel, address in own
        ],
        namesakes=namesakes | known.namesakes,
        likewise=_likewise((*names, *known.references, *(address for _, address in own)), known),
    )


def _former_names(known: Known) -> Iterable[str]:
    """By which the admin and webhooks have named them."""
    logged = LogEntry.objects.filter(
        content_type__app_label="assignments",
        content_type__model="assignee",
        object_id__in=[str(pk) for pk in known.ids],
    )
    told = Reminder.objects.filter(
        assignment__in=Assignment.objects.filter(assignee__in=known.ids).values("pk"),
        kind=Kind.EVENT,
        payload__assignment__assignee__id__in=known.ids,
    ).values_list("payload__assignment__assignee__name", flat=True)
    merged = Audit.objects.filter(action="merge_people", selection__gone__in=known.ids)
    return (
        str(name)
        for name in (
            *logged.values_list("object_repr", flat=True).distinct(),
            *told.distinct(),
            *merged.values_list("before__name", flat=True),
        )
        if name
    )


def _likewise(words: Iterable[str], known: Known) -> list[str]:
    """What others are called in which one of these words occurs."""
    others = Assignee.objects.exclude(pk__in=known.ids).filter(merged_into=None)
    found: list[str] = []
    for word in words:
        for name in ("name", "reference", "email"):
            rows = others.filter(**{f"{name}__icontains": word}).exclude(**{f"{name}__iexact": word})
            found += [str(one) for one in rows.values_list(name, flat=True)[:MOST_LIKEWISE]]
        points = ContactPoint.objects.exclude(person__in=known.ids).filter(address__icontains=word)
        found += points.exclude(address__iexact=word).values_list("address", flat=True)[:MOST_LIKEWISE]
    return found
