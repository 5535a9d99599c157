"""What is known of a person, for command, page and API alike. That somebody has asked is in the audit trail."""

from typing import Any

from django.utils.translation import gettext

from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from reminders.insight.person_export import person_export
from reminders.ledger.audit import record
from reminders.operations.contact_points import person_of


class MergedPerson(Refused):
    """They are known as somebody else."""

    code = "merged"


def export_person(person_id: int, *, by: str, scope: TeamScope = EVERYTHING) -> dict[str, Any]:
    """Everything that is kept of them as plain JSON values. Raises UnknownPerson or MergedPerson."""
    person = person_of(person_id, scope=scope)
    if person.merged_into_id is not None:
        raise MergedPerson(
            gettext("person %(pk)s was merged into person %(merged_into_id)s: ask for that one")
            % {"pk": person.pk, "merged_into_id": person.merged_into_id}
        )
    found = person_export(person)
    record("export_person", by=by, reason="", selection={"person": person.pk})
    return found
