"""Saved mappings: every change of one. Names are found in any case."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models.functions import Now
from django.utils.translation import gettext

from assignments.direction import without_controls
from assignments.import_models import ImportMapping
from assignments.imports.tables.mapping import TableMapping, checked_mapping
from assignments.locks import lock_keys
from assignments.references import normalized
from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.teams import check_within
from assignments.transactions import atomically
from assignments.wording import quoted


class UnknownMapping(Refused):
    """There is none with this id or name."""

    code = "unknown_mapping"


def find_mapping(name: str, *, scope: TeamScope = EVERYTHING) -> TableMapping:
    """The mapping of this name. Raises UnknownMapping, which names those there are."""
    visible = ImportMapping.objects.visible_to(scope)
    found = visible.filter(name__iexact=normalized(name.strip())).order_by("pk").first()
    if found is None:
        names = ", ".join(quoted(one) for one in visible.values_list("name", flat=True)[:20])
        raise UnknownMapping(
            gettext("there is no mapping %(name)s: %(value)s")
            % {"name": quoted(name), "value": names or gettext("none is saved")}
        )
    return checked_mapping(found.mapping)


@atomically
def save_mapping(
    name: str, mapping: Any, *, team_id: int | None = None, scope: TeamScope = EVERYTHING
) -> tuple[ImportMapping, Mapping[str, Any] | None]:
    """Makes the mapping of this name, or gives that mapping these values; and what it was before.

    It belongs to the team, or to the only one of a caller who is limited. Raises ValidationError, by field.
    """
    name = normalized(without_controls(name).strip()) if isinstance(name, str) else ""
    checked = checked_mapping(mapping).as_json()
    lock_keys([f"import mapping {name.lower()}"])
    present = ImportMapping.objects.select_for_update().filter(name__iexact=name).order_by("pk").first()
    if present is not None and not scope.holds(present.team_id):
        message = gettext("%(name)s is the name of another mapping already") % {"name": quoted(name)}
        raise ValidationError({"name": ValidationError(message, code="duplicate")})
    if present is None:
        team_id = team_id or scope.only_team
        check_within(scope, team_id)
        made = ImportMapping(name=name, team_id=team_id, mapping=checked)
        made.full_clean(exclude=["created_at", "updated_at"])
        made.save()
        return made, None
    before = dict(present.mapping)
    present.mapping = checked
    if team_id is not None:
        check_within(scope, team_id)
        present.team_id = team_id
    present.save(update_fields=["mapping", "team"])
    ImportMapping.objects.filter(pk=present.pk).update(updated_at=Now())
    present.refresh_from_db()
    return present, before


@atomically
def remove_mapping(pk: int, *, scope: TeamScope = EVERYTHING) -> ImportMapping:
    """Removes a mapping; what was imported by it stays. Raises UnknownMapping."""
    found = ImportMapping.objects.visible_to(scope).select_for_update().filter(pk=pk).first()
    if found is None:
        raise UnknownMapping(gettext("there is no mapping %(pk)s") % {"pk": pk})
    found.delete()
    return found
