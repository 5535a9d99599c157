"""The reason that a person gives for an action; it is stored in the audit trail."""

from django.core.exceptions import ValidationError

MAX_REASON_LENGTH = 500


def checked_reason(text: str, *, needed: bool = True) -> str:
    """The reason without surrounding blanks. Raises ValidationError if it is missing, too long or not text."""
    text = text.strip()
    if needed and not text:
        raise ValidationError({"reason": "a reason is needed: it is kept in the audit trail"})
    if len(text) > MAX_REASON_LENGTH:
        raise ValidationError({"reason": f"no more than {MAX_REASON_LENGTH} characters are accepted"})
    if "\x00" in text:
        raise ValidationError({"reason": "a NUL character is not accepted"})
    return text
