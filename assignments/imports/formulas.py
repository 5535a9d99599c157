"""Cells of a CSV file that a spreadsheet would calculate: an apostrophe before them keeps them text.

A formula begins a cell, or follows a separator inside of one: a program that expects another separator begins a cell
there. Apostrophes that are there already count too, so that `unguarded` gives back exactly what `guarded` was given.
"""

import re

FORMULA = "[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]"
"""How a formula begins; full-width forms are taken for the others by some programs."""

BEFORE_FORMULA = re.compile(f"(^|[,;\t\r\n])(?='*{FORMULA})")
GUARD = re.compile(f"(^|[,;\t\r\n])'(?='*{FORMULA})")


def guarded(text: str) -> str:
    """The text with an apostrophe before each formula."""
    return BEFORE_FORMULA.sub(r"\1'", text)


def unguarded(text: str) -> str:
    """The text without the apostrophes that `guarded` has put there."""
    return GUARD.sub(r"\1", text)
