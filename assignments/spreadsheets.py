"""Texts in CSV cells that a spreadsheet would take for a formula.

A cell is a formula where it begins with one of FORMULA_STARTS, and also after a separator: a spreadsheet that
splits at `;` opens `x;=1+1` as two cells, quoted or not. An apostrophe before such a place makes it text
(OWASP, "CSV Injection"). `unguarded(guarded(text)) == text` for every text.
"""

import re

_PLACE = r"((?:^|[;|\t\r\n])[ \u00a0]*)"
_FORMULA_STARTS = r"[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]"
"""The ASCII signs, tab and carriage return, and the full-width = + - @ that some spreadsheets take for them."""

_TO_GUARD = re.compile(rf"{_PLACE}(?='*{_FORMULA_STARTS})")
_GUARDED = re.compile(rf"{_PLACE}'(?='*{_FORMULA_STARTS})")


def guarded(text: str) -> str:
    """The text with an apostrophe before each place that a spreadsheet would take for a formula."""
    return _TO_GUARD.sub(r"\1'", text)


def unguarded(text: str) -> str:
    """The text without the apostrophes of `guarded`."""
    return _GUARDED.sub(r"\1", text)
