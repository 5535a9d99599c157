"""Recipients of the ledger by the names that people know."""

from collections.abc import Iterable

from django.db.models import QuerySet

from assignments.direction import isolated
from assignments.models import Assignee
from reminders.policy import recipients


def recipient_names(keys: Iterable[str], people: QuerySet[Assignee]) -> dict[str, str]:
    """The names of these recipients, by how the ledger calls them, in one query; those that are not among the people, and
    programs, by number.
    """
    given = set(keys)
    ids = {key: recipients.assignee_id_of(key) or recipients.person_id_of(key) for key in given}
    wanted = [pk for pk in ids.values() if pk is not None]
    names = dict(people.filter(pk__in=wanted).values_list("pk", "name")) if wanted else {}
    return {
        key: "Ops" if recipients.is_ops(key) else names.get(ids[key] or 0, key.replace(":", " "))
        for key in given
    }


def supervisor_name(name: str, recipient: str) -> str:
    """A supervisor by name and number, as explanations and previews name them."""
    return f"{isolated(name)} (supervisor, {recipient.replace(':', ' ')})"
