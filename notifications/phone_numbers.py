"""What counts as a telephone number that can be written to, and how it is stored."""

from functools import lru_cache

import phonenumbers
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext


def stored_number(text: str) -> str:
    """The number as ITU-T E.164 writes it: +4930123456. A national number belongs to PHONE_REGION. Raises ValidationError.

    A number that is possible is accepted though it may not be given to anybody: plans of numbers change faster than any
    library.
    """
    return _in_e164(text, settings.PHONE_REGION)


@lru_cache(
    maxsize=10_000
)  # An import asks several times for each of its rows, and an answer takes 20 microseconds.
def _in_e164(text: str, region: str) -> str:
    given = text[4:] if text[:4].lower() == "tel:" else text
    try:
        number = phonenumbers.parse(given, region or None)
    except phonenumbers.NumberParseException as error:
        raise _refusal(gettext("it cannot be read")) from error
    if number.extension:
        raise _refusal(gettext("it has an extension, which receives no messages"))
    if not phonenumbers.is_possible_number(number):
        raise _refusal(gettext("no number of its country has this length"))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def sendable(text: str) -> str | None:
    """The number in E.164, or None where no message could go to it."""
    try:
        return stored_number(text)
    except ValidationError:
        return None


def national_digits(number: str) -> str:
    """What is dialled within its country for a number in E.164; '' where it cannot be read."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return ""
    form = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(digit for digit in form if digit.isdigit())


def _refusal(why: str) -> ValidationError:
    needed = gettext("a number like +4930123456 is needed")
    if settings.PHONE_REGION:
        needed = gettext("a number like +4930123456 is needed, or a national one of %(region)s") % {
            "region": settings.PHONE_REGION
        }
    message = gettext("that is not a telephone number: %(why)s; %(needed)s") % {"why": why, "needed": needed}
    return ValidationError(message, code="invalid")
