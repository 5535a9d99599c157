"""What a message template is read into, and what is written of it for the values of a message."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from reminders.content.message_templates.filters import Filter


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is in a text; lines and columns (characters) are counted from 1."""

    line: int
    column: int


TOP = Place(1, 1)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a text is refused, and what is accepted instead: said in the language of whoever reads it, not of whoever
    had the text checked.
    """

    text: str
    """Marked with gettext_noop; `values` fill it."""
    place: Place
    values: Mapping[str, object] = field(default_factory=dict, hash=False)

    @property
    def message(self) -> str:
        return filled(self.text, self.values)

    def __str__(self) -> str:
        at = {"line": self.place.line, "column": self.place.column, "message": self.message}
        return filled(_("line %(line)s, column %(column)s: %(message)s"), at)


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that is written as it is."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the message, through these filters, one after the other."""

    name: str
    filters: tuple[Filter, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Question:
    """Whether there is a value; with `equals`, whether it is just this."""

    name: str
    place: Place
    equals: str | None = None


@dataclass(frozen=True, slots=True)
class Negation:
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Junction:
    """`and`, where all must hold, or `or`, where one must."""

    every: bool
    conditions: "tuple[Condition, ...]"


Condition = Question | Negation | Junction


@dataclass(frozen=True, slots=True)
class Branch:
    """What is written where the condition holds; None: in any case."""

    condition: Condition | None
    body: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Conditional:
    """The first branch of which the condition holds."""

    branches: tuple[Branch, ...]


Node = Literal | Value | Conditional


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text that was read. With problems its nodes are good for finding more of them, and for nothing else."""

    nodes: tuple[Node, ...]
    problems: tuple[Problem, ...]


def filled(text: str, values: Mapping[str, object]) -> str:
    """A marked text in the language in force, with its values."""
    return gettext(text) % values if values else gettext(text)


def written(nodes: tuple[Node, ...], values: Mapping[str, str]) -> Iterator[Literal | Value]:
    """What is written for these values, in its order."""
    for node in nodes:
        if isinstance(node, Conditional):
            for branch in node.branches:
                if branch.condition is None or holds(branch.condition, values):
                    yield from written(branch.body, values)
                    break
        else:
            yield node


def holds(condition: Condition, values: Mapping[str, str]) -> bool:
    """Whether a condition holds for these values."""
    if isinstance(condition, Question):
        value = values.get(condition.name, "")
        return bool(value) if condition.equals is None else value == condition.equals
    if isinstance(condition, Negation):
        return not holds(condition.condition, values)
    return (all if condition.every else any)(holds(one, values) for one in condition.conditions)


def asked_in(nodes: tuple[Node, ...]) -> Iterator[Question]:
    """Every question of the conditions, wherever it is."""
    for node in nodes:
        if isinstance(node, Conditional):
            for branch in node.branches:
                if branch.condition is not None:
                    yield from _questions(branch.condition)
                yield from asked_in(branch.body)


def values_in(nodes: tuple[Node, ...]) -> Iterator[Value]:
    """Every value that may be written, wherever it is."""
    for node in nodes:
        if isinstance(node, Value):
            yield node
        elif isinstance(node, Conditional):
            for branch in node.branches:
                yield from values_in(branch.body)


def _questions(condition: Condition) -> Iterator[Question]:
    if isinstance(condition, Question):
        yield condition
    elif isinstance(condition, Negation):
        yield from _questions(condition.condition)
    else:
        for one in condition.conditions:
            yield from _questions(one)
