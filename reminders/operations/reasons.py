"""The reason that an operator gives for an action, as the audit trail keeps it."""

from django.core.exceptions import ValidationError

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
