"""What a message template must and must not hold: whatever is refused has a place in the text, and says what is accepted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from heapq import merge
from itertools import islice

from django.utils.translation import gettext_noop as _

from reminders.content.message_templates import syntax, tree
from reminders.content.message_templates.tree import TOP, Conditional, Node, Parsed, Place, Problem
from reminders.content.message_templates.variables import TO_ASSIGNEES, Role, TextForm, Variable, variables
from reminders.models import MessageTemplate

Kind = MessageTemplate.Kind

MOST_OF_SUBJECT = 300
MOST_OF_BODY = {TextForm.MAIL: 20_000, TextForm.SHORT: 1_000}
"""Characters of a text as it is written."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A template that was read, and what is wrong with it."""

    subject: tuple[Node, ...]
    body: tuple[Node, ...]
    subject_problems: tuple[Problem, ...] = ()
    body_problems: tuple[Problem, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.subject_problems + self.body_problems


def check(kind: str, form: TextForm, *, subject: str, body: str) -> Checked:
    """Reads a template and looks for everything that can be known without a row."""
    known = variables(kind, form)
    if form is TextForm.MAIL:
        subject_read, subject_problems = _checked(subject, MOST_OF_SUBJECT, known)
        if not subject_problems:
            subject_problems = [*_one_line(subject, subject_read.nodes, known)]
    else:
        subject_read = Parsed((), ())
        subject_problems = (
            [Problem(_("a short text has no subject: nothing is accepted here"), TOP)] if subject else []
        )
    body_read, body_problems = _checked(body, MOST_OF_BODY[form], known)
    if not body_problems:
        body_problems = [*_missing(kind, form, body_read.nodes)]
    return Checked(
        subject=subject_read.nodes,
        body=body_read.nodes,
        subject_problems=tuple(subject_problems),
        body_problems=tuple(body_problems),
    )


def _checked(source: str, most: int, known: Mapping[str, Variable]) -> tuple[Parsed, list[Problem]]:
    """The text as it was read, with what is wrong in its language and its names."""
    if len(source) > most:
        before = source[:most]
        place = Place(before.count("\n") + 1, most - before.rfind("\n"))
        text = _("%(number)s characters are too long: %(most)s are accepted")
        return Parsed((), ()), [Problem(text, place, {"number": len(source), "most": most})]
    if not source.strip():
        return Parsed((), ()), [Problem(_("a text is needed"), TOP)]
    read = syntax.parse(source)
    # Each of these is in the order of the text, and no more of them are made than are named.
    of_names = merge(_unknown_asked(read.nodes, known), _unknown_values(read.nodes, known), key=_order)
    problems = [*read.problems, *islice(of_names, syntax.MOST_PROBLEMS)]
    return read, sorted(problems, key=_order)[: syntax.MOST_PROBLEMS]


def _order(problem: Problem) -> tuple[int, int]:
    return problem.place.line, problem.place.column


def _unknown_asked(nodes: tuple[Node, ...], known: Mapping[str, Variable]) -> Iterator[Problem]:
    """Names in conditions that these messages do not have."""
    for asked in tree.asked_in(nodes):
        if asked.name not in known:
            yield _no_such(asked.name, known, asked.place)


def _unknown_values(nodes: tuple[Node, ...], known: Mapping[str, Variable]) -> Iterator[Problem]:
    """Names of values that these messages do not have, and flags where something is to be written."""
    for value in tree.values_in(nodes):
        at = Place(value.place.line, value.place.column)
        if value.name not in known:
            yield _no_such(value.name, known, at)
            continue
        match known[value.name].role:
            case Role.FLAG:
                values = {"name": value.name, "form": f"{{% if {value.name} %}}"}
                yield Problem(_("%(name)s holds nothing to be written: %(form)s is accepted"), at, values)
            case Role.URL | Role.BLOCK if value.filters:
                values = {"name": value.name, "form": f"{{{{ {value.name} }}}}"}
                yield Problem(_("%(name)s takes no filter: %(form)s is accepted"), at, values)


def _no_such(name: str, known: Mapping[str, Variable], place: Place) -> Problem:
    close = sorted(known, key=lambda one: (_distance(name, one), one))[:3]
    text = _("%(name)s: these messages have no such value: %(names)s or another one of the list is accepted")
    return Problem(text, place, {"name": name, "names": ", ".join(close)})


def _distance(one: str, other: str) -> float:
    """How unlike two names are: 0 for the same, 1 for names without a pair of letters in common."""
    pairs, others = ({name[at : at + 2] for at in range(len(name) - 1)} for name in (one[:40].lower(), other))
    return 1 - 2 * len(pairs & others) / max(1, len(pairs) + len(others))


def _one_line(subject: str, nodes: tuple[Node, ...], known: Mapping[str, Variable]) -> Iterator[Problem]:
    if (end := subject.find("\n")) >= 0:
        yield Problem(_("a subject is one line: no end of a line is accepted"), Place(1, end + 1))
    for value in tree.values_in(nodes):
        if known[value.name].role in (Role.URL, Role.BLOCK):
            text = _("%(name)s is for the text: it is not accepted in a subject")
            yield Problem(text, value.place, {"name": value.name})


# --- what must be said ---------------------------------------------------------------------------------------------


def _missing(kind: str, form: TextForm, nodes: tuple[Node, ...]) -> Iterator[Problem]:
    """What these messages must say whatever their row holds, and this text does not."""
    if kind in (Kind.REMINDERS, Kind.DIGEST):
        if "entries" not in always(nodes, {}):
            text = _("what is listed must be there in any case: %(form)s is needed")
            yield Problem(text, TOP, {"form": "{{ entries }}"})
        if form is TextForm.SHORT and kind == Kind.REMINDERS:
            yield from _link(nodes)
        return
    gone = {"is_cancelled": False, "is_reassigned": False}
    if "time_line" not in always(nodes, gone):
        text = _(
            "the start with its zone must be there in any case: %(form)s, or %(start)s and %(zone)s, "
            "outside of conditions, is needed"
        )
        forms = {"form": "{{ time_line }}", "start": "{{ start_short }}", "zone": "{{ zone }}"}
        yield Problem(text, TOP, forms)
    if kind == Kind.CORRECTION:
        yield from _changes(nodes)
    if kind == Kind.ESCALATION:
        asked = {one.name for one in tree.asked_in(nodes)}
        for name in ("is_declined", "is_late", "is_unanswered"):
            if name not in asked:
                yield _without(name, _("it must say what has happened: %(form)s is needed"))
    if form is TextForm.SHORT and kind in TO_ASSIGNEES:
        yield from _link(nodes)


def _link(nodes: tuple[Node, ...]) -> Iterator[Problem]:
    """A short text has no buttons that the system adds."""
    known = {
        "link": True,
        "asks": True,
        "has_confirmed": False,
        "is_cancelled": False,
        "is_reassigned": False,
    }
    if "link" not in always(nodes, known):
        text = _("where they answer must be there in any case: %(form)s, or %(condition)s, is needed")
        forms = {"form": "{{ link }}", "condition": "{% if link %}{{ link }}{% endif %}"}
        yield Problem(text, TOP, forms)


def _changes(nodes: tuple[Node, ...]) -> Iterator[Problem]:
    """A correction that does not say what has changed corrects nothing."""
    asked = {one.name for one in tree.asked_in(nodes)}
    flags = ("is_cancelled", "is_reassigned", "is_restored", "is_moved", "is_place", "is_title")
    for name in ("is_cancelled", "is_reassigned"):
        if name not in asked:
            yield _without(name, _("it must say that they need not come: %(form)s is needed"))
        elif "was_time_line" not in always(nodes, {**dict.fromkeys(flags, False), name: True}):
            text = _(
                "it must say which work they need not come to: %(form)s, or %(start)s and %(zone)s, "
                "after %(condition)s is needed"
            )
            forms = {"form": "{{ was_time_line }}", "start": "{{ was_start_short }}", "zone": "{{ zone }}"}
            yield Problem(text, TOP, {**forms, "condition": f"{{% if {name} %}}"})
    if "is_restored" not in asked:
        yield _without("is_restored", _("it must say that the work is theirs again: %(form)s is needed"))
    moved = always(nodes, {**dict.fromkeys(flags, False), "is_moved": True})
    if not moved & {"moved_from", "was_time_line", "was_start_short"}:
        text = _("it must say from when it was moved: %(condition)s with %(form)s is needed")
        yield Problem(text, TOP, {"condition": "{% if is_moved %}", "form": "{{ moved_from }}"})
    for name, text in (
        ("is_place", _("it must say that the place has changed: %(form)s is needed")),
        ("is_title", _("it must say that the title has changed: %(form)s is needed")),
    ):
        if name not in asked:
            yield _without(name, text)


def _without(name: str, text: str) -> Problem:
    """A condition that must be there, and is not."""
    return Problem(text, TOP, {"form": f"{{% if {name} %}}"})


def always(nodes: tuple[Node, ...], known: Mapping[str, bool]) -> frozenset[str]:
    """The values that are written in any case, where these names are known to hold something, or nothing."""
    found: frozenset[str] = frozenset()
    for node in nodes:
        if isinstance(node, tree.Value):
            found |= {node.name}
        elif isinstance(node, Conditional):
            found |= _always_of(node, known)
    for before in ("", "was_"):
        if {f"{before}start_short", "zone"} <= found:
            found |= {f"{before}time_line"}  # They say the same: the start with its zone.
    return found


def _always_of(choice: Conditional, known: Mapping[str, bool]) -> frozenset[str]:
    possible = []
    for branch in choice.branches:
        holds = True if branch.condition is None else _decided(branch.condition, known)
        if holds is not False:
            possible.append(always(branch.body, known))
        if holds is True:
            break
    else:
        possible.append(frozenset())
    return reduce(frozenset.intersection, possible)


def _decided(condition: tree.Condition, known: Mapping[str, bool]) -> bool | None:
    """Whether a condition holds; None where that depends on what is not known."""
    match condition:
        case tree.Question(name, _, equals):
            there = known.get(name)
            return there if equals is None or there is False else None
        case tree.Negation(inner):
            decided = _decided(inner, known)
            return None if decided is None else not decided
        case tree.Junction(every, inner):
            found = [_decided(one, known) for one in inner]
            settles = not every
            if settles in found:
                return settles
            return None if None in found else every
    raise AssertionError("unreachable")
