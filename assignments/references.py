"""References: keys of the scheduling system, compared in Unicode's normalization form C (Unicode Annex 15).

Those of people may be URIs, of which some parts are compared without case: the scheme and the domain of `mailto:`
(RFC 6068), scheme and namespace of `urn:` and all of `urn:uuid:` (RFC 8141, RFC 9562). With or without these prefixes they
name the same person.
"""

import re
import unicodedata
from collections.abc import Callable, Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext

from assignments.team_scope import TeamScope
from assignments.wording import quoted

MAILTO = re.compile("mailto:", re.IGNORECASE)
URN = re.compile(r"urn:[a-z0-9][a-z0-9-]{0,31}:", re.IGNORECASE | re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
UUID_URN = re.compile(f"urn:uuid:{UUID.pattern}", re.IGNORECASE | re.ASCII)


def normalized(text: str) -> str:
    """The one spelling under which a reference or a name is stored and compared."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def spellings(reference: str) -> set[str]:
    """The forms in which the reference may be stored: rows of earlier releases have the form that was sent."""
    if reference.isascii():
        return {reference}
    return {reference, *(unicodedata.normalize(form, reference) for form in ("NFC", "NFD"))}


def person_reference(text: str) -> str:
    """The spelling under which the reference of a person is stored: as it was given, but for letters without a case."""
    text = normalized(text)
    if found := MAILTO.match(text):
        return f"mailto:{_lower_domain(text[found.end() :])}"
    if UUID_URN.fullmatch(text):
        return text.lower()
    if found := URN.match(text):
        return found[0].lower() + text[found.end() :]
    return text


def person_key(reference: str) -> str:
    """What all spellings of one person's reference have in common."""
    reference = person_reference(reference).removeprefix("mailto:").removeprefix("urn:uuid:")
    if UUID.fullmatch(reference):
        return reference.lower()
    return _lower_domain(reference)


def _lower_domain(text: str) -> str:
    local_part, at, domain = text.rpartition("@")
    return f"{local_part}@{domain.lower()}" if at else text


def person_spellings(reference: str) -> set[str]:
    """The forms in which a person's reference may be stored. Of what earlier releases stored with other letters in upper
    case, only the form that is given is found."""
    key = person_key(reference)
    forms = {reference, person_reference(reference), key}
    if UUID.fullmatch(key):
        forms |= {f"urn:uuid:{key}", key.upper(), f"urn:uuid:{key.upper()}", f"URN:UUID:{key.upper()}"}
    elif "@" in key:
        forms |= {f"mailto:{key}", f"MAILTO:{key}"}
    return {spelling for form in forms for spelling in spellings(form)}


def validate_addressable(reference: str) -> None:
    """Refuses a reference that no address can name: clients resolve the path segments "." and ".." themselves."""
    if {".", ".."} & set(reference.split("/")):
        message = gettext(
            "%(reference)s cannot be part of an address, because clients resolve '.' and '..' between "
            "slashes: another reference is needed"
        ) % {"reference": quoted(reference)}
        raise ValidationError(message, code="not_addressable")


def hidden_references(
    scope: TeamScope,
    named: models.QuerySet[Any],
    visible: Collection[int],
    key: Callable[[str], str] = normalized,
) -> set[str]:
    """Which references of the rows that are `named` are taken by rows that a limited caller does not see, by their `key`.

    `visible` are the ids of those that it does. Empty, and nothing is asked, for a caller without a limit.
    """
    if not scope.limited:
        return set()
    taken = named.exclude(pk__in=visible).values_list("reference", flat=True)
    return {key(str(one)) for one in taken}
