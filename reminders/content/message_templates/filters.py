"""The filters of message templates: each makes a text of a text, in time and length that grow with it alone."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from assignments.direction import FIRST_STRONG_ISOLATE, POP_DIRECTIONAL_ISOLATE

MOST_CHARACTERS = 1_000
ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter with its argument."""

    name: str
    argument: str | None

    def apply(self, text: str) -> str:
        return FILTERS[self.name].apply(text, self.argument or "")


@dataclass(frozen=True, slots=True)
class FilterDefinition:
    """What a filter does. `form` is how it is written."""

    apply: Callable[[str, str], str]
    form: str
    text: str
    """What it makes of a text, marked with gettext_noop."""
    takes: Callable[[str], bool] | None = None
    """Whether an argument is accepted; None: it has none."""

    @property
    def description(self) -> str:
        return gettext(self.text) % {"most": MOST_CHARACTERS}


def filter_of(name: str, argument: str | None) -> Filter | None:
    """The filter with this argument; None where it takes none, needs one, or needs another one."""
    takes = FILTERS[name].takes
    if takes is None:
        return Filter(name, None) if argument is None else None
    return Filter(name, argument) if argument is not None and takes(argument) else None


def _capitalised(text: str, __: str) -> str:
    first = 1 if text[:1] == FIRST_STRONG_ISOLATE else 0
    return text[:first] + text[first : first + 1].upper() + text[first + 1 :]


def _cut(text: str, argument: str) -> str:
    most = int(argument)
    if len(text) <= most:
        return text
    kept = text[: most - 1].rstrip()
    opened = kept.count(FIRST_STRONG_ISOLATE) > kept.count(POP_DIRECTIONAL_ISOLATE)
    return kept + ELLIPSIS + (POP_DIRECTIONAL_ISOLATE if opened else "")


def _is_length(argument: str) -> bool:
    return argument.isdecimal() and argument.isascii() and 2 <= int(argument) <= MOST_CHARACTERS


FILTERS = {
    "upper": FilterDefinition(lambda text, __: text.upper(), "{{ title|upper }}", _("in capital letters")),
    "lower": FilterDefinition(lambda text, __: text.lower(), "{{ kind|lower }}", _("in small letters")),
    "capfirst": FilterDefinition(
        _capitalised, "{{ when|capfirst }}", _("with a capital letter at its beginning")
    ),
    "oneline": FilterDefinition(
        lambda text, __: " ".join(text.split()), "{{ notes|oneline }}", _("on one line")
    ),
    "truncate": FilterDefinition(
        _cut,
        "{{ title|truncate:40 }}",
        _("no longer than so many characters, 2 to %(most)s; what was cut ends with …"),
        _is_length,
    ),
    "default": FilterDefinition(
        lambda text, argument: text or argument,
        '{{ location|default:"the office" }}',
        _("another text where there is none"),
        lambda argument: len(argument) <= MOST_CHARACTERS,
    ),
}
