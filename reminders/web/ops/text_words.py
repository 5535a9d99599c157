"""What kinds of messages, channels and sample rows are called on the pages about message templates."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from reminders.insight.template_list import StoredText
from reminders.models import MessageTemplate
from reminders.web.language import NAMES

KINDS: Mapping[str, object] = {
    MessageTemplate.Kind.REMINDER: _("Reminder"),
    MessageTemplate.Kind.REMINDERS: _("Several reminders in one"),
    MessageTemplate.Kind.CORRECTION: _("Correction"),
    MessageTemplate.Kind.OVERDUE: _("Overdue work"),
    MessageTemplate.Kind.ESCALATION: _("Answer of an assignee, or none"),
    MessageTemplate.Kind.DIGEST: _("Several notices in one"),
}
CHANNELS: Mapping[str, object] = {"email": _("E-mail"), "sms": _("SMS"), "chat": _("Chat")}
STATES: Mapping[str, object] = {"in_use": _("in use"), "off": _("off"), "broken": _("broken")}
SAMPLES: Mapping[str, object] = {
    "usual": _("the usual one"),
    "with little": _("with little known"),
    "confirmed": _("confirmed"),
    "late": _("late"),
    "changed": _("changed"),
    "moved": _("moved"),
    "cancelled": _("cancelled"),
    "no longer theirs": _("no longer theirs"),
    "theirs again": _("theirs again"),
    "another place": _("another place"),
    "all at once": _("everything changed at once"),
    "another title": _("another title"),
    "again": _("told again"),
    "nobody assigned": _("nobody assigned"),
    "declined": _("declined"),
    "confirmed after all": _("confirmed after all"),
    "no answer": _("no answer"),
    "of all kinds": _("of all kinds"),
    "all overdue": _("all overdue"),
}


def language_word(code: str) -> str:
    """A language by the name that its readers know, with its variant: Deutsch (AT)."""
    name, _, variant = code.partition("-")
    return f"{NAMES.get(name, name)} ({variant.upper()})" if variant else NAMES.get(name, name)


def words_of(one: StoredText) -> dict[str, Any]:
    """A stored text as a list shows it."""
    template = one.template
    return {
        "text": one,
        "kind": KINDS.get(template.kind, template.kind),
        "way": CHANNELS.get(template.channel, template.channel),
        "language": language_word(template.language),
        "state": STATES[one.state],
    }


def choices(words: Mapping[str, object], codes: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """These codes with their words, for a form; None: all."""
    return [(code, str(words.get(code, code))) for code in (words if codes is None else codes)]
