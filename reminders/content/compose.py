"""What a message says: facts about an assignment become subject, text and HTML in the reader's language and zone.

A template (`templates/reminders/mail/<language>/<kind>.txt` and `.html`; the first line of the text is the
subject) is rendered once for each set of facts that are present, with marks in place of the values. Filling in
the marks is all that is done for each message. Another language is another folder.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from email.utils import parseaddr
from functools import lru_cache
from html import escape
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import select_template
from django.utils import translation
from django.utils.formats import date_format
from django.utils.safestring import mark_safe

from notifications.message import Contact, Message
from reminders.content import links, webhooks
from reminders.content.links import Link
from reminders.ledger.records import Claim, Facts
from reminders.models import Kind
from reminders.policy import recipients, rows
from reminders.policy.rows import Row

FALLBACK_LANGUAGE = "en"
LATE_AFTER = timedelta(minutes=1)
"""A reminder that leaves later than this says that it is late."""

PLACEHOLDER = re.compile("\ue000([a-z_]+)\ue001")


def compose(claim: Claim, *, contact: Contact, address: str, now: datetime) -> Message:
    """The message for a claimed row, to this address. Instants are shown in the contact's own zone.

    Raises what a broken template raises (django.template.TemplateSyntaxError and its like).
    """
    if claim.row.is_webhook:
        return webhooks.compose(claim, contact=contact, address=address, now=now)
    facts = claim.facts
    language = contact.language
    values = {
        "name": facts.assignee_name,
        "title": " ".join(facts.title.split()),
        "kind": facts.kind,
        "location": facts.location,
        "notes": facts.notes,
        "reference": facts.reference,
        "start_short": local_time(facts.start, contact.time_zone, language, long=False),
        "start_long": local_time(facts.start, contact.time_zone, language),
        "until": local_time(facts.end, contact.time_zone, language) if facts.end else "",
        "when": relative_time(facts.start - now),
        "link": _link(claim.row),
        "late": "late" if now - max(claim.row.due_at, claim.row.planned_at) > LATE_AFTER else "",
    }
    kind = "reminder" if claim.row.kind is Kind.REMINDER else "overdue"
    present = frozenset(name for name, value in values.items() if value)
    subject, text = _template(kind, language, present, "txt").fill(values).split("\n", 1)
    html = _template(kind, language, present, "html").fill(values, written=escape)
    return Message(
        message_id=message_id(claim),
        address=address,
        name=contact.name,
        subject=subject,
        text=text,
        html=html,
        language=language,
    )


def _link(row: Row) -> str:
    """Where the assignee answers; '' for anybody else, and where this site's address is not known."""
    assignee_id = recipients.assignee_id_of(row.recipient)
    return links.url_of(Link(row.assignment_id, assignee_id, row.version)) if assignee_id is not None else ""


def message_id(claim: Claim) -> str:
    """The Message-ID of every attempt at this row, without angle brackets."""
    return f"{rows.message_uuid(claim.row)}@{_own_domain(settings.DEFAULT_FROM_EMAIL)}"


def assignee_contact(facts: Facts) -> Contact:
    """The assignee, as a channel needs to know them."""
    return Contact(
        name=facts.assignee_name,
        email=facts.assignee_email,
        phone=facts.assignee_phone,
        time_zone=facts.assignee_zone,
        language=facts.assignee_language,
    )


def relative_time(left: timedelta, *, past: str = "started") -> str:
    """'starts in 30 minutes', 'started 5 minutes ago'; whole minutes, hours or days, never a lie by rounding up.

    `past` is the verb of what lies behind.
    """
    minutes = round(abs(left).total_seconds() / 60)
    if minutes < 1:
        return "starts now"
    amount, unit = minutes, "minute"
    if minutes >= 2 * 1440:
        amount, unit = minutes // 1440, "day"
    elif minutes >= 120:
        amount, unit = minutes // 60, "hour"
    words = f"{amount} {unit}{'' if amount == 1 else 's'}"
    return f"starts in {words}" if left > timedelta() else f"{past} {words} ago"


def local_time(instant: datetime, zone: str, language: str, *, long: bool = True) -> str:
    """'Monday 23 November 2026, 10:00 (CET, Europe/Berlin)', or short: 'Mon 23 Nov, 10:00'."""
    # Nobody reads seconds here, and most work starts on the same few minutes: each is written out once.
    return _local_minute(instant.replace(second=0, microsecond=0), zone, language, long=long)


@lru_cache(maxsize=4096)
def _local_minute(instant: datetime, zone: str, language: str, *, long: bool) -> str:
    try:
        place = ZoneInfo(zone)
    except (OSError, ValueError, KeyError):
        place, zone = ZoneInfo("UTC"), "UTC"
    local = instant.astimezone(place)
    with translation.override(language):
        if not long:
            return date_format(local, "D j M, H:i", use_l10n=False)
        written = date_format(local, "l j F Y, H:i", use_l10n=False)
    abbreviation = local.tzname() or ""
    named = f"{abbreviation}, {zone}" if abbreviation and abbreviation != zone else zone
    return f"{written} ({named})"


class RenderedTemplate:
    """A template rendered once, with marks where values go."""

    def __init__(self, rendered: str) -> None:
        pieces = PLACEHOLDER.split(rendered)
        self.literals, self.names = pieces[0::2], pieces[1::2]

    def fill(self, values: Mapping[str, str], *, written: Callable[[str], str] = str) -> str:
        """The text with the values in place of their marks, each as `written` gives it."""
        parts = [self.literals[0]]
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            parts.append(written(values[name]))
            parts.append(literal)
        return "".join(parts)


@lru_cache(maxsize=1024)
def _template(kind: str, language: str, present: frozenset[str], form: str) -> RenderedTemplate:
    names = [f"reminders/mail/{tongue}/{kind}.{form}" for tongue in language_fallbacks(language)]
    marks = {name: mark_safe(f"\ue000{name}\ue001") for name in present}  # noqa: S308 - our own marks
    return RenderedTemplate(select_template(names).render(marks))


def language_fallbacks(language: str) -> Iterable[str]:
    """The folders in which a text for a reader of this language is looked for, the best first."""
    return dict.fromkeys((language, language.split("-")[0], FALLBACK_LANGUAGE))


@lru_cache(maxsize=16)
def _own_domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"
