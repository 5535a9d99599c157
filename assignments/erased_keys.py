"""Keyed hashes of the references and addresses of erased people: nobody is entered under them again by mistake."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.contact_point import ContactChannel
from assignments.erasure_models import ErasedKey
from assignments.models import Assignee
from assignments.references import person_key
from assignments.refusals import Refused

SALT = "assignments.erased_keys"
KINDS = {"reference": "reference", "email": ContactChannel.EMAIL, "phone": ContactChannel.SMS}
"""The fields of a person by which they may come back, and what each is hashed as."""
FORMER = _(
    "the person who had this reference or address was erased, and is not entered again under it "
    "(docs/privacy.md says how an operator allows it)"
)


class PersonErased(Refused):
    """The person was erased, and is not brought back under the reference or the addresses that they had."""

    code = "erased"


def refusal_of(person: Assignee) -> PersonErased:
    """For whoever means an erased person by id."""
    return PersonErased(
        gettext("person %(pk)s was erased: they get no work, no name and no addresses any more")
        % {"pk": person.pk}
    )


def check_present(people: Iterable[Assignee]) -> None:
    """Raises PersonErased where one of these was erased."""
    for person in people:
        if person.erased_at is not None:
            raise refusal_of(person)


def check_assignable(ids: Iterable[int]) -> None:
    """Raises PersonErased where one of these was erased; an erasure waits until the caller's transaction has ended."""
    wanted = sorted(set(ids))
    if not wanted:
        return
    with connection.cursor() as cursor:
        # Every row is locked, so that an erasure that is under way is waited for.
        cursor.execute(
            "SELECT id, erased_at FROM assignments_assignee WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE",
            [wanted],
        )
        check_present(Assignee(pk=pk, erased_at=erased_at) for pk, erased_at in cursor.fetchall())


class FormerPeople:
    """Which of these values, each in stored form, were an erased person's reference or address. One query, or two."""

    def __init__(self, given: Sequence[Mapping[str, Any]]) -> None:
        self._known: set[str] = set()
        if ErasedKey.objects.exists():
            keys = {key for values in given for key in _keys_of(values)}
            self._known = set(ErasedKey.objects.filter(key__in=keys).values_list("key", flat=True))

    def check(self, values: Mapping[str, Any]) -> None:
        """Raises PersonErased where one of the values was an erased person's."""
        if self._known and not self._known.isdisjoint(_keys_of(values)):
            raise PersonErased(FORMER)


def check_values(values: Mapping[str, Any]) -> None:
    """Raises PersonErased where the reference, e-mail address or phone was that of somebody who was erased."""
    FormerPeople([values]).check(values)


def check_address(channel: str, address: str) -> None:
    """The same for an address of any channel."""
    if ErasedKey.objects.filter(key__in=list(_hashes(channel, address))).exists():
        raise PersonErased(FORMER)


def keep(person: Assignee, *, references: Iterable[str], addresses: Iterable[tuple[str, str]]) -> int:
    """Remembers these of an erased person; returns how many. `addresses` are channel and address."""
    keys = {_hash("reference", one, settings.SECRET_KEY) for one in references}
    keys |= {_hash(channel, address, settings.SECRET_KEY) for channel, address in addresses}
    ErasedKey.objects.bulk_create(
        [ErasedKey(person=person, key=key) for key in sorted(keys)], ignore_conflicts=True
    )
    return len(keys)


def forget(person_id: int) -> int:
    """Whoever comes with these references and addresses is a new person from now on; returns how many they were."""
    return ErasedKey.objects.filter(person=person_id).delete()[0]


def _keys_of(values: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in KINDS.items():
        if value := values.get(name):
            yield from _hashes(kind, str(value))


def _hashes(kind: str, text: str) -> Iterator[str]:
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        yield _hash(kind, text, secret)


def _hash(kind: str, text: str, secret: str) -> str:
    same = person_key(text) if kind == "reference" else text if kind == ContactChannel.CHAT else text.lower()
    return salted_hmac(SALT, f"{kind}\n{same}", secret=secret, algorithm="sha256").hexdigest()
