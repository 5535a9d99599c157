"""What a message template may name: for each kind of message the values that its messages have, and what must be said.

The values themselves are made in `content.compose` and `content.notices`; a test compares them with these tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from reminders.models import MessageTemplate

Kind = MessageTemplate.Kind


class TextForm(Enum):
    """How much room a channel has."""

    MAIL = "mail"
    SHORT = "sms"


class Role(Enum):
    """What a value is."""

    TEXT = "text"
    URL = "address"
    FLAG = "yes or nothing"
    """It is asked for in a condition; there is nothing in it to be written."""
    BLOCK = "several lines"
    """It stands in a line of its own."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A value of a message. `example` is that of the sample rows."""

    name: str
    text: str
    """What it is, marked with gettext_noop."""
    example: str
    role: Role = Role.TEXT

    @property
    def description(self) -> str:
        return gettext(self.text)

    @property
    def written(self) -> str:
        """How a text says it: a value as `{{ name }}`, a flag as the beginning of a condition."""
        return f"{{% if {self.name} %}}" if self.role is Role.FLAG else f"{{{{ {self.name} }}}}"


def _flags(**texts: str) -> list[Variable]:
    return [Variable(name, text, "yes", Role.FLAG) for name, text in texts.items()]


_ORGANISATION = [
    Variable(
        "organisation",
        _("the organisation that sends it, as the team or the settings say"),
        "Lift Service Ltd",
    ),
    Variable("organisation_phone", _("whom to call with questions"), "+49 30 1234567"),
    Variable("organisation_tel", _("the same as an address that dials"), "tel:+49301234567", Role.URL),
    *_flags(takes_replies=_("where answers to the mail are read")),
]
_WORK = [
    Variable("title", _("what is to be done"), "Repair the lift"),
    Variable("time_line", _("from when to when, with the zone"), "Mon 15 Jun, 14:30 to 16:30 (Berlin time)"),
    Variable("location", _("where"), "Main Street 5"),
    Variable("map", _("the place on a map (MAP_URL)"), "https://maps.example/?q=Main%20Street%205", Role.URL),
    Variable("reference", _("its number in the system that plans it"), "A-17"),
]
_START = [
    Variable("start_short", _("the start in short, without the zone"), "Mon 15 Jun, 14:30"),
    Variable("zone", _("the zone of the times"), "Berlin time"),
]
_CHANGES = [
    *_flags(
        is_moved=_("where the start is not the one they were told"),
        is_place=_("where the place is another one"),
        is_title=_("where the title is another one"),
        is_restored=_("where it is theirs again"),
    ),
    Variable(
        "moved_from", _("the start that they were told, without the day where that is the same"), "13:00"
    ),
    Variable("moved_to", _("the new start, without the day where that is the same"), "14:30"),
    Variable("was_title", _("the title that they were told"), "Repair the old lift"),
    Variable(
        "was_time_line", _("the start that they were told, with the zone"), "Mon 15 Jun, 13:00 (Berlin time)"
    ),
    Variable("was_start_short", _("the start that they were told, in short"), "Mon 15 Jun, 13:00"),
    Variable("was_place", _("the place that they were told"), "Old Street 1"),
]
_TO_ASSIGNEE = [
    Variable("name", _("the assignee"), "Ana Müller"),
    *_WORK,
    *_START,
    Variable("kind", _("the kind of work"), "Repair"),
    Variable("notes", _("what the assignee should know"), "Ring twice."),
    Variable("when", _("how far away the start is"), "starts in 30 minutes"),
    Variable(
        "link",
        _("the page on which they confirm, decline, start (PUBLIC_URL)"),
        "https://reminders.example/a/17-3-1.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
        Role.URL,
    ),
    Variable(
        "unsubscribe", _("where they stop such reminders"), "https://reminders.example/u/3-0-4f1c", Role.URL
    ),
    *_flags(
        asks=_("where an answer is asked for: before the start, while they have not confirmed"),
        has_confirmed=_("where they have confirmed"),
        late=_("where it leaves more than two minutes later than planned"),
    ),
    *_CHANGES,
]
_GONE = _flags(
    is_cancelled=_("where it was cancelled"),
    is_reassigned=_("where it is no longer theirs"),
)
_REPLIES = _flags(replies=_("where an SMS can be answered"))
_NOTICE = [
    Variable("name", _("the assignee; nothing where nobody is"), "Ana Müller"),
    *_WORK,
    *_START,
    Variable("phone", _("the assignee's telephone"), "+49 170 7654321"),
    Variable("tel", _("the same as an address that dials"), "tel:+491707654321", Role.URL),
    Variable("since", _("since when it is so, with the zone"), "Mon 15 Jun, 14:45 (Berlin time)"),
    Variable("repeat", _("the how many-th repetition it is"), "2"),
    Variable(
        "ops",
        _("the page of the assignment below /ops/"),
        "https://reminders.example/ops/assignments/17",
        Role.URL,
    ),
    Variable(
        "reassign",
        _("the page on which it is given to somebody else"),
        "https://reminders.example/ops/act/reassign?ids=17",
        Role.URL,
    ),
    Variable("note", _("what the assignee said besides"), "The train is late."),
    Variable("expected", _("when it will begin, where it is late"), "Mon 15 Jun, 14:50 (Berlin time)"),
    Variable("expected_short", _("the same in short, without the zone"), "Mon 15 Jun, 14:50"),
]
_ANSWERS = _flags(
    is_declined=_("where the assignee can't make it"),
    is_late=_("where it will begin later"),
    is_unanswered=_("where the assignee has not answered"),
    is_confirmed_after_all=_("where the assignee can make it after all"),
)
_LISTED = [
    Variable("number", _("how many there are"), "3"),
    Variable("more", _("how many of them are not listed"), "2"),
    Variable(
        "entries", _("the list, in the built-in words"), "Repair the lift, Mon 15 Jun, 14:30", Role.BLOCK
    ),
]
_REMINDERS = [
    Variable("name", _("the assignee"), "Ana Müller"),
    *_LISTED,
    Variable("first_start", _("the first start, in short"), "Mon 15 Jun, 14:30"),
    *(one for one in _TO_ASSIGNEE if one.name in ("link", "unsubscribe")),
]
_DIGEST = [
    *_LISTED,
    Variable("waiting", _("how many further notices follow in other messages"), "4"),
    Variable(
        "list",
        _("the page of all overdue work"),
        "https://reminders.example/ops/assignments?show=overdue",
        Role.URL,
    ),
    Variable("overdue", _("how many are overdue"), "2"),
    Variable("declined", _("how many were declined"), "1"),
    Variable("late", _("how many will be late"), "1"),
    Variable("unanswered", _("how many were not answered"), "1"),
    Variable("confirmed_after_all", _("how many were confirmed after all"), "1"),
    *_flags(mixed=_("where not all are about overdue work")),
]
_OF_KIND: dict[str, Sequence[Variable]] = {
    Kind.REMINDER: _TO_ASSIGNEE,
    Kind.REMINDERS: _REMINDERS,
    Kind.CORRECTION: (*_TO_ASSIGNEE, *_GONE),
    Kind.OVERDUE: (*_NOTICE, *_flags(is_overdue=_("in all of these messages"))),
    Kind.ESCALATION: (*_NOTICE, *_ANSWERS),
    Kind.DIGEST: _DIGEST,
}
TO_ASSIGNEES = (Kind.REMINDER, Kind.REMINDERS, Kind.CORRECTION)


def variables(kind: str, form: TextForm) -> Mapping[str, Variable]:
    """What a template of this kind may name, by its name."""
    further = _ORGANISATION if form is TextForm.MAIL else _REPLIES
    return {one.name: one for one in (*_OF_KIND[kind], *further)}
