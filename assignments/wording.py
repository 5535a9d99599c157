"""How values that were sent appear in error messages, and codes among other words."""

from typing import Any

from django.utils.translation import gettext

LONGEST_QUOTE = 60


def quoted(value: Any) -> str:
    """The value as Python writes it, without control characters, and no longer than anybody reads."""
    if isinstance(value, str):
        return repr(value) if len(value) <= LONGEST_QUOTE else f"{value[:LONGEST_QUOTE]!r}..."
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}..."


def code_in_words(code: str) -> str:
    """A code of the project in the reader's language: refused_for_now becomes refused for now. Translators find the words of
    each beside its codes."""
    return gettext(code.replace("_", " "))
