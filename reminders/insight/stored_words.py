"""What is stored in English, in the reader's language: why an attempt failed, a calendar cannot be read, sending was paused.

Records have one language, whoever reads them; pages have that of their reader. So a page finds the text that a stored
sentence was made from, and writes its translation with the same values. What is not known, such as the answer of a server,
stays as it is.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from django.utils.translation import get_language, gettext, pgettext, trans_real
from django.utils.translation import gettext_noop as _

from reminders.insight.recipient_names import numbered
from reminders.ledger import switches

REASONS = (
    _("Nothing was dispatched for %(minutes)s minutes: review the backlog, then resume."),
    _("its entry was found enabled"),
    _("enabled again: no operator had switched it off"),
    _("corrected %(fields)s"),
    _("after a purge"),
    _("ended by %(by)s"),
    _("removed by %(by)s"),
    _("its endpoint has answered 410: gone"),
)
"""Reasons that the system gives for what it does itself. What operators write is never looked for among other texts."""

FAULTS = (
    # Of every way out.
    _("no usable address"),
    _("the template took too long"),
    _("the channel did not come back in time"),
    _("not sent in this turn"),
    _("this post was given up"),
    _("time ran out"),
    _("the connection broke"),
    _("the response is too long"),
    _("the response is not HTTP"),
    _("the host has no address"),
    _("the name is not a host name"),
    _("the host has an address that is not public"),
    _("The process died before it started this message."),
    _("The process died before this message was complete."),
    _("The process died before the other side had answered."),
    _("The process died before it could record this."),
    _("The process died before it could record how this was refused."),
    _("The worker did not record how this send ended before its lease was over."),
    # Of the operating system, as it says them in English.
    _("connection refused"),
    _("connection reset by peer"),
    _("connection timed out"),
    _("no route to host"),
    _("network is unreachable"),
    _("name or service not known"),
    _("broken pipe"),
    # Of mail.
    _("not one valid e-mail address"),
    _("sender and recipients must be valid addresses"),
    _("the recipient is not one address"),
    _("the message id is not of the form left@right"),
    _("%(name)s cannot be an extra header"),
    _("DEFAULT_FROM_EMAIL is not one valid address"),
    _("EMAIL_REPLY_TO, or that of the team, is not one valid address"),
    _("the e-mail backend does not report what it sent"),
    _("the e-mail backend sent nothing"),
    _("the server offers no STARTTLS"),
    _("not connected"),
    _("the server's reply is not SMTP"),
    _("the server's reply does not end"),
    _("the server closed the connection"),
    _("the server has accepted the mail of a sender that it refused"),
    _("the server offers BDAT and does not know it"),
    _("the server has replied to what it was not asked"),
    _("the client certificate cannot be read"),
    _("the server's challenge is not base64"),
    _("user name or password is not ASCII"),
    _("the mail server accepts only ASCII addresses (it does not offer SMTPUTF8)"),
    # Of chat, SMS and webhooks.
    _("its address is not in the public internet"),
    _("the service has not said what it did"),
    _("the service cannot be reached"),
    _("the service's address cannot be used"),
    _("the service did not answer, or broke off"),
    _("the service takes no message just now"),
    _("the service refuses this message"),
    _("the service refuses the address"),
    _("SMS_URL is not set"),
    _("not a telephone number (E.164)"),
    _("the month's SMS cannot be counted: %(error)s"),
    _("SMS_MONTHLY_CAP: %(cap)s SMS have left in this month (UTC), and no more does"),
    _("a redirect, which is not followed: subscribe the address that it names"),
    # Of scans.
    _("Time was over and the broker took no message: the next scan does the rest."),
    _("The process ended before the scan did."),
    # Of the mailbox of bounces.
    _("the mailbox refuses user or password"),
    _("the mailbox has no such folder, or gives no right to it"),
    _("the mailbox answers something else than what was asked"),
    _("the mailbox cannot be reached (%(error)s)"),
    _("the mailbox did not answer (%(error)s)"),
    # Of what is fetched.
    _("more than %(most)s redirects, one after the other"),
    _("the server answered no document"),
    _("the answer is compressed, which was not asked for"),
    _("the answer is longer than %(most)s bytes"),
    _("the answer ended before it was whole"),
    # Of calendars and their events.
    _("more than %(most)s assignments are in this calendar"),
    _("this is not a calendar: BEGIN:VCALENDAR is its first line"),
    _("this calendar is cut off: END:VCALENDAR is its last line"),
    _("the event of line %(line)s has no END:VEVENT"),
    _("the event of line %(line)s is longer than %(most)s bytes"),
    _("more than %(most)s bytes of events that repeat: send them in several files"),
    _("scheduled_start is needed: the event has no DTSTART"),
    _("this event makes more than %(most)s assignments, by its dates and attendees"),
    _("an exception of this event names no date of it"),
    _("an exception for all later dates cannot be read"),
    _("%(name)s occurs %(number)s times: one is accepted"),
    _("a UID is needed: by it the next import finds this assignment"),
    _("RECURRENCE-ID is needed"),
    _("%(name)s has %(number)s dates: %(most)s are the most"),
    _("%(number)s people are invited: %(most)s are the most"),
    _("%(line)s is not a line of a calendar"),
    _("%(line)s is not in the charset that is declared for it"),
    _(
        "%(name)s %(value)s is a whole day: a time is needed, such as %(example)sT090000, or the import says at which time "
        "whole days begin (all_day)"
    ),
    _("%(name)s %(value)s is not a time: a form like 20260615T130000Z is needed"),
    _("%(value)s is not a DURATION, such as PT1H30M"),
    _("%(value)s has no time zone: a TZID such as Europe/Berlin is needed, or UTC with a Z at the end"),
    _("RRULE %(value)s is not a rule of RFC 5545: a form like FREQ=WEEKLY;BYDAY=MO is needed"),
    _("RRULE %(value)s is not a rule of RFC 5545"),
    _(
        "RRULE %(value)s makes more dates within %(days)s days than %(most)s, or takes too long to follow: a rule with "
        "fewer dates is needed, or a shorter time ahead"
    ),
    _("the dates of this event cannot be computed: %(error)s"),
    _("an alarm %(minutes)s minutes before the start: %(most)s lead times are the most"),
    _("an alarm %(minutes)s minutes before the start, and one %(other)s minutes before it: %(needed)s"),
    _("at least %(minutes)s minutes between lead times are needed"),
    _("an alarm with the ACTION %(name)s: DISPLAY or EMAIL is needed"),
    _("an alarm with %(number)s TRIGGERs: one is needed"),
    _("an alarm with the TRIGGER %(value)s: %(needed)s"),
    _("a length before the start is needed, such as -PT30M"),
    _("1 to %(most)s whole minutes before the start are needed"),
    # Of spreadsheets, which another process reads.
    _(
        "a cell with an error or without a result does not say its place: open the file in a spreadsheet program and save it"
    ),
    _("row %(number)s comes after row %(last)s"),
    _("no more than %(most)s rows of a sheet are read: save it as CSV"),
    _("the sheet has more than %(most)s cells: save the table as CSV"),
    _("this file unpacks to more than is read: save the table as CSV"),
    _("this file has more parts than an XLSX file has"),
)
"""Faults that are written as they are stored, in modules that know nothing of languages."""

LEAST_OF_ITS_OWN = 8
"""So many characters beside its values make a text one that is recognised."""
DEEPEST = 3
_BY_NUMBER = re.compile("(?:assignee|person|subscription):[0-9]+")
_PLACEHOLDER = re.compile(r"%\(([a-z_0-9]+)\)s")


@dataclass(frozen=True, slots=True)
class KnownText:
    """A text with values: the names of these, and what stands before, between and behind them."""

    text: str
    parts: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "KnownText":
        pieces = _PLACEHOLDER.split(text)
        return cls(text, tuple(part.replace("%%", "%") for part in pieces[::2]), tuple(pieces[1::2]))

    @property
    def own(self) -> int:
        """How many characters are its own."""
        return sum(map(len, self.parts))

    def values(self, written: str) -> Mapping[str, str] | None:
        """Its values in what was written; None where that was made from another text. It takes time as the length does."""
        first, *between, last = self.parts
        if not (written.startswith(first) and written.endswith(last)):
            return None
        found: dict[str, str] = {}
        start, end = len(first), len(written) - len(last)
        for name, part in zip(self.names, [*between, None], strict=True):
            stop = end if part is None else written.find(part, start + 1, end)
            if stop <= start or found.setdefault(name, written[start:stop]) != written[start:stop]:
                return None
            start = stop + len(part or "")
        return found


def actor_in_words(actor: str) -> str:
    """Who did something: a name, a number ("assignee 42"), or a word for the system itself."""
    if actor == switches.SYSTEM:
        return pgettext("actor", "system")
    return numbered(actor) if _BY_NUMBER.fullmatch(actor) else actor


def reason_in_words(reason: str) -> str:
    """A reason that the system gave, in the reader's language. What an operator wrote stays as it is."""
    return (
        "; ".join(_translated(part, reason_texts()) for part in reason.split("; "))
        if _reads_other()
        else reason
    )


def fault_in_words(fault: str) -> str:
    """What was wrong, in the reader's language: a fault of a stored text, a calendar, a row, an attempt."""
    return _of_language(str(get_language()), fault) if fault and _reads_other() else fault


def _reads_other() -> bool:
    return not (get_language() or "en").startswith("en")


@lru_cache(maxsize=2_048)
def _of_language(language: str, fault: str) -> str:
    return _translated(fault, texts_of(language))


def _translated(written: str, known: Mapping[str, KnownText], *, depth: int = 0) -> str:
    if written in known:
        return gettext(written)
    if depth == DEEPEST:
        return written
    for one in known.values():
        if len(one.parts) > 1 and (values := one.values(written)) is not None:
            told = {name: _translated(value, known, depth=depth + 1) for name, value in values.items()}
            return gettext(one.text) % told
    return written


@cache
def reason_texts() -> Mapping[str, KnownText]:
    """The reasons of the system."""
    return {text: KnownText.of(text) for text in REASONS}


@cache
def texts_of(language: str) -> Mapping[str, KnownText]:
    """Every text with a translation that a fault may have been made from, those with most of their own first."""
    known = [KnownText.of(text) for text in _catalogue(language)]
    known.sort(key=lambda one: one.own, reverse=True)
    return {one.text: one for one in known if one.own >= LEAST_OF_ITS_OWN and " " in one.text}


def _catalogue(language: str) -> Iterator[str]:
    """The texts with one form and no context. As Django's own view of catalogues (JavaScriptCatalog) reads them."""
    for text, _translation in trans_real.translation(language)._catalog.items():  # type: ignore[attr-defined]
        if isinstance(text, str) and "\x04" not in text:
            yield text
