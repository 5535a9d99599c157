"""What a message says: facts about an assignment become subject, text and HTML in the reader's language and zone.

A template (`templates/reminders/mail/<kind>.txt` and `.html`; the first line of the text is the subject) is rendered once
for each language and each set of facts that are present, with marks in place of the values. Filling in the marks is all that
is done for each message. Other languages are in the catalogue (`reminders/locale`). Channels that take a short text get that
of `templates/reminders/sms` (see `short_text`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parseaddr
from functools import lru_cache
from html import escape
from types import MappingProxyType

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.template.loader import get_template
from django.utils import translation
from django.utils.safestring import mark_safe

from assignments.direction import isolated, without_controls
from notifications.channels import registry
from notifications.channels.sms.alphabet import unaccented
from notifications.message import Contact, Message
from reminders.content import calendars, links, notices, opt_out_links, short_text, tracking, webhooks
from reminders.content.dates import local_time, relative_time, time_line, zone_name
from reminders.content.languages import text_language
from reminders.content.links import Link
from reminders.ledger.records import NO_TEAM_CONTACT, Claim, Digest, Facts, TeamContact
from reminders.models import Kind
from reminders.policy import recipients, rows
from reminders.policy.announcements import PlanDifference
from reminders.policy.digests import MOST_LISTED
from reminders.policy.rows import News, Row
from reminders.policy.ways import channel_name

LATE_AFTER = timedelta(minutes=2)
"""A reminder that leaves later than this says that it is late: one that waits for others to be joined is not."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

TEMPLATES = {
    Kind.REMINDER: "reminder",
    Kind.OVERDUE: "overdue",
    Kind.CORRECTION: "correction",
    Kind.ESCALATION: "escalation",
}

COUNTS = ("number", "more", "waiting", *notices.SUBJECTS)
"""Values that are numbers of things, which languages have forms for."""

SPECIAL_IN_HTML = re.compile("[&<>\"']")
PLACEHOLDER = re.compile("\ue000([a-z_]+)\ue001")


def compose(claim: Claim, *, contact: Contact, address: str, now: datetime) -> Message:
    """The message for a claimed row, to this address. Instants are shown in the contact's own zone.

    Raises what a broken template raises (django.template.TemplateSyntaxError and its like).
    """
    if claim.row.is_webhook:
        return webhooks.compose(claim, contact=contact, address=address, now=now)
    form = "sms" if registry.takes_short_text(channel_name(claim.row.channel)) else "mail"
    if claim.digest is not None:
        return _compose_digest(claim, claim.digest, contact=contact, address=address, form=form, now=now)
    kind = _template_name(claim.row)
    language = text_language(contact.language)
    zone, headers = contact.time_zone, NO_HEADERS
    if recipients.is_supervisor(claim.row.recipient):
        values = notices.notice_values(claim.row, claim.facts, zone=zone, language=language, now=now)
    else:
        values = _assignee_values(claim, zone=zone, language=language, now=now)
        headers = opt_out_links.headers_of(values["unsubscribe"])
    values["start_short"] = local_time(claim.facts.start, zone, language, long=False)
    values["zone"] = zone_name(zone, language)
    if form == "sms":
        return _short_message(kind, values, claim.row, contact=contact, address=address, language=language)
    team = claim.facts.team_contact
    plain, marked_up = _templates(kind, language, _present(values), team)
    subject, text = plain.fill(values).split("\n", 1)
    html = marked_up.fill(values, written=escaped)
    return Message(
        message_id=message_id(claim.row),
        address=address,
        name=without_controls(contact.name),
        subject=subject,
        text=text,
        html=html,
        language=language,
        tracking=tracking.token_for(claim.row),
        headers=headers,
        reply_to=team.reply_to,
        calendar=calendars.file_for(claim, [(claim.row, claim.facts)], now=now),
    )


def _short_message(
    kind: str, values: Mapping[str, str], row: Row, *, contact: Contact, address: str, language: str
) -> Message:
    """The message as a short text, which has no subject."""

    def render(values: Mapping[str, str]) -> str:
        return _template(kind, language, (*_present(values), *_ones(values)), "txt", "sms").fill(values)

    text = short_text.text_of(
        render, {**values, "replies": short_text.takes_replies(channel_name(row.channel))}
    )
    return Message(
        message_id=message_id(row),
        address=address,
        name=without_controls(contact.name),
        subject="",
        text=text,
        language=language,
        tracking=tracking.token_for(row),
    )


def _assignee_values(claim: Claim, *, zone: str, language: str, now: datetime) -> dict[str, str]:
    """What a message to an assignee, present or former, says of the work."""
    facts = claim.facts
    changed = changed_values(claim.plan.news, zone=zone, language=language, now=now)
    if claim.row.is_correction and claim.announced is not None and not claim.announced.theirs:
        # To whom the work does not belong any more, nothing of the plan in force is told.
        facts = replace(facts, location="", notes="", kind="", reference="", end=None)
    row = claim.row
    assignee_id = recipients.assignee_id_of(row.recipient)
    link = unsubscribe = ""
    if assignee_id is not None:
        link = links.url_of(Link(row.assignment_id, assignee_id, row.version))
        if row.kind is Kind.REMINDER and not claim.mandatory:
            unsubscribe = opt_out_links.url_of(assignee_id, row.rule)
    may_answer = bool(link) and now < facts.start
    is_late = not changed and now - max(row.due_at, row.planned_at) > LATE_AFTER
    return {
        "name": isolated(facts.assignee_name),
        "title": isolated(" ".join(facts.title.split())),
        "kind": isolated(facts.kind),
        "location": isolated(facts.location),
        "map": links.map_url(facts.location),
        "notes": isolated(facts.notes),
        "reference": isolated(facts.reference),
        "time_line": time_line(facts.start, facts.end, zone, language, now=now),
        "when": relative_time(facts.start - now, language),
        "link": link,
        "unsubscribe": unsubscribe,
        "asks": "yes" if may_answer and not claim.plan.confirmed else "",
        "has_confirmed": "yes" if may_answer and claim.plan.confirmed else "",
        "late": "yes" if is_late else "",
        **changed,
    }


def _template_name(row: Row) -> str:
    """Overdue work is told in the same words by rules and without."""
    return (
        "overdue" if row.is_escalation and notices.subject_of(row) == notices.OVERDUE else TEMPLATES[row.kind]
    )


def _compose_digest(
    claim: Claim, digest: Digest, *, contact: Contact, address: str, form: str, now: datetime
) -> Message:
    """One message for all rows of a digest: the first MOST_LISTED in detail, of the others how many they are."""
    to_supervisor = recipients.is_supervisor(digest.lead.recipient)
    kind = "digest" if to_supervisor else "reminders"
    language = text_language(contact.language)
    if to_supervisor:
        entries, values = _notices_listed(digest, language=language, now=now)
    else:
        zone = contact.time_zone
        entries, values = _reminders_listed(claim, digest, zone=zone, language=language, now=now)
    more = len(digest.entries) - len(entries)
    values |= {"number": str(len(digest.entries)), "more": str(more) if more else ""}
    if form == "sms":
        short = "; ".join(entry["title" if to_supervisor else "in_short"] for entry in entries)
        return _short_message(
            kind,
            {**values, "entries": short},
            digest.lead,
            contact=contact,
            address=address,
            language=language,
        )
    present = (*_present(values), "entries", *_ones(values))
    team = _common_contact(digest)

    def written_out(ending: str, written: Callable[[str], str] | None = None) -> str:
        shown = [
            _template(f"{kind}_entry", language, _present(entry), ending, team=team).fill(
                entry, written=written
            )
            for entry in entries
        ]
        whole = {name: written(value) if written else value for name, value in values.items()}
        filled = {**whole, "entries": "".join(shown)}
        return _template(kind, language, present, ending, team=team).fill(filled)

    subject, text = written_out("txt").split("\n", 1)
    return Message(
        message_id=message_id(digest.lead),
        address=address,
        name=without_controls(contact.name),
        subject=subject,
        text=text,
        html=written_out("html", escaped),
        language=language,
        tracking=tracking.token_for(digest.lead),
        headers=opt_out_links.headers_of(values.get("unsubscribe", "")),
        reply_to=team.reply_to,
        calendar=calendars.file_for(claim, digest.entries[:MOST_LISTED], now=now),
    )


def _common_contact(digest: Digest) -> TeamContact:
    """Whom all assignments of a message name for questions; of several teams none is named."""
    known = {facts.team_contact for _, facts in digest.entries}
    return known.pop() if len(known) == 1 else NO_TEAM_CONTACT


def _notices_listed(
    digest: Digest, *, language: str, now: datetime
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """What a supervisor reads of each notice, and of all of them."""
    entries = [
        notices.notice_values(row, facts, zone=facts.assignee_zone, language=language, now=now)
        for row, facts in digest.entries[:MOST_LISTED]
    ]
    return entries, {
        "waiting": str(digest.waiting) if digest.waiting else "",
        "list": links.overdue_list_url(),
        **notices.counts([row for row, _ in digest.entries]),
    }


def _reminders_listed(
    claim: Claim, digest: Digest, *, zone: str, language: str, now: datetime
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """What an assignee reads of each assignment, the next one first, and of all of them.

    Where all are of one rule, its reminders can be stopped once for all; else those of each rule beside its work.
    """
    begun = {one.row.id: one for one in claim.message}
    unknown = replace(claim.plan, news=None, confirmed=False)
    listed = sorted(digest.entries, key=lambda entry: (entry[1].start, entry[0].id))
    entries = [
        _assignee_values(
            begun.get(row.id)
            or replace(claim, row=row, facts=facts, plan=unknown, announced=None, digest=None),
            zone=zone,
            language=language,
            now=now,
        )
        for row, facts in listed[:MOST_LISTED]
    ]
    for entry, (_, facts) in zip(entries, listed, strict=False):
        entry["notes"] = entry["notes"].replace("\n", "\n          ")  # below the first line
        start = local_time(facts.start, zone, language, long=False)
        entry["in_short"] = f"{entry['title']}, {unaccented(start)}"
    stops = {entry["unsubscribe"] for entry in entries}
    if len(stops) == 1:
        entries = [{**entry, "unsubscribe": ""} for entry in entries]
    return entries, {
        "name": isolated(claim.facts.assignee_name),
        "first_start": local_time(listed[0][1].start, zone, language, long=False),
        "link": entries[0]["link"],
        "unsubscribe": stops.pop() if len(stops) == 1 else "",
    }


def escaped(text: str) -> str:
    """The text in HTML. Few texts have a character that must be written otherwise: one search spares the others five."""
    return escape(text) if SPECIAL_IN_HTML.search(text) else text


def _present(values: Mapping[str, str]) -> tuple[str, ...]:
    """The names of those that are there, in their order; a tuple, which is compared with another one in little time."""
    return tuple([name for name, value in values.items() if value])  # a list is faster than a generator


def _ones(values: Mapping[str, str]) -> tuple[str, ...]:
    """'<name>=1' for each count that is 1: it decides which form of a plural is rendered, so it tells templates apart."""
    return tuple([f"{name}=1" for name in COUNTS if values.get(name) == "1"])


def changed_values(news: News | None, *, zone: str, language: str, now: datetime) -> dict[str, str]:
    """What of the plan is not as the reader was told, as values for the templates; empty where nothing is.

    `is_<change>` for each `Change`, what was announced (`was_...`), and `moved_from` and `moved_to` without the day where
    it is the same.
    """
    told = news.outdated if news else None
    if news is None or told is None:
        return {}
    title = told.title if told.title is not None else news.present.title
    values = {f"is_{change.value}": "yes" for change in news.changes}
    values["was_title"] = isolated(" ".join((title or "").split()))
    values["was_time_line"] = time_line(told.start, None, zone, language, now=now)
    values["was_start_short"] = local_time(told.start, zone, language, long=False)
    if PlanDifference.PLACE in news.changes:
        values["was_place"] = isolated(told.place or "")
    if PlanDifference.MOVED in news.changes:
        values["moved_from"] = values["was_start_short"]
        values["moved_to"] = local_time(news.present.start, zone, language, long=False)
        day_from, _, time_from = values["moved_from"].rpartition(", ")
        day_to, _, time_to = values["moved_to"].rpartition(", ")
        if day_from == day_to:
            values["moved_from"], values["moved_to"] = time_from, time_to
    return values


def message_id(row: Row) -> str:
    """The Message-ID of every attempt at this row, and of the digests that it leads, without angle brackets."""
    return f"{rows.message_uuid(row)}@{_own_domain(settings.DEFAULT_FROM_EMAIL)}"


def id_of(row: Row, *, lead: Row) -> str:
    """The id of the message that held this row, led by `lead`, which is the row itself where it went alone."""
    return rows.message_uuid(row) if row.is_webhook else message_id(lead)


def assignee_contact(facts: Facts) -> Contact:
    """The assignee, as a channel needs to know them."""
    return Contact(
        name=facts.assignee_name,
        email=facts.assignee_email,
        phone=facts.assignee_phone,
        time_zone=facts.assignee_zone,
        language=facts.assignee_language,
    )


class RenderedTemplate:
    """A template rendered once, with marks where values go."""

    def __init__(self, rendered: str) -> None:
        pieces = PLACEHOLDER.split(rendered)
        self.names = pieces[1::2]
        self.format = "%s".join(literal.replace("%", "%%") for literal in pieces[0::2])

    def fill(self, values: Mapping[str, str], *, written: Callable[[str], str] | None = None) -> str:
        """The text with the values in place of their marks, each as `written` gives it, or as it is."""
        found = tuple([values[name] for name in self.names])
        if written is escaped and not SPECIAL_IN_HTML.search("".join(found)):
            return self.format % found  # One look at all of them; most messages have nothing to escape.
        return self.format % (found if written is None else tuple(map(written, found)))


def preload() -> None:
    """Loads the template engine and compiles the texts of every kind. Processes that are forked after it share them."""
    for kind in TEMPLATES.values():
        for form in ("txt", "html"):
            get_template(f"reminders/mail/{kind}.{form}")


@lru_cache(maxsize=1024)
def _templates(
    kind: str, language: str, present: tuple[str, ...], team: TeamContact
) -> tuple[RenderedTemplate, RenderedTemplate]:
    """Those of the text and of its HTML."""
    return (
        _template(kind, language, present, "txt", team=team),
        _template(kind, language, present, "html", team=team),
    )


@lru_cache(maxsize=1024)
def _template(
    kind: str,
    language: str,
    present: tuple[str, ...],
    ending: str,
    form: str = "mail",
    team: TeamContact = NO_TEAM_CONTACT,
) -> RenderedTemplate:
    marks = {name: mark_safe(f"\ue000{name}\ue001") for name in present}  # noqa: S308 - our own marks
    counts = {name: 1 if f"{name}=1" in present else 2 for name in COUNTS}  # 2 stands for any other number
    with translation.override(language):
        rendered = get_template(f"reminders/{form}/{kind}.{ending}").render(
            {**_organisation(team), **marks, "counts": counts}
        )
    return RenderedTemplate(rendered)


def _organisation(team: TeamContact) -> dict[str, str]:
    """Whom a reader may ask: the same in each message of a team, so it is written into the rendered template."""
    phone = team.phone or settings.ORGANISATION_PHONE
    return {
        "organisation": isolated(team.organisation or settings.ORGANISATION_NAME),
        "organisation_phone": phone,
        "organisation_tel": links.tel_url(phone),
        "takes_replies": "yes" if team.reply_to or settings.EMAIL_REPLY_TO else "",
    }


@receiver(setting_changed)
def _forget_templates(**_: object) -> None:
    """Only tests change a setting of a running process."""
    _template.cache_clear()
    _templates.cache_clear()


@lru_cache(maxsize=16)
def _own_domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"
