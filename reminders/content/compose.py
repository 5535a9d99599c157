"""What a message says: facts about an assignment become subject, text and HTML in the reader's language and zone.

A template (`templates/reminders/mail/<kind>.txt` and `.html`; the first line of the text is the subject) is rendered once
for each language and each set of facts that are present, with marks in place of the values. Filling in the marks is all that
is done for each message. Other languages are in the catalogue (`reminders/locale`). Channels that take a short text get that
of `templates/reminders/sms` (see `short_text`).
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from email.utils import parseaddr
from functools import partial
from types import MappingProxyType

from django.conf import settings
from django.template.loader import get_template
from django.utils import translation
from django.utils.safestring import mark_safe

from assignments.direction import isolated, without_controls
from notifications.channels import registry
from notifications.message import BUILT_IN, Contact, Message, Wording
from notifications.settings_cache import kept_while_settings_stay
from reminders.content import briefs, calendars, links, notices, opt_out_links, short_text, tracking, webhooks
from reminders.content.assignee_values import assignee_values, reminders_listed
from reminders.content.dates import local_time, zone_name
from reminders.content.languages import languages_for, text_language
from reminders.content.message_templates import active
from reminders.content.message_templates.custom_text import CustomText, Variant, check_size, recorded_fault
from reminders.content.rendered import RenderedTemplate, escaped, mark, unmarked
from reminders.ledger.records import NO_TEAM_CONTACT, Claim, Digest, Facts, TeamContact
from reminders.models import Kind
from reminders.policy import recipients, rows
from reminders.policy.digests import MOST_LISTED
from reminders.policy.rows import Row
from reminders.policy.ways import channel_name

logger = logging.getLogger(__name__)

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

OWN_FRAMES = {
    **dict.fromkeys(("reminder", "correction"), "work"),
    "reminders": "works",
    **dict.fromkeys(("overdue", "escalation"), "notice"),
    "digest": "notices",
}
"""What a stored text of a kind stands in: what each of these mails has, whatever its text says."""

TEMPLATES = {
    Kind.REMINDER: "reminder",
    Kind.OVERDUE: "overdue",
    Kind.CORRECTION: "correction",
    Kind.ESCALATION: "escalation",
}

COUNTS = ("number", "more", "reached", "waiting", *notices.SUBJECTS)
"""Values that are numbers of things, which languages have forms for."""


def compose(claim: Claim, *, contact: Contact, address: str, now: datetime) -> Message:
    """The message for a claimed row, to this address. Instants are shown in the contact's own zone.

    The text is that of the message template in force, if there is one for it. Where it cannot be used, the built-in one is,
    and `wording` says so. Raises what a broken built-in text raises (django.template.TemplateSyntaxError and its like).
    """
    if claim.row.is_webhook:
        return webhooks.compose(claim, contact=contact, address=address, now=now)
    own = _own_text(claim, contact) if active.are_any() else None
    if own is None:
        return compose_with(claim, None, contact=contact, address=address, now=now)
    try:
        message = compose_with(claim, own, contact=contact, address=address, now=now)
        check_size(message, own.form)
        return message
    except Exception as error:
        wording = Wording(own.version_id, recorded_fault(error))
        logger.warning(
            "Message template not used", extra={"template_version": own.version_id, "reason": wording.fault}
        )
    return replace(compose_with(claim, None, contact=contact, address=address, now=now), wording=wording)


def _own_text(claim: Claim, contact: Contact) -> CustomText | None:
    """The message template in force for this message."""
    return active.text_for(
        kind_of(claim),
        channel_name(claim.row.channel),
        languages=languages_for(contact.language),
        built_in=text_language(contact.language),
        team_id=_common_team(claim.digest) if claim.digest else claim.facts.team_id,
    )


def kind_of(claim: Claim) -> str:
    """Of which kind the message for a claim is, as its text is called."""
    if briefs.as_digest(claim) is not None:
        return "brief"
    if claim.digest is None:
        return _template_name(claim.row)
    return "digest" if recipients.is_supervisor(claim.digest.lead.recipient) else "reminders"


def compose_with(
    claim: Claim, own: CustomText | None, *, contact: Contact, address: str, now: datetime
) -> Message:
    """The message with this text, whatever is in force; None: the built-in text. Raises what is wrong with it."""
    kind = kind_of(claim)
    form = "sms" if registry.takes_short_text(channel_name(claim.row.channel)) else "mail"
    language = own.language if own is not None else text_language(contact.language)
    if (brief := briefs.as_digest(claim)) is not None:
        claim = replace(claim, digest=brief)
    if claim.digest is not None:
        return _compose_digest(
            claim,
            claim.digest,
            kind,
            own,
            contact=contact,
            address=address,
            form=form,
            language=language,
            now=now,
        )
    zone, headers = contact.time_zone, NO_HEADERS
    if recipients.is_supervisor(claim.row.recipient):
        values = notices.notice_values(claim.row, claim.facts, zone=zone, language=language, now=now)
    else:
        values = assignee_values(claim, zone=zone, language=language, now=now)
        headers = opt_out_links.headers_of(values["unsubscribe"])
    values["start_short"] = local_time(claim.facts.start, zone, language, long=False)
    values["zone"] = zone_name(zone, language)
    if form == "sms":
        return _short_message(
            kind, own, values, claim.row, contact=contact, address=address, language=language
        )
    team, present, variant, wording = claim.facts.team_contact, _present(values), None, BUILT_IN
    if own is not None:
        variant, wording = own.variant(values, present, team, partial(_organisation, team)), own.wording
    plain, marked_up = _templates(kind, language, present, team, variant)
    filled = own.with_derived(values) if own is not None else values
    subject, text = plain.fill(filled).split("\n", 1)
    html = marked_up.fill(filled, written=escaped)
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
        wording=wording,
    )


def _short_message(
    kind: str,
    own: CustomText | None,
    values: Mapping[str, str],
    row: Row,
    *,
    contact: Contact,
    address: str,
    language: str,
) -> Message:
    """The message as a short text, which has no subject."""

    def render(values: Mapping[str, str]) -> str:
        if own is not None:
            variant = own.variant(values, _present(values), None, dict)
            return variant.short.fill(own.with_derived(values))
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
        wording=own.wording if own is not None else BUILT_IN,
    )


def _template_name(row: Row) -> str:
    """Overdue work is told in the same words by rules and without."""
    return (
        "overdue" if row.is_escalation and notices.subject_of(row) == notices.OVERDUE else TEMPLATES[row.kind]
    )


def _compose_digest(
    claim: Claim,
    digest: Digest,
    kind: str,
    own: CustomText | None,
    *,
    contact: Contact,
    address: str,
    form: str,
    language: str,
    now: datetime,
) -> Message:
    """One message for all rows of a digest: the first MOST_LISTED in detail, of the others how many they are."""
    to_supervisor = recipients.is_supervisor(digest.lead.recipient)
    if kind == "brief":
        entries, values = briefs.listed(digest.entries, language=language, now=now)
    elif to_supervisor:
        entries, values = notices.notices_listed(digest, language=language, now=now)
    else:
        zone = contact.time_zone
        entries, values = reminders_listed(claim, digest, zone=zone, language=language, now=now)
    more = len(digest.entries) - len(entries)
    values = {"number": str(len(digest.entries)), "more": str(more) if more else "", **values}
    if form == "sms":
        short = "; ".join(entry["title" if to_supervisor else "in_short"] for entry in entries)
        return _short_message(
            kind,
            own,
            {**values, "entries": short},
            digest.lead,
            contact=contact,
            address=address,
            language=language,
        )
    present = (*_present(values), "entries", *_ones(values))
    team, variant, filled = _common_contact(digest), None, values
    if own is not None:
        listed = {**values, "entries": "listed"}
        variant = own.variant(listed, present, team, partial(_organisation, team))
        filled = {name: value for name, value in own.with_derived(values).items() if name != "entries"}

    def written_out(ending: str, written: Callable[[str], str] | None = None) -> str:
        shown = [
            _template(f"{kind}_entry", language, _present(entry), ending, team=team).fill(
                entry, written=written
            )
            for entry in entries
        ]
        whole = {name: written(value) if written else value for name, value in filled.items()}
        template = _template(kind, language, present, ending, team=team, own=variant)
        return template.fill({**whole, "entries": "".join(shown)})

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
        wording=own.wording if own is not None else BUILT_IN,
    )


def _common_contact(digest: Digest) -> TeamContact:
    """Whom all assignments of a message name for questions; of several teams none is named."""
    known = {facts.team_contact for _, facts in digest.entries}
    return known.pop() if len(known) == 1 else NO_TEAM_CONTACT


def _common_team(digest: Digest) -> int | None:
    """The team of all assignments of a message; None where they are of several, or of none."""
    known = {facts.team_id for _, facts in digest.entries}
    return known.pop() if len(known) == 1 else None


def _present(values: Mapping[str, str]) -> tuple[str, ...]:
    """The names of those that are there, in their order; a tuple, which is compared with another one in little time."""
    return tuple([name for name, value in values.items() if value])  # a list is faster than a generator


def _ones(values: Mapping[str, str]) -> tuple[str, ...]:
    """'<name>=1' for each count that is 1: it decides which form of a plural is rendered, so it tells templates apart."""
    return tuple([f"{name}=1" for name in COUNTS if values.get(name) == "1"])


def message_id(row: Row) -> str:
    """The Message-ID of every attempt at this row, and of the digests that it leads, without angle brackets."""
    return f"{rows.message_uuid(row)}@{_own_domain()}"


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


def preload() -> None:
    """Loads template engine, texts of every kind and catalogues. Processes that are forked after it share them."""
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            translation.gettext("starts now")
    for kind in TEMPLATES.values():
        for form in ("txt", "html"):
            get_template(f"reminders/mail/{kind}.{form}")


@kept_while_settings_stay(maxsize=4096)
def _templates(
    kind: str, language: str, present: tuple[str, ...], team: TeamContact, own: Variant | None = None
) -> tuple[RenderedTemplate, RenderedTemplate]:
    """Those of the text and of its HTML."""
    return (
        _template(kind, language, present, "txt", team=team, own=own),
        _template(kind, language, present, "html", team=team, own=own),
    )


@kept_while_settings_stay(maxsize=4096)
def _template(
    kind: str,
    language: str,
    present: tuple[str, ...],
    ending: str,
    form: str = "mail",
    team: TeamContact = NO_TEAM_CONTACT,
    own: Variant | None = None,
) -> RenderedTemplate:
    """The built-in text; with `own` that one, in the frame that every message has."""
    values: dict[str, object] = {name: mark_safe(mark(name)) for name in present}  # noqa: S308 - our own marks
    # 2 stands for any other number.
    values["counts"] = {name: 1 if f"{name}=1" in present else 2 for name in COUNTS}
    if own is not None:
        values["own_subject"] = mark_safe(own.subject)  # noqa: S308 - of the text part, which escapes nothing
        values["own_body"] = mark_safe(own.html if ending == "html" else own.text)  # noqa: S308 - escaped there
        values["of_correction"] = kind == "correction"
    file = f"own_{OWN_FRAMES[kind]}" if own is not None else kind
    with translation.override(language):
        rendered = get_template(f"reminders/{form}/{file}.{ending}").render({**_organisation(team), **values})
    return RenderedTemplate(rendered)


def _organisation(team: TeamContact) -> dict[str, str]:
    """Whom a reader may ask: the same in each message of a team, so it is written into the rendered template."""
    phone = unmarked(team.phone or settings.ORGANISATION_PHONE)
    return {
        "organisation": isolated(unmarked(team.organisation or settings.ORGANISATION_NAME)),
        "organisation_phone": phone,
        "organisation_tel": links.tel_url(phone),
        "takes_replies": "yes" if team.reply_to or settings.EMAIL_REPLY_TO else "",
    }


@kept_while_settings_stay()
def _own_domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
