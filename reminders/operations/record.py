"""Who did what, and why: the reason that is asked for, and the line of the audit trail."""

from collections.abc import Mapping

from django.core.exceptions import ValidationError

from reminders.models import Audit

LONGEST_REASON = 500


def checked_reason(text: str, *, needed: bool = True) -> str:
    """The reason as it is kept. Raises ValidationError where it is missing, too long or not text."""
    text = text.strip()
    if needed and not text:
        raise ValidationError({"reason": "a reason is needed: it is kept in the audit trail"})
    if len(text) > LONGEST_REASON:
        raise ValidationError({"reason": f"no more than {LONGEST_REASON} characters are accepted"})
    if "\x00" in text:
        raise ValidationError({"reason": "a NUL character is not accepted"})
    return text


def note(
    action: str,
    *,
    by: str,
    reason: str,
    selection: Mapping[str, object] | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    Audit.objects.create(
        actor=by,
        action=action,
        reason=reason,
        selection=dict(selection or {}),
        before=dict(before or {}),
        after=dict(after or {}),
    )
