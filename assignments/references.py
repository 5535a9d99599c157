"""References: keys of the scheduling system, compared in Unicode's normalization form C (Unicode Annex 15)."""

import unicodedata

from django.core.exceptions import ValidationError

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
