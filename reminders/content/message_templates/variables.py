"""What a message template may name: for each kind of message the values that its messages have, and what must be said.

The values themselves are made in `content.compose` and `content.notices`; a test compares them with these tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

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
    description: str
    example: str
    role: Role = Role.TEXT


def _flags(**descriptions: str) -> list[Variable]:
    return [Variable(name, description, "yes", Role.FLAG) for name, description in descriptions.items()]


_ORGANISATION = [
    Variable(
        "organisation", "the organisation that sends it, as the team or the settings say", "Lift Service Ltd"
    ),
    Variable("organisation_phone", "whom to call with questions", "+49 30 1234567"),
    Variable("organisation_tel", "the same as an address that dials", "tel:+49301234567", Role.URL),
    *_flags(takes_replies="where answers to the mail are read"),
]
_WORK = [
    Variable("title", "what is to be done", "Repair the lift"),
    Variable("time_line", "from when to when, with the zone", "Mon 15 Jun, 14:30 to 16:30 (Berlin time)"),
    Variable("location", "where", "Main Street 5"),
    Variable("map", "the place on a map (MAP_URL)", "https://maps.example/?q=Main%20Street%205", Role.URL),
    Variable("reference", "its number in the system that plans it", "A-17"),
]
_START = [
    Variable("start_short", "the start in short, without the zone", "Mon 15 Jun, 14:30"),
    Variable("zone", "the zone of the times", "Berlin time"),
]
_CHANGES = [
    *_flags(
        is_moved="where the start is not the one they were told",
        is_place="where the place is another one",
        is_title="where the title is another one",
        is_restored="where it is theirs again",
    ),
    Variable("moved_from", "the start that they were told, without the day where that is the same", "13:00"),
    Variable("moved_to", "the new start, without the day where that is the same", "14:30"),
    Variable("was_title", "the title that they were told", "Repair the old lift"),
    Variable(
        "was_time_line", "the start that they were told, with the zone", "Mon 15 Jun, 13:00 (Berlin time)"
    ),
    Variable("was_start_short", "the start that they were told, in short", "Mon 15 Jun, 13:00"),
    Variable("was_place", "the place that they were told", "Old Street 1"),
]
_TO_ASSIGNEE = [
    Variable("name", "the assignee", "Ana Müller"),
    *_WORK,
    *_START,
    Variable("kind", "the kind of work", "Repair"),
    Variable("notes", "what the assignee should know", "Ring twice."),
    Variable("when", "how far away the start is", "starts in 30 minutes"),
    Variable(
        "link",
        "the page on which they confirm, decline, start (PUBLIC_URL)",
        "https://reminders.example/a/17-3-1.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
        Role.URL,
    ),
    Variable(
        "unsubscribe", "where they stop such reminders", "https://reminders.example/u/3-0-4f1c", Role.URL
    ),
    *_flags(
        asks="where an answer is asked for: before the start, while they have not confirmed",
        has_confirmed="where they have confirmed",
        late="where it leaves more than two minutes later than planned",
    ),
    *_CHANGES,
]
_GONE = _flags(
    is_cancelled="where it was cancelled",
    is_reassigned="where it is no longer theirs",
)
_REPLIES = _flags(replies="where an SMS can be answered")
_NOTICE = [
    Variable("name", "the assignee; nothing where nobody is", "Ana Müller"),
    *_WORK,
    *_START,
    Variable("phone", "the assignee's telephone", "+49 170 7654321"),
    Variable("tel", "the same as an address that dials", "tel:+491707654321", Role.URL),
    Variable("since", "since when it is so, with the zone", "Mon 15 Jun, 14:45 (Berlin time)"),
    Variable("repeat", "the how many-th repetition it is", "2"),
    Variable(
        "ops",
        "the page of the assignment below /ops/",
        "https://reminders.example/ops/assignments/17",
        Role.URL,
    ),
    Variable(
        "reassign",
        "the page on which it is given to somebody else",
        "https://reminders.example/ops/act/reassign?ids=17",
        Role.URL,
    ),
    Variable("note", "what the assignee said besides", "The train is late."),
    Variable("expected", "when it will begin, where it is late", "Mon 15 Jun, 14:50 (Berlin time)"),
    Variable("expected_short", "the same in short, without the zone", "Mon 15 Jun, 14:50"),
]
_ANSWERS = _flags(
    is_declined="where the assignee can't make it",
    is_late="where it will begin later",
    is_unanswered="where the assignee has not answered",
    is_confirmed_after_all="where the assignee can make it after all",
)
_LISTED = [
    Variable("number", "how many there are", "3"),
    Variable("more", "how many of them are not listed", "2"),
    Variable("entries", "the list, in the built-in words", "Repair the lift, Mon 15 Jun, 14:30", Role.BLOCK),
]
_REMINDERS = [
    Variable("name", "the assignee", "Ana Müller"),
    *_LISTED,
    Variable("first_start", "the first start, in short", "Mon 15 Jun, 14:30"),
    *(one for one in _TO_ASSIGNEE if one.name in ("link", "unsubscribe")),
]
_DIGEST = [
    *_LISTED,
    Variable("waiting", "how many further notices follow in other messages", "4"),
    Variable(
        "list",
        "the page of all overdue work",
        "https://reminders.example/ops/assignments?show=overdue",
        Role.URL,
    ),
    Variable("overdue", "how many are overdue", "2"),
    Variable("declined", "how many were declined", "1"),
    Variable("late", "how many will be late", "1"),
    Variable("unanswered", "how many were not answered", "1"),
    Variable("confirmed_after_all", "how many were confirmed after all", "1"),
    *_flags(mixed="where not all are about overdue work"),
]
_OF_KIND: dict[str, Sequence[Variable]] = {
    Kind.REMINDER: _TO_ASSIGNEE,
    Kind.REMINDERS: _REMINDERS,
    Kind.CORRECTION: (*_TO_ASSIGNEE, *_GONE),
    Kind.OVERDUE: (*_NOTICE, *_flags(is_overdue="in all of these messages")),
    Kind.ESCALATION: (*_NOTICE, *_ANSWERS),
    Kind.DIGEST: _DIGEST,
}
TO_ASSIGNEES = (Kind.REMINDER, Kind.REMINDERS, Kind.CORRECTION)


def variables(kind: str, form: TextForm) -> Mapping[str, Variable]:
    """What a template of this kind may name, by its name."""
    further = _ORGANISATION if form is TextForm.MAIL else _REPLIES
    return {one.name: one for one in (*_OF_KIND[kind], *further)}
