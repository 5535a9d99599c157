"""How the Ops pages write instants and durations, and the pause that every page shows."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, pgettext
from django.utils.translation import gettext_lazy as _

from assignments.models import Assignment, ReminderStatus, Status
from reminders.content.dates import written_day
from reminders.insight import stored_words
from reminders.insight.explain import wording
from reminders.insight.explain.ways import way_words
from reminders.ledger import pauses
from reminders.models import Pause, Reason
from reminders.policy.ways import channel_name

register = template.Library()

HOUR = 3_600
STEPS = (
    (86_400, _("%(number)s d")),
    (HOUR, _("%(number)s h")),
    (60, _("%(number)s min")),
    (1, _("%(number)s s")),
)


BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari")
"""Words of a User-Agent header, those first that name others too."""
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")
SHOWN_AS = {"Edg": "Edge", "OPR": "Opera", "Mac OS X": "macOS"}


@register.filter
def browser(user_agent: str) -> str:
    """Browser and system of a User-Agent header, as far as it names one of those that are common."""
    name = next((word for word in BROWSERS if f"{word}/" in user_agent), "")
    system = next((word for word in SYSTEMS if word in user_agent), "")
    return gettext("%(browser)s on %(system)s") % {
        "browser": SHOWN_AS.get(name, name) or gettext("A browser"),
        "system": SHOWN_AS.get(system, system) or gettext("an unknown system"),
    }


@register.filter
def parsed(text: str) -> datetime:
    """An instant that is shown as text, such as that of a row that is not stored yet."""
    return datetime.fromisoformat(text)


@register.filter
def instant(at: datetime | None) -> str | SafeString:
    """An instant in the reader's zone, short for today; its title has all of it."""
    if at is None:
        return "-"
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(timespec="seconds"),
        full_instant(at),
        date_format(local, _short_format(local, today="H:i:s")),
    )


@register.filter
def when(at: datetime | None) -> str | SafeString:
    """An instant in a cell of a list: how far it is from now, and beside it when exactly."""
    if at is None:
        return "-"
    return format_html('<span class="when">{} <small>{}</small></span>', distance(at), instant(at))


@register.filter
def far(at: datetime | None) -> str | SafeString:
    """An instant in a line of text: how far it is from now, and by the clock; its title has all of it."""
    if at is None:
        return "-"
    is_today = timezone.localtime(at).date() == timezone.localdate()
    return _timed(at, f"{distance(at)}, {gettext('at {}') if is_today else '{}'}")


AT = r"\b(?:at|um|a las|à) "
MOMENT = r"(?P<local>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?P<zone>UTC|[A-Z]{2,5}|[+-]\d\d(?:\d\d)?)\b"
INSTANT = re.compile(f"(?P<at>{AT})?{MOMENT}")
"""An instant as sentences have it, by `wording.moment` or `gate_facts.format_instant`."""
EXACTLY_AT = re.compile(f",?(?<!etwa) {AT}{MOMENT}")
"""The same with the words before it, where it is no estimate."""
KIND = re.compile(r"^(REMINDER|CORRECTION|ESCALATION|EVENT)\b")


@register.filter
def sentence(text: str) -> SafeString:
    """A sentence that programs read too, as people read it: "at" an instant becomes how far that is from now, others are
    short; the title of each has all of it. A code in front becomes a word.
    """
    escaped = KIND.sub(lambda found: word(found[1]), conditional_escape(text))
    escaped = escaped.replace("marked OVERDUE", "marked overdue")
    return mark_safe(INSTANT.sub(_read_instant, escaped))  # noqa: S308 - escaped above


@register.filter
def step(text: str, at: datetime | None) -> SafeString:
    """The sentence of something that is shown beside its instant: it does not say the same instant once more."""

    def told(found: re.Match[str]) -> str:
        return "" if at is not None and _instant_of(found) == at.replace(microsecond=0) else found[0]

    return sentence(EXACTLY_AT.sub(told, text))


def _read_instant(found: re.Match[str]) -> str:
    at = _instant_of(found)
    if at is None:
        return found[0]
    return far(at) if found["at"] else _timed(at, "{}")


def _instant_of(found: re.Match[str]) -> datetime | None:
    local = datetime.fromisoformat(found["local"])
    zones = [UTC] if found["zone"] == "UTC" else []
    for zone in (*zones, timezone.get_current_timezone()):
        for fold in (0, 1):
            at = local.replace(tzinfo=zone, fold=fold)
            if at.tzname() == found["zone"]:
                return at
    return None


def _timed(at: datetime, words: str) -> SafeString:
    local = timezone.localtime(at)
    clock = date_format(local, _short_format(local, today="H:i:s" if local.second else "H:i"))
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(timespec="seconds"),
        full_instant(at),
        words.format(clock),
    )


@register.filter
def day(on: date, form: str = "D j M Y") -> str:
    """A day in words, by one of the forms of `written_day`."""
    return written_day(on, form)


@register.filter
def minute(at: datetime) -> str:
    """An instant below a picture: the minute, with the day where that is another one."""
    local = timezone.localtime(at)
    return date_format(local, _short_format(local, today="H:i"))


def _short_format(local: datetime, *, today: str) -> str:
    """The format of an instant in a list: what is the same now, day and year, is left out."""
    now = timezone.localdate()
    if local.date() == now:
        return today
    form = gettext("j M H:i") if local.year == now.year else gettext("j M Y H:i")
    return form.replace("j", pgettext("date format of the first", "j")) if local.day == 1 else form


@register.filter
def full_instant(at: datetime | None) -> str:
    """An instant with date and zone."""
    if at is None:
        return "-"
    local = timezone.localtime(at)
    # Django's format character T is empty in the hour that comes twice, where it is needed most.
    return f"{date_format(local, 'Y-m-d H:i:s')} {local.tzname()}"


@register.filter
def age(span: timedelta | float) -> str:
    """A duration in its largest unit, rounded down: 45 s, 12 min, 3 h 20 min, 2 d."""
    seconds = int(max(0.0, span.total_seconds() if isinstance(span, timedelta) else span))
    size, unit = next((step for step in STEPS if seconds >= step[0]), STEPS[-1])
    whole, rest = divmod(seconds, size)
    words = str(unit) % {"number": whole}
    if size == HOUR and rest >= 60:
        return f"{words} {gettext('%(number)s min') % {'number': rest // 60}}"
    return words


@register.filter
def distance(at: datetime | None) -> str:
    """How far an instant is from now: in 12 min, 3 h ago."""
    if at is None:
        return ""
    ahead = at - timezone.now()
    return (
        gettext("in %(span)s") % {"span": age(ahead)}
        if ahead > timedelta()
        else gettext("%(span)s ago") % {"span": age(-ahead)}
    )


CODES = {
    "SCHEDULED": _("Scheduled"),
    "IN_PROGRESS": _("In progress"),
    "COMPLETED": _("Completed"),
    "CANCELLED": _("Cancelled"),
    "NONE": _("Waiting"),
    "SENT": _("Sent"),
    "OVERDUE": _("Overdue"),
    "PLANNED": _("Planned"),
    "QUEUED": _("Queued"),
    "SENDING": _("Being sent"),
    "FAILED": _("Failed"),
    "SKIPPED": _("Not sent"),
    "UNKNOWN": _("Unknown"),
    "MARKED": _("Marked"),
    "REMINDER": _("Reminder"),
    "CORRECTION": _("Correction"),
    "ESCALATION": _("Escalation"),
    "EVENT": _("Webhook"),
    "CONFIRMED": _("Confirmed"),
    "DECLINED": _("Can't make it"),
}
"""Statuses, states and kinds as people read them."""


@register.filter
def word(code: object) -> str:
    """A status, a state or a kind in a word: IN_PROGRESS becomes In progress."""
    return str(CODES.get(str(code)) or words(code))


def reminder_word(reminder_status: str, *, scheduled: bool = True) -> str:
    """A reminder status in a word: what waits is scheduled; other work was not reminded of."""
    if reminder_status == ReminderStatus.SENT:
        return gettext("Reminded")
    return (
        word(reminder_status)
        if scheduled or reminder_status != ReminderStatus.NONE
        else gettext("Not reminded")
    )


@register.filter
def reminded(assignment: Assignment) -> str:
    """What came of the reminders of an assignment, in a word."""
    return reminder_word(assignment.reminder_status, scheduled=assignment.status == Status.SCHEDULED)


@register.filter
def reminded_word(reminder_status: str) -> str:
    """The same of a status alone, of work that is scheduled."""
    return reminder_word(reminder_status)


@register.filter
def within(label: str) -> str:
    """A label as it stands within a sentence; German nouns keep their capital."""
    return str(label) if get_language() == "de" else str(label).lower()


@register.filter
def words(code: object) -> str:
    """The words of a code: too_late becomes too late."""
    from reminders.web import code_words  # Workers load the tags; only pages show codes in words.

    return code_words.in_words(str(code))


@register.filter
def fault(text: str) -> str:
    """What was wrong, as it was stored, in the reader's language."""
    return stored_words.fault_in_words(text)


@register.filter
def actor(name: str) -> str:
    """Who did something, with a word for the system itself."""
    return stored_words.actor_in_words(name)


@register.filter
def reason(text: str) -> str:
    """A reason of the system in the reader's language; one that an operator wrote as it is."""
    return stored_words.reason_in_words(text)


@register.filter
def meaning(reason: str) -> str:
    """What a reason means, in a sentence after "because"; empty where there is none to be told."""
    return str(wording.WORDS.get(Reason(reason), ""))


@register.filter
def server(channel: str) -> str:
    """What accepts the messages of this channel."""
    return wording.channel_name(channel_name(channel))


@register.filter
def way(of: str) -> str:
    """The way of a message: its channel, and the contact point where that is not the person's first one."""
    return way_words(of)


@register.filter
def rate(per_minute: float) -> str:
    """A channel's pace: about 20 a minute."""
    return wording.rate(per_minute)


@register.filter
def total(numbers: Iterable[int]) -> int:
    """Their sum."""
    return sum(numbers)


@register.filter
def pretty(value: object) -> str:
    """JSON as people read it."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


@register.simple_tag
def pause_in_force() -> Pause | None:
    """The pause in force, for pages of Django's admin."""
    return pauses.pause_in_force()


@register.simple_tag(takes_context=True)
def query(context: Any, **changes: object) -> str:
    """The query of this page's address with some of its values changed; None or '' takes one away."""
    values = context["request"].GET.copy()
    for name, value in changes.items():
        values.pop(name, None)
        if value not in (None, ""):
            values[name] = str(value)
    return f"?{values.urlencode()}"
