"""The reason that a person gives for an action; it is stored in the audit trail."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

MAX_REASON_LENGTH = 500


def checked_reason(text: str, *, needed: bool = True) -> str:
    """The reason without surrounding blanks. Raises ValidationError if it is missing, too long or not text."""
    text = text.strip()
    if needed and not text:
        raise ValidationError({"reason": gettext("a reason is needed: it is kept in the audit trail")})
    if len(text) > MAX_REASON_LENGTH:
        raise ValidationError(
            {
                "reason": gettext("no more than %(max_reason_length)s characters are accepted")
                % {"max_reason_length": MAX_REASON_LENGTH}
            }
        )
    if "\x00" in text:
        raise ValidationError({"reason": gettext("a NUL character is not accepted")})
    return text
