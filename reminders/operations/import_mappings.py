"""Saved mappings of tables: written, and recorded in the audit trail."""

from typing import Any

from accounts.reasons import checked_reason
from assignments.import_models import ImportMapping
from assignments.imports import mappings
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from reminders.ledger.audit import record


@atomically
def save_import_mapping(
    name: str,
    mapping: Any,
    *,
    by: str,
    reason: str = "",
    team_id: int | None = None,
    scope: TeamScope = EVERYTHING,
) -> tuple[ImportMapping, bool]:
    """Makes the mapping of this name (True), or gives it these values. Raises ValidationError, by field.

    The same values change nothing.
    """
    reason = checked_reason(reason, needed=False)
    saved, before = mappings.save_mapping(name, mapping, team_id=team_id, scope=scope)
    if before != saved.mapping:
        selection = {"mapping": saved.pk, "name": saved.name}
        record(
            "save_import_mapping",
            by=by,
            reason=reason,
            selection=selection,
            before=before or {},
            after=saved.mapping,
        )
    return saved, before is None


@atomically
def remove_import_mapping(pk: int, *, by: str, reason: str = "", scope: TeamScope = EVERYTHING) -> None:
    """Removes a mapping. Raises UnknownMapping."""
    reason = checked_reason(reason, needed=False)
    gone = mappings.remove_mapping(pk, scope=scope)
    selection = {"mapping": pk, "name": gone.name}
    record("remove_import_mapping", by=by, reason=reason, selection=selection, before=gone.mapping)
