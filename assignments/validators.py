"""What fields of people and teams refuse, and what they hold where nobody says otherwise."""

import re

from django.conf import settings
from django.conf.locale import LANG_INFO
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.module_loading import import_string
from django.utils.translation import gettext

from assignments import instants
from assignments.wording import quoted

LANGUAGES = {tag.split("-")[0] for tag in LANG_INFO}
LANGUAGE_TAG = re.compile(
    r"([A-Za-z]{2,3})(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?(-[A-Za-z\d]{4,8})*", re.ASCII
)
"""Language, script, region and variants (RFC 5646, section 2.1)."""


def default_time_zone() -> str:
    """The installation's own zone."""
    return str(settings.TIME_ZONE)


def default_language() -> str:
    """The installation's own language for people."""
    return str(settings.DEFAULT_LANGUAGE)


def validate_time_zone(name: str) -> None:
    """Refuses a name that the IANA time zone database does not know."""
    if instants.known_zone(name) is None:
        message = gettext("%(name)s is not a time zone: a name like Europe/Berlin is needed") % {
            "name": quoted(name)
        }
        raise ValidationError(message, code="unknown_time_zone")


def validate_language(tag: str) -> None:
    """Refuses what is not a BCP 47 tag of a language that Django knows."""
    found = LANGUAGE_TAG.fullmatch(tag)
    if found is None or found[1].lower() not in LANGUAGES:
        *most, last = (code for code, _ in settings.LANGUAGES)
        message = gettext(
            "%(tag)s is not a language: a BCP 47 tag is needed, such as %(codes)s or %(last)s, also with a region, like"
            " de-AT; people of other languages are written to in %(default)s"
        ) % {
            "tag": quoted(tag),
            "codes": ", ".join(most),
            "last": last,
            "default": settings.DEFAULT_LANGUAGE,
        }
        raise ValidationError(message, code="unknown_language")


def validate_email_address(address: str) -> None:
    """Refuses what no message could be sent to; EMAIL_ADDRESS_VALIDATOR names the function that knows."""
    try:
        import_string(settings.EMAIL_ADDRESS_VALIDATOR)(address)
    except ValidationError as refusal:
        raise ValidationError(f"{quoted(address)}: {' '.join(refusal.messages)}", code="invalid") from refusal


def quiet_hours_constraints(table: str) -> list[models.BaseConstraint]:
    """Quiet hours begin and end, at two different times, or there are none."""
    none = Q(quiet_from__isnull=True, quiet_until__isnull=True)
    both = Q(quiet_from__isnull=False, quiet_until__isnull=False) & ~Q(quiet_from=F("quiet_until"))
    return [
        models.CheckConstraint(
            name=f"{table}_quiet_hours",
            condition=none | both,
            violation_error_message="quiet hours need quiet_from and quiet_until, at two times, or neither",
        )
    ]
