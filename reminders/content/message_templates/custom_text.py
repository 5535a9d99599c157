"""A stored text in force: read once in each process, and made ready once for each set of values that are there."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from string import ascii_lowercase

from django.utils.translation import gettext_noop as _
from django.utils.translation import override

from notifications.channels.sms.alphabet import size
from notifications.message import Message, Wording
from reminders.content.message_templates import tree
from reminders.content.message_templates.checks import Checked, check
from reminders.content.message_templates.filters import Filter
from reminders.content.message_templates.tree import TOP, Literal, Problem, Value
from reminders.content.message_templates.variables import Role, TextForm, Variable, variables
from reminders.content.rendered import RenderedTemplate, mark
from reminders.content.short_text import MOST_SEGMENTS

MOST_VARIANTS = 500
LONGEST_SUBJECT = 500
LONGEST_TEXT = 100_000
LONGEST_HTML = 300_000
"""Characters of a message as it leaves. Beyond it the built-in text goes out."""

_ONE_LINE = Filter("oneline", None)
_HAVE_ONE_LINE = {
    "title",
    "time_line",
    "start_short",
    "zone",
    "when",
    "since",
    "first_start",
    "number",
    "more",
}
"""Values that never hold the end of a line."""
_PARAGRAPHS = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_BLOCK = "\n\n\ue002{}\n\n"
_LINK_STYLE = "color:#1d5fa8"
_PARAGRAPH_STYLE = "margin:0 0 16px;white-space:pre-line"


class TemplateUnusable(Exception):
    """Why a stored text cannot be used for a message: the built-in one goes out. Its words are in the language in force."""

    def __init__(self, problem: Problem, *, part: str = "body", with_place: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.part = part
        """Which part of the text it is about."""
        self.with_place = with_place

    def __str__(self) -> str:
        return str(self.problem) if self.with_place else self.problem.message


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """The text for one set of values that are there: marks stand for them."""

    subject: str
    text: str
    html: str
    short: RenderedTemplate


@dataclass(eq=False)
class CustomText:
    """A version of a template. What is wrong with it raises TemplateUnusable when it is to be used."""

    version_id: int
    kind: str
    form: TextForm
    language: str
    subject: str
    body: str
    _variants: dict[object, Variant] = field(default_factory=dict, repr=False)
    _derived: dict[tuple[str, tuple[Filter, ...]], str] = field(default_factory=dict, repr=False)

    @cached_property
    def wording(self) -> Wording:
        return Wording(self.version_id)

    @cached_property
    def checked(self) -> Checked:
        return check(self.kind, self.form, subject=self.subject, body=self.body)

    @cached_property
    def _known(self) -> Mapping[str, Variable]:
        return variables(self.kind, self.form)

    @cached_property
    def _compared(self) -> tuple[str, ...]:
        """The values whose contents decide what is written, and not only that they are there."""
        asked = (*tree.asked_in(self.checked.subject), *tree.asked_in(self.checked.body))
        return tuple(sorted({one.name for one in asked if one.equals is not None}))

    def variant(
        self,
        values: Mapping[str, str],
        present: tuple[str, ...],
        team: object,
        organisation: Callable[[], Mapping[str, str]],
    ) -> Variant:
        """The text for these values, of which those in `present` are there. `organisation` gives what the messages of this
        team say of whom to ask. Raises TemplateUnusable.
        """
        key = (present, team, *[values.get(name, "") for name in self._compared])
        found = self._variants.get(key)
        if found is None:
            if len(self._variants) >= MOST_VARIANTS:
                self._variants.clear()
            found = self._variants[key] = self._make({**organisation(), **values}, frozenset(values))
        return found

    def with_derived(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """The values, and what the filters of this text make of them."""
        if not self._derived:
            return values
        derived = {}
        for (name, filters), key in self._derived.items():
            text = values.get(name, "")
            for one in filters:
                text = one.apply(text)
            derived[key] = text
        return {**values, **derived}

    def _make(self, values: Mapping[str, str], of_row: frozenset[str]) -> Variant:
        if problems := self.checked.problems:
            part = "subject" if self.checked.subject_problems else "body"
            raise TemplateUnusable(problems[0], part=part, with_place=True)

        def marked(value: Value, *, of_subject: bool = False) -> str:
            """What stands for a value. Those of the organisation are the same in each message: they are written at once."""
            filters = value.filters
            if value.name not in of_row:
                text = values.get(value.name, "")
                for one in (*filters, _ONE_LINE) if of_subject else filters:
                    text = one.apply(text)
                return text
            if of_subject and value.name not in _HAVE_ONE_LINE:
                filters = (*filters, _ONE_LINE)
            if filters:
                return mark(
                    self._derived.setdefault((value.name, filters), f"custom_{_letters(len(self._derived))}")
                )
            return mark(value.name) if values[value.name] else ""

        subject = [*tree.written(self.checked.subject, values)]
        body = [*tree.written(self.checked.body, values)]
        text = "".join([one.text if isinstance(one, Literal) else marked(one) for one in body]).strip()
        return Variant(
            subject="".join(
                [one.text if isinstance(one, Literal) else marked(one, of_subject=True) for one in subject]
            ).strip(),
            text=text,
            html=self._html(body, marked) if self.form is TextForm.MAIL else "",
            short=RenderedTemplate(text),
        )

    def _html(self, body: Iterable[Literal | Value], marked: Callable[[Value], str]) -> str:
        """The same text in HTML: its paragraphs, its addresses as links; whatever else looks like HTML in it is text."""
        pieces = []
        for one in body:
            if isinstance(one, Literal):
                pieces.append(escape(one.text))
                continue
            written = marked(one)
            if one.name.startswith("organisation"):
                written = escape(written)
            match self._known[one.name].role:
                case Role.URL if written:
                    written = f'<a href="{written}" style="{_LINK_STYLE}">{written}</a>'
                case Role.BLOCK if written:
                    written = _BLOCK.format(written)
            pieces.append(written)
        paragraphs = []
        for paragraph in _PARAGRAPHS.split("".join(pieces)):
            if paragraph.startswith("\ue002"):
                paragraphs.append(paragraph[1:])
            elif shown := paragraph.strip():
                lines = "<br>".join(shown.split("\n"))
                paragraphs.append(f'<p dir="auto" style="{_PARAGRAPH_STYLE}">{lines}</p>')
        return "\n".join(paragraphs)


def check_size(message: Message, form: TextForm) -> None:
    """Raises TemplateUnusable where a message is longer than one may be."""
    if form is TextForm.SHORT:
        if len(message.text) > LONGEST_TEXT or (segments := size(message.text).segments) > MOST_SEGMENTS:
            says = _("%(number)s segments of SMS are too long: %(most)s are accepted")
            raise TemplateUnusable(Problem(says, TOP, {"number": segments, "most": MOST_SEGMENTS}))
        return
    for part, says, text, most in (
        (
            "subject",
            _("the subject has %(number)s characters: %(most)s are accepted"),
            message.subject,
            LONGEST_SUBJECT,
        ),
        ("body", _("the text has %(number)s characters: %(most)s are accepted"), message.text, LONGEST_TEXT),
        ("body", _("the HTML has %(number)s characters: %(most)s are accepted"), message.html, LONGEST_HTML),
    ):
        if len(text) > most:
            problem = Problem(says, TOP, {"number": len(text), "most": most})
            raise TemplateUnusable(problem, part=part)


def fault_of(error: Exception) -> str:
    """Why a text could not be used, in the language in force; it holds nothing of the row."""
    return str(error) if isinstance(error, TemplateUnusable) else type(error).__name__


def recorded_fault(error: Exception) -> str:
    """The same for the record, which is in English whoever reads the message."""
    with override("en"):
        return fault_of(error)


def _letters(number: int) -> str:
    """A name of small letters: a, b, ..., z, ba, bb."""
    name = ascii_lowercase[number % 26]
    while number := number // 26:
        name = ascii_lowercase[number % 26] + name
    return name
