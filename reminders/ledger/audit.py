"""The audit trail: who did what, to what, and why. Append-only; a trigger of the database refuses all else."""

from collections.abc import Mapping

from django.db.models.functions import Now

from reminders.models import Audit


def record(
    action: str,
    *,
    by: str,
    reason: str,
    selection: Mapping[str, object] | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Writes one line, in the caller's transaction. None of its values may hold a secret."""
    Audit.objects.create(
        actor=by,
        action=action,
        reason=reason,
        selection=dict(selection or {}),
        before=dict(before or {}),
        after=dict(after or {}),
        at=Now(),
    )
