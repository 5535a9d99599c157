"""The language of message templates: values, filters and conditions of Django's template language, and nothing else.

It is read into a tree of three kinds of node. A name is looked up among the values of a message, which are texts; there are
no attributes, calls, loops, assignments or includes, so that a template's work and output are bounded by its length.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_noop as _

from reminders.content.message_templates.filters import FILTERS, Filter, filter_of
from reminders.content.message_templates.tree import (
    Branch,
    Condition,
    Conditional,
    Junction,
    Literal,
    Negation,
    Node,
    Parsed,
    Place,
    Problem,
    Question,
    Value,
)

MOST_NESTED = 8
MOST_VALUES = 200
MOST_PROBLEMS = 20
"""How many problems of one text are named; whoever corrects these sees the next ones."""

_TAG = re.compile(r"\{\{([^{}\n]*)\}\}|\{%([^{}%\n]*)%\}|\{#([^{}#\n]*)#\}")
_MARKER = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_ARGUMENT = re.compile(r'"([^"]*)"|\'([^\']*)\'|([0-9]{1,9})(?![0-9])')
_WORD = re.compile(r'"[^"]*"|\'[^\']*\'|==|!=|[A-Za-z_][A-Za-z0-9_]*|[^\s"\'=!A-Za-z_]+|\S')
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ue000-\uf8ff\ufeff\ufffe\uffff\ud800-\udfff]"
)
_RESERVED = ("and", "or", "not")

NO_VALUES: Mapping[str, object] = {}
VALUE_FORM = gettext_lazy("{{ title }} or {{ title|truncate:40 }}")
CONDITION_FORM = gettext_lazy(
    '{% if location %}, {% if not late %}, {% if asks and link %} or {% if kind == "Repair" %}'
)
_UNSEEN_CHARACTER = _("the character %(code)s is not accepted: nobody sees it")
_NAME_OF_VALUE = _("the name of a value is needed: %(form)s")
_NOT_UNDERSTOOD = _("%(word)s is not understood here: %(form)s is accepted")


def normal(source: str) -> str:
    """The text with line feeds for the ends of its lines, which forms send as CRLF."""
    return _LINE_ENDS.sub("\n", source)


def parse(source: str) -> Parsed:
    """Reads a text, in time that grows with its length alone."""
    return _Reader(source).read()


class _Refused(Exception):
    """A tag that cannot be read. `text` is marked with gettext_noop."""

    def __init__(self, text: str, offset: int, values: Mapping[str, object] = NO_VALUES) -> None:
        super().__init__(text)
        self.text = text
        self.offset = offset
        self.values = values


@dataclass(slots=True)
class _Open:
    """An `if` that has not ended yet."""

    offset: int
    branches: list[Branch]
    condition: Condition | None
    body: list[Node]


class _Reader:
    """Reads one text."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._problems: list[Problem] = []
        self._top: list[Node] = []
        self._open: list[_Open] = []
        self._values = 0
        self._counted_to, self._line, self._line_began = 0, 1, 0

    def read(self) -> Parsed:
        end = 0
        for found in _TAG.finditer(self._source):
            self._literal(end, found.start())
            end = found.end()
            try:
                if found[1] is not None:
                    self._value(found)
                elif found[2] is not None:
                    self._tag(found)
            except _Refused as refusal:
                self._refuse(refusal.text, refusal.offset, refusal.values)
            if len(self._problems) >= MOST_PROBLEMS:
                return Parsed((), tuple(self._problems[:MOST_PROBLEMS]))
        self._literal(end, len(self._source))
        unended = [one.offset for one in self._open]
        while self._open:
            self._close()
        if unended:
            self._problems.append(
                Problem(
                    _("this if has no end: %(form)s is needed"),
                    self._place_anew(unended[-1]),
                    {"form": "{% endif %}"},
                )
            )
        return Parsed(tuple(self._top), tuple(self._problems[:MOST_PROBLEMS]))

    def _literal(self, start: int, end: int) -> None:
        if start == end:
            return
        text = self._source[start:end]
        place = self._place(start)
        if found := _MARKER.search(text):
            self._refuse(
                _("%(word)s is not part of a whole tag: %(form)s, on one line, is accepted"),
                start + found.start(),
                {"word": found[0], "form": VALUE_FORM},
            )
        elif found := _UNSEEN.search(text):
            self._refuse(_UNSEEN_CHARACTER, start + found.start(), {"code": _code(found[0])})
        self._put(Literal(text, place))

    def _value(self, found: re.Match[str]) -> None:
        start = found.start()
        place = self._place(start)
        self._values += 1
        if self._values > MOST_VALUES:
            raise _Refused(_("more than %(most)s values are not accepted"), start, {"most": MOST_VALUES})
        at, end = _skip(self._source, found.start(1), found.end(1)), found.end(1)
        name = _NAME.match(self._source, at, end)
        if name is None:
            raise _Refused(_NAME_OF_VALUE, at, {"form": VALUE_FORM})
        at = name.end()
        filters = []
        while (at := _skip(self._source, at, end)) < end:
            if self._source[at] != "|":
                raise self._after_a_name(name[0], at, end)
            one, at = self._filter(_skip(self._source, at + 1, end), end)
            filters.append(one)
            if len(filters) > 3:
                raise _Refused(_("more than 3 filters of one value are not accepted"), start)
        self._put(Value(name[0], tuple(filters), place))

    def _filter(self, at: int, end: int) -> tuple[Filter, int]:
        name = _NAME.match(self._source, at, end)
        if name is None or name[0] not in FILTERS:
            text = _("%(word)s: there is no such filter: one of %(names)s is accepted")
            if name is None:
                text = _("the name of a filter is needed: one of %(names)s is accepted")
            raise _Refused(text, at, {"word": name[0] if name else "", "names": ", ".join(FILTERS)})
        argument, behind = None, name.end()
        if self._source.startswith(":", behind, end):
            found = _ARGUMENT.match(self._source, behind + 1, end)
            if found is None:
                form = FILTERS[name[0]].form
                raise _Refused(
                    _("a number or a text in quotes is needed: %(form)s"), behind + 1, {"form": form}
                )
            argument, behind = found[1] or found[2] or found[3] or "", found.end()
            if unseen := _UNSEEN.search(argument):
                raise _Refused(_UNSEEN_CHARACTER, found.start(), {"code": _code(unseen[0])})
        made = filter_of(name[0], argument)
        if made is None:
            values = {"name": name[0], "form": FILTERS[name[0]].form}
            raise _Refused(_("%(name)s: %(form)s is accepted"), at, values)
        return made, behind

    def _tag(self, found: re.Match[str]) -> None:
        start = found.start()
        self._place(start)
        at = _skip(self._source, found.start(2), found.end(2))
        name = _NAME.match(self._source, at, found.end(2))
        word = name[0] if name else ""
        match word:
            case "if":
                self._open.append(_Open(start, [], None, []))
                if len(self._open) > MOST_NESTED:
                    text = _("more than %(most)s conditions inside of each other are not accepted")
                    raise _Refused(text, start, {"most": MOST_NESTED})
                self._open[-1].condition = self._condition(at + 2, found.end(2))
            case "elif" | "else" | "endif" if not self._open:
                values = {"word": word, "form": "{% if location %}"}
                raise _Refused(_("%(word)s without an if before it: %(form)s is needed"), start, values)
            case "elif" | "else":
                self._next_branch(word, start)
                if word == "elif":
                    self._open[-1].condition = self._condition(at + 4, found.end(2))
                else:
                    self._nothing_after(word, at + 4, found.end(2))
            case "endif":
                self._close()
                self._nothing_after(word, at + 5, found.end(2))
            case _:
                text = _("%(word)s: there is no such tag: if, elif, else and endif are accepted")
                if not word:
                    text = _("the name of a tag is needed: if, elif, else and endif are accepted")
                raise _Refused(text, at, {"word": word})

    def _next_branch(self, word: str, start: int) -> None:
        opened = self._open[-1]
        if opened.condition is None and opened.branches:
            values = {"word": word, "form": "{% endif %}"}
            raise _Refused(_("%(word)s after the else: %(form)s is needed"), start, values)
        opened.branches.append(Branch(opened.condition, tuple(opened.body)))
        opened.condition, opened.body = None, []

    def _close(self) -> None:
        opened = self._open.pop()
        opened.branches.append(Branch(opened.condition, tuple(opened.body)))
        self._put(Conditional(tuple(opened.branches)))

    def _nothing_after(self, word: str, at: int, end: int) -> None:
        at = _skip(self._source, at, end)
        if at < end:
            values = {"word": word, "form": f"{{% {word} %}}"}
            raise _Refused(_("nothing is accepted after %(word)s: %(form)s"), at, values)

    def _condition(self, at: int, end: int) -> Condition:
        """`not` binds before `and`, that before `or`, as in Django."""
        words = [(word[0], word.start()) for word in _WORD.finditer(self._source, at, end)]
        if len(words) > 30:
            raise _Refused(_("a condition of more than 30 words is not accepted"), at)
        words.append(("", end))
        either, position = [], 0
        while True:
            every = []
            while True:
                one, position = self._term(words, position)
                every.append(one)
                if words[position][0] != "and":
                    break
                position += 1
            either.append(every[0] if len(every) == 1 else Junction(True, tuple(every)))
            if words[position][0] != "or":
                break
            position += 1
        word, offset = words[position]
        if word:
            raise _Refused(_NOT_UNDERSTOOD, offset, {"word": word, "form": CONDITION_FORM})
        return either[0] if len(either) == 1 else Junction(False, tuple(either))

    def _term(self, words: list[tuple[str, int]], position: int) -> tuple[Condition, int]:
        negated = False
        while words[position][0] == "not":
            negated, position = not negated, position + 1
        name, offset = words[position]
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise _Refused(_NAME_OF_VALUE, offset, {"form": CONDITION_FORM})
        place, position = self._place(offset), position + 1
        found: Condition = Question(name, place)
        if (operator := words[position][0]) in ("==", "!="):
            text, at = words[position + 1] if position + 1 < len(words) else ("", offset)
            if text[:1] not in ("'", '"') or len(text) < 2:
                form = f'{{% if {name} {operator} "Repair" %}}'
                raise _Refused(_("a text in quotes is needed: %(form)s"), at, {"form": form})
            found, position = Question(name, place, text[1:-1]), position + 2
            negated ^= operator == "!="
        return Negation(found) if negated else found, position

    def _after_a_name(self, name: str, at: int, end: int) -> _Refused:
        if self._source[at] in ".[(":
            text = _("values are texts and have no parts: %(form)s is accepted")
            return _Refused(text, at, {"form": f"{{{{ {name} }}}}"})
        word = self._source[at:end].strip()[:20]
        return _Refused(_NOT_UNDERSTOOD, at, {"word": word, "form": VALUE_FORM})

    def _put(self, node: Node) -> None:
        (self._open[-1].body if self._open else self._top).append(node)

    def _refuse(self, text: str, offset: int, values: Mapping[str, object] = NO_VALUES) -> None:
        self._problems.append(Problem(text, self._place(offset), values))

    def _place(self, offset: int) -> Place:
        """The place of an offset that is not before the line of the last one asked for."""
        if offset < self._line_began:
            return self._place_anew(offset)
        if (lines := self._source.count("\n", self._counted_to, offset)) > 0:
            self._line += lines
            self._line_began = self._source.rfind("\n", 0, offset) + 1
        self._counted_to = max(self._counted_to, offset)
        return Place(self._line, offset - self._line_began + 1)

    def _place_anew(self, offset: int) -> Place:
        return Place(self._source.count("\n", 0, offset) + 1, offset - self._source.rfind("\n", 0, offset))


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _skip(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at
