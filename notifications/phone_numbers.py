"""What counts as a telephone number that can be written to, and how it is stored."""

import phonenumbers
from django.conf import settings
from django.core.exceptions import ValidationError


def stored_number(text: str) -> str:
    """The number as ITU-T E.164 writes it: +4930123456. A national number belongs to PHONE_REGION. Raises ValidationError.

    A number that is possible is accepted though it may not be given to anybody: plans of numbers change faster than any
    library.
    """
    given = text[4:] if text[:4].lower() == "tel:" else text
    try:
        number = phonenumbers.parse(given, settings.PHONE_REGION or None)
    except phonenumbers.NumberParseException as error:
        raise _refusal("it cannot be read") from error
    if number.extension:
        raise _refusal("it has an extension, which receives no messages")
    if not phonenumbers.is_possible_number(number):
        raise _refusal("no number of its country has this length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def sendable(text: str) -> str | None:
    """The number in E.164, or None where no message could go to it."""
    try:
        return stored_number(text)
    except ValidationError:
        return None


def _refusal(why: str) -> ValidationError:
    needed = "a number like +4930123456 is needed"
    if settings.PHONE_REGION:
        needed += f", or a national one of {settings.PHONE_REGION}"
    return ValidationError(f"that is not a telephone number: {why}; {needed}", code="invalid")
