"""Recipients of the ledger by the names that people know."""

from collections.abc import Collection, Iterable, Mapping

from django.db.models import QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from assignments.direction import isolated
from assignments.models import Assignee
from reminders.policy import recipients

NUMBERED = {
    "assignee": _("assignee %(pk)s"),
    "person": _("person %(pk)s"),
    "subscription": _("subscription %(pk)s"),
}
"""Recipients by number."""


def numbered(key: str) -> str:
    """A recipient by number, in the reader's language: "assignee 42"."""
    kind, _colon, pk = key.partition(":")
    return gettext(NUMBERED[kind]) % {"pk": pk} if kind in NUMBERED else key.replace(":", " ")


def named_and_numbered(name: str, key: str) -> str:
    """A recipient by name and number; by number alone where there is no name."""
    return f"{isolated(name)} ({numbered(key)})" if name else numbered(key)


def recipient_names(keys: Collection[str], people: QuerySet[Assignee]) -> dict[str, str]:
    """The names of these recipients, by how the ledger calls them, in one query; those that are not among the people, and
    programs, by number.
    """
    return names_of(keys, people_among(keys, people))


def people_among(keys: Iterable[str], people: QuerySet[Assignee]) -> dict[str, tuple[int, str]]:
    """Id and name of those recipients who are among these people, by how the ledger calls them, in one query."""
    ids = {key: recipients.person_behind(key) for key in keys}
    wanted = [pk for pk in ids.values() if pk is not None]
    names = dict(people.filter(pk__in=wanted).values_list("pk", "name")) if wanted else {}
    return {key: (pk, names[pk]) for key, pk in ids.items() if pk in names}


def names_of(keys: Iterable[str], known: Mapping[str, tuple[int, str]]) -> dict[str, str]:
    """The names of these recipients; of whoever is not `known`, by number."""
    return {
        key: gettext("Ops") if recipients.is_ops(key) else known[key][1] if key in known else numbered(key)
        for key in keys
    }


def former_names(keys: Iterable[str], people: QuerySet[Assignee]) -> dict[str, str]:
    """Those of these people who had work before, or supervised it, by name and number; no query where there is nobody."""
    unknown = [key for key in keys if recipients.person_behind(key) is not None]
    known = people_among(unknown, people) if unknown else {}
    return {key: named_and_numbered(name, key) for key, (_, name) in known.items()}


def supervisor_name(name: str, recipient: str) -> str:
    """A supervisor by name and number, as explanations and previews name them."""
    return gettext("%(name)s (supervisor, %(replace)s)") % {
        "name": isolated(name),
        "replace": numbered(recipient),
    }
