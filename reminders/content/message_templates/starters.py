"""Texts to begin with: whoever writes a template changes one of these. Each says what the built-in text says, in its words
and language, and can be saved as it is.
"""

from dataclasses import dataclass

from django.utils import translation
from django.utils.translation import gettext, ngettext

from reminders.content.languages import text_language
from reminders.content.message_templates.variables import TextForm
from reminders.models import MessageTemplate

Kind = MessageTemplate.Kind
MANY = 2
"""Stands for any number but 1: a text that is written once has one form."""


@dataclass(frozen=True, slots=True)
class Starter:
    """A subject, where the channel has one, and a text."""

    subject: str
    body: str


class _Marks(dict[str, str]):
    """Of each value how a template writes it."""

    def __missing__(self, name: str) -> str:
        return f"{{{{ {name} }}}}"


_MARKS = _Marks()


def starter(kind: str, form: TextForm, language: str = "en") -> Starter:
    """What a template of this kind begins as, in this language."""
    with translation.override(text_language(language)):
        if form is TextForm.SHORT:
            return Starter("", _SHORT[Kind(kind)]())
        subject, body = _MAIL[Kind(kind)]()
        return Starter(subject, body)


def _if(name: str, text: str, otherwise: str = "") -> str:
    return (
        f"{{% if {name} %}}{text}{{% else %}}{otherwise}{{% endif %}}"
        if otherwise
        else f"{{% if {name} %}}{text}{{% endif %}}"
    )


def _filled(text: str) -> str:
    return text % _MARKS


def _line(label: str, name: str) -> str:
    return f"{label} {{{{ {name} }}}}"


def _lines_if(*lines: tuple[str, str]) -> str:
    """Further lines, each where its value is there."""
    return "".join(_if(name, "\n" + _line(label, name)) for label, name in lines)


def _facts() -> str:
    return _line(gettext("When:"), "time_line") + _lines_if(
        (gettext("Where:"), "location"),
        (gettext("Map:"), "map"),
        (gettext("Kind:"), "kind"),
        (gettext("Number:"), "reference"),
    )


def _notes() -> str:
    return "\n" + _if("notes", "\n{{ notes }}\n")


def _changes() -> str:
    was_place = _filled(gettext("The place has changed; it was: %(was_place)s."))
    return (
        _if("is_restored", gettext("It is yours, other than you were told last.") + "\n")
        + _if("is_moved", _filled(gettext("It was moved from %(moved_from)s to %(moved_to)s.")) + "\n")
        + _if("is_place", _if("was_place", was_place, gettext("The place has changed.")) + "\n")
        + _if("is_title", _filled(gettext("The title has changed; it was: %(was_title)s.")) + "\n")
    )


def _hello() -> str:
    return _filled(gettext("Hello %(name)s,")) + "\n\n"


def _reminder() -> tuple[str, str]:
    subject = _if(
        "late",
        _filled(gettext("Late reminder: %(title)s, %(start_short)s")),
        _filled(gettext("Reminder: %(title)s, %(start_short)s")),
    )
    says = _filled(gettext("%(title)s %(when)s."))
    return subject, f"{_hello()}{says}\n\n{_changes()}\n{_facts()}{_notes()}"


def _reminders() -> tuple[str, str]:
    subject = ngettext(
        "Reminder: %(number)s assignment, the first %(first_start)s",
        "Reminder: %(number)s assignments, the first %(first_start)s",
        MANY,
    )
    says = ngettext("this assignment is yours.", "these %(number)s assignments are yours.", MANY)
    body = _hello() + _filled(says) + _if("more", " " + gettext("The next ones are listed here."))
    return _filled(subject), f"{body}\n\n{{{{ entries }}}}\n\n{_more()}\n"


def _more() -> str:
    return _if("more", _filled(ngettext("And %(more)s more.", "And %(more)s more.", MANY)))


def _gone(says: str) -> str:
    what, when = gettext("What:"), gettext("When:")
    return f"{says}\n\n{what} {{{{ was_title }}}}\n{when} {{{{ was_time_line }}}}\n"


def _correction() -> tuple[str, str]:
    subject = (
        "{% if is_cancelled %}"
        + _filled(gettext("Cancelled: %(was_title)s, %(was_start_short)s"))
        + "{% elif is_reassigned %}"
        + _filled(gettext("No longer yours: %(was_title)s, %(was_start_short)s"))
        + "{% else %}"
        + _filled(gettext("Changed: %(title)s, %(start_short)s"))
        + "{% endif %}"
    )
    body = (
        "{% if is_cancelled %}"
        + _gone(gettext("this work was cancelled. You need not come."))
        + "{% elif is_reassigned %}"
        + _gone(gettext("this work is no longer yours. You need not come."))
        + "{% else %}"
        + f"{_changes()}\n{_line(gettext('What:'), 'title')}\n{_facts()}{_notes()}"
        + "{% endif %}"
    )
    return subject, _hello() + body


def _notice_facts(since: str) -> str:
    again = _filled(gettext("again, repeat %(repeat)s"))
    nobody = gettext("nobody is assigned")
    who = gettext("Who:") + f' {{{{ name|default:"{nobody}" }}}}' + _if("phone", ", {{ phone }}")
    return (
        f"{_line(gettext('What:'), 'title')}\n{who}\n{_line(gettext('When:'), 'time_line')}"
        + _lines_if((gettext("Begins:"), "expected"))
        + since
        + _if("repeat", f"\n{gettext('Told:')} {again}")
        + _lines_if(
            (gettext("Note:"), "note"), (gettext("Where:"), "location"), (gettext("Number:"), "reference")
        )
        + "\n"
    )


def _overdue() -> tuple[str, str]:
    since = "\n" + _line(gettext("Since:"), "since")
    return (
        _filled(gettext("Overdue: %(title)s, %(start_short)s (%(zone)s)")),
        f"{gettext('Nobody has started this work in time.')}\n\n{_notice_facts(since)}",
    )


def _of_answer(declined: str, late: str, unanswered: str, confirmed: str) -> str:
    return (
        f"{{% if is_declined %}}{declined}{{% elif is_late %}}{late}{{% elif is_unanswered %}}{unanswered}"
        f"{{% else %}}{confirmed}{{% endif %}}"
    )


def _answer() -> str:
    return _of_answer(
        gettext("Declined"), gettext("Late"), gettext("No answer"), gettext("Confirmed after all")
    )


def _escalation() -> tuple[str, str]:
    subject = f"{_answer()}: {{{{ title }}}}, {{{{ start_short }}}} ({{{{ zone }}}})"
    says = _of_answer(
        _filled(
            gettext("%(name)s can't make it. Nobody will come unless you give this work to somebody else.")
        ),
        _filled(gettext("%(name)s will begin this work later.")),
        _filled(gettext("%(name)s has not said whether they will come.")),
        _filled(gettext("%(name)s can make it after all.")),
    )
    since = "{% if is_unanswered %}{% else %}\n" + _line(gettext("Said:"), "since") + "{% endif %}"
    return subject, f"{says}\n\n{_notice_facts(since)}"


def _counts() -> str:
    found = _filled(ngettext("%(number)s notice", "%(number)s notices", MANY))
    for name, text in (
        ("declined", ngettext("%(declined)s declined", "%(declined)s declined", MANY)),
        ("late", ngettext("%(late)s late", "%(late)s late", MANY)),
        (
            "unanswered",
            ngettext("%(unanswered)s without an answer", "%(unanswered)s without an answer", MANY),
        ),
        ("overdue", ngettext("%(overdue)s overdue", "%(overdue)s overdue", MANY)),
    ):
        found += _if(name, ", " + _filled(text))
    return found


def _digest() -> tuple[str, str]:
    counts = _counts()
    waiting = _if("waiting", _filled(gettext("Further notices are on their way: %(waiting)s.")))
    listed = _if("more", " " + gettext("The first ones are listed here."))
    return counts, f"{counts}.{listed}\n\n{{{{ entries }}}}\n\n{_more()}\n\n{waiting}\n"


def _link(name: str = "link") -> str:
    return _if(name, f"\n{{{{ {name} }}}}")


def _short_reminder() -> str:
    subject, _ = _reminder()
    moved = _filled(gettext("Moved from %(moved_from)s"))
    return (
        f"{subject} ({{{{ zone }}}})"
        + _if("location", ", {{ location }}")
        + _if("is_moved", f". {moved}")
        + _if("replies", "\n" + gettext("Reply YES, NO or STOP"))
        + _link()
    )


def _short_more() -> str:
    return _if("more", " " + _filled(ngettext("and %(more)s more", "and %(more)s more", MANY)))


def _short_reminders() -> str:
    says = ngettext("Reminder: %(number)s assignment", "Reminder: %(number)s assignments", MANY)
    return f"{_filled(says)}: {{{{ entries }}}}{_short_more()}{_link()}"


def _short_correction() -> str:
    zone = " ({{ zone }})"
    cancelled = gettext("Cancelled: %(was_title)s, %(was_start_short)s. You need not come.")
    reassigned = gettext("No longer yours: %(was_title)s, %(was_start_short)s. You need not come.")
    place = _if("was_place", _filled(gettext("New place, not %(was_place)s")), gettext("New place"))
    return (
        "{% if is_cancelled %}"
        + _filled(cancelled)
        + zone
        + "{% elif is_reassigned %}"
        + _filled(reassigned)
        + zone
        + "{% else %}{% if is_restored %}"
        + _filled(gettext("Yours again: %(title)s, %(start_short)s"))
        + "{% elif is_moved %}"
        + _filled(gettext("Moved: %(title)s, %(start_short)s"))
        + "{% else %}"
        + _filled(gettext("Changed: %(title)s, %(start_short)s"))
        + "{% endif %}"
        + zone
        + _if("location", ", {{ location }}")
        + _if("is_moved", ". " + _filled(gettext("It was: %(moved_from)s")))
        + _if("is_place", ". " + place)
        + _if("is_title", ". " + _filled(gettext("Was called: %(was_title)s")))
        + "{% endif %}"
        + _link()
    )


def _short_overdue() -> str:
    assigned = _filled(gettext("Assigned: %(name)s")) + _if("phone", ", {{ phone }}")
    return (
        gettext("Overdue")
        + _if("repeat", " " + _filled(gettext("(again, %(repeat)s)")))
        + ": {{ title }}, {{ start_short }} ({{ zone }})"
        + _if("location", ", {{ location }}")
        + f". {_if('name', assigned, gettext('Nobody is assigned'))}"
        + _link("ops")
    )


def _short_escalation() -> str:
    late = _if(
        "expected_short",
        _filled(gettext("%(name)s will be late, from %(expected_short)s")),
        _filled(gettext("%(name)s will be late")),
    )
    says = _of_answer(
        _filled(gettext("%(name)s can't make it")),
        late,
        _filled(gettext("%(name)s has not answered")),
        _filled(gettext("%(name)s can make it")),
    )
    return (
        f"{_answer()}: {{{{ title }}}}, {{{{ start_short }}}} ({{{{ zone }}}}). {says}"
        + _if("phone", ", {{ phone }}")
        + _if("note", ". " + _filled(gettext("Note: %(note)s")))
        + _link("ops")
    )


def _short_digest() -> str:
    return f"{_counts()}: {{{{ entries }}}}{_short_more()}.{_link('list')}"


_MAIL = {
    Kind.REMINDER: _reminder,
    Kind.REMINDERS: _reminders,
    Kind.CORRECTION: _correction,
    Kind.OVERDUE: _overdue,
    Kind.ESCALATION: _escalation,
    Kind.DIGEST: _digest,
}
_SHORT = {
    Kind.REMINDER: _short_reminder,
    Kind.REMINDERS: _short_reminders,
    Kind.CORRECTION: _short_correction,
    Kind.OVERDUE: _short_overdue,
    Kind.ESCALATION: _short_escalation,
    Kind.DIGEST: _short_digest,
}
