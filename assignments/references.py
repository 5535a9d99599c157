"""References: keys of the scheduling system, compared in Unicode's normalization form C (Unicode Annex 15)."""

import unicodedata
from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from assignments.team_scope import TeamScope
from assignments.wording import quoted


def normalized(text: str) -> str:
    """The one spelling under which a reference or a name is stored and compared."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def spellings(reference: str) -> set[str]:
    """The forms in which the reference may be stored: rows of earlier releases have the form that was sent."""
    if reference.isascii():
        return {reference}
    return {reference, *(unicodedata.normalize(form, reference) for form in ("NFC", "NFD"))}


def validate_addressable(reference: str) -> None:
    """Refuses a reference that no address can name: clients resolve the path segments "." and ".." themselves."""
    if {".", ".."} & set(reference.split("/")):
        message = (
            f"{quoted(reference)} cannot be part of an address, because clients resolve '.' and '..' between slashes: "
            "another reference is needed"
        )
        raise ValidationError(message, code="not_addressable")


def hidden_references(scope: TeamScope, named: models.QuerySet[Any], visible: Collection[int]) -> set[str]:
    """Which references of the rows that are `named` are taken by rows that a limited caller does not see.

    `visible` are the ids of those that it does. Empty, and nothing is asked, for a caller without a limit.
    """
    if not scope.limited:
        return set()
    taken = named.exclude(pk__in=visible).values_list("reference", flat=True)
    return {normalized(str(one)) for one in taken}
