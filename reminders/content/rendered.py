"""Texts that were rendered once, with marks where values go: filling them in is all that is done for each message."""

import re
from collections.abc import Callable, Mapping
from html import escape

SPECIAL_IN_HTML = re.compile("[&<>\"']")
PLACEHOLDER = re.compile("\ue000([a-z_]+)\ue001")
NO_MARKS = re.compile("[\ue000-\ue00f]")


def mark(name: str) -> str:
    """What stands for a value: PLACEHOLDER finds it."""
    return f"\ue000{name}\ue001"


def unmarked(text: str) -> str:
    """The text without the characters that marks are made of, for what is rendered once as it is."""
    return NO_MARKS.sub("", text)


def escaped(text: str) -> str:
    """The text in HTML. Few texts have a character that must be written otherwise: one search spares the others five."""
    return escape(text) if SPECIAL_IN_HTML.search(text) else text


class RenderedTemplate:
    """A template rendered once, with marks where values go."""

    def __init__(self, rendered: str) -> None:
        pieces = PLACEHOLDER.split(rendered)
        self.names = pieces[1::2]
        self.format = "%s".join(literal.replace("%", "%%") for literal in pieces[0::2])

    def fill(self, values: Mapping[str, str], *, written: Callable[[str], str] | None = None) -> str:
        """The text with the values in place of their marks, each as `written` gives it, or as it is."""
        found = tuple([values[name] for name in self.names])
        if written is escaped and not SPECIAL_IN_HTML.search("".join(found)):
            return self.format % found  # One look at all of them; most messages have nothing to escape.
        return self.format % (found if written is None else tuple(map(written, found)))
