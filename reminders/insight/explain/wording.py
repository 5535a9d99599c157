"""How reasons and instants are said: in plain words, the same wherever people read them."""

from datetime import datetime

from django.utils import timezone

from assignments.direction import isolated
from assignments.instants import known_zone
from assignments.models import Act, ActKind, Way
from reminders.ledger.reminding import asked_for
from reminders.models import Reason, Reminder
from reminders.policy.announcements import PlanDifference
from reminders.policy.escalation import EscalationTrigger
from reminders.policy.rates import Hold
from reminders.policy.rows import News

WORDS = {
    Reason.MOVED: "the assignment was moved to another time",
    Reason.CANCELLED: "the assignment was cancelled",
    Reason.REASSIGNED: "the assignment was given to somebody else, or to other supervisors",
    Reason.STARTED: "the work had been started or completed",
    Reason.REPLANNED: "the plan was made anew",
    Reason.TOO_LATE: "it would have come too late to be of use",
    Reason.PAST: "the assignment was entered after its start",
    Reason.ALREADY_TOLD: "this person had been told this start already",
    Reason.SHORT_NOTICE: "the work became known too late for it, and a later reminder was sent at once instead",
    Reason.TOO_CLOSE: "another reminder to this person about this work is less than 10 minutes before it",
    Reason.QUIET_HOURS: "it fell into quiet hours that had begun before the work became known",
    Reason.CONFIRMED: "the assignee has confirmed meanwhile",
    Reason.IMPORTED: "the former system had sent it",
    Reason.OPERATOR: "an operator decided so",
    Reason.UNSUBSCRIBED: "the subscription had ended",
    Reason.DECLINED: "the assignee can't make it",
    Reason.AS_TOLD: "what this person was told is what is planned",
    Reason.MERGED: "a reminder that was due then stated the change",
    Reason.OPTED_OUT: "this person wants no such messages, or none at that address",
    Reason.FALLBACK: "messages to that address come back, or its channel does not work, so another way was tried",
    Reason.REACHED: "the assignee knows of the work, or a message will tell them",
    Reason.NO_CONTACT: "there is nobody to write to, or no usable address",
    Reason.REJECTED: "the mail server refused it for good",
    Reason.EXHAUSTED: "every attempt failed",
    Reason.TEMPLATE: "the message could not be written: its template is broken",
    Reason.INTERNAL: "a fault of the program",
    Reason.AMBIGUOUS: "nobody can know whether it arrived; an operator decides",
    Reason.DISABLED: "reminders are switched off (REMINDER_WORKER_ENABLED=false)",
    Reason.PAUSED: "sending is paused",
    Reason.TOO_EARLY: "it is not due yet",
    Reason.TO_BE_JOINED: "a message to them has just left; it goes with others in the next one",
    Reason.CHANNEL_HELD: "the channel does not work at present and is left alone for a while",
}
"""Each reason as an operator would say it, after "because"."""


def change_words(news: News | None) -> str:
    """'moved from 09:00 to 14:00', 'cancelled': what a person is told anew; '' where nothing differs."""
    told = news.outdated if news else None
    if news is None or told is None:
        return ""
    said = {
        PlanDifference.CANCELLED: "cancelled",
        PlanDifference.REASSIGNED: "no longer theirs",
        PlanDifference.RESTORED: "theirs again",
        PlanDifference.MOVED: f"moved from {moment(told.start)} to {moment(news.present.start)}",
        PlanDifference.PLACE: "another place",
        PlanDifference.TITLE: "another title",
    }
    return ", ".join(said[change] for change in news.changes)


_AGAIN = "Once that is corrected, remind them now."
ADVICE = {
    Reason.TOO_LATE: "Tell the person yourself if it still matters.",
    Reason.PAST: "Tell the person yourself: no reminder is sent for work that was entered after its start.",
    Reason.OPERATOR: "Remind them now if it is wanted after all.",
    Reason.DECLINED: "Assign somebody else; if the assignee confirms after all before it is due, it is sent.",
    Reason.UNSUBSCRIBED: "Make it active again (PATCH /api/webhooks/ID): it then hears of what happens from now on.",
    Reason.OPTED_OUT: (
        "Tell the person yourself, or ask them: for another address, or whether they want reminders again, to undo their"
        " opt-out."
    ),
    Reason.NO_CONTACT: (
        "Assign somebody, or correct the address: while it is of use the reminder is then tried again by itself."
    ),
    Reason.REJECTED: "Correct the address: while it is of use the reminder is then tried again by itself.",
    Reason.EXHAUSTED: f"The attempts show what the mail server said each time. {_AGAIN}",
    Reason.TEMPLATE: f"The log has the trace. {_AGAIN}",
    Reason.INTERNAL: f"The log has the trace. {_AGAIN}",
    Reason.AMBIGUOUS: (
        "Look for the Message-ID in the mail server's log. If it did not arrive and still matters, remind them now; a"
        " reset takes it off the list of what is to be decided."
    ),
    Reason.DISABLED: "Set REMINDER_WORKER_ENABLED to true and restart web, worker, scanner and beat.",
    Reason.PAUSED: "Resume sending: that shows the backlog first.",
    Reason.CHANNEL_HELD: "Mend the mail server or EMAIL_URL; the channel is tried again by itself.",
}
"""What an operator can do about it; nothing is needed for the reasons that are missing."""


SWITCH_ON_ADVICE = "Switch reminders.scan and reminders.dispatch on again in the admin, under Periodic tasks."
ACTS = {
    ActKind.CONFIRM: "confirmed",
    ActKind.DECLINE: "declined",
    ActKind.ON_MY_WAY: "said to be on the way",
    ActKind.LATE: "said that the work begins later",
    ActKind.START: "started the work",
    ActKind.COMPLETE: "completed the work",
}
TRIGGERS = {
    EscalationTrigger.DECLINED: "the assignee can't make it",
    EscalationTrigger.CONFIRMED_AFTER_ALL: "the assignee can make it after all",
    EscalationTrigger.LATE: "the work begins later",
    EscalationTrigger.UNANSWERED: "the assignee has not answered",
    EscalationTrigger.OVERDUE: "the work is overdue",
    EscalationTrigger.BRIEF: "the assignee is not reached",
}
WAYS = {
    Way.LINK: "by the link",
    Way.SMS: "by SMS",
    Way.API: "through the API",
    Way.OPS: "as an operator",
}


def act_words(act: Act, who: str) -> str:
    """What somebody did: "Ada (assignee 3) said that the work begins later, 15 minutes, by the link."."""
    minutes = f", {act.minutes} minutes" if act.minutes is not None else ""
    note = f" ({isolated(act.note)})" if act.note else ""
    return f"{who} {ACTS[ActKind(act.act)]}{note}{minutes}, {WAYS[Way(act.via)]}."


def now_words(row: Reminder) -> str:
    """Who asked for a reminder at once, and why: "asked for by olga, because “phone was off”,"."""
    because = _because(row)
    return f"asked for at once by {isolated(asked_for(row).by)}{because}{because and ','}"


def reminded_now(row: Reminder) -> str:
    """The same as something that happened: "Reminded now by olga, because “phone was off”."."""
    return f"Reminded now by {isolated(asked_for(row).by)}{_because(row)}."


def _because(row: Reminder) -> str:
    reason = asked_for(row).reason
    return f", because “{isolated(reason)}”" if reason else ""


def words(reason: Reason | None) -> str:
    """A reason in plain words."""
    return WORDS.get(reason, reason.value) if reason else "no reason is known"


def moment(instant: datetime | None) -> str:
    """An instant in the installation's own zone, to the second, with the zone's name; "-" for none."""
    return timezone.localtime(instant).strftime("%Y-%m-%d %H:%M:%S %Z") if instant else "-"


def place(zone: str) -> str:
    """The place that a time zone is called by: "Sydney" of "Australia/Sydney"."""
    return zone.rpartition("/")[2].replace("_", " ")


def local_time(instant: datetime, zone: str | None) -> str:
    """An instant by the clocks of a zone, and by the installation's own: "Tue 16 Jun 2026, 20:00 in Sydney (12:00 CEST
    here)". None: by the latter alone.
    """
    here = timezone.localtime(instant)
    of_zone = known_zone(zone) if zone else None
    if of_zone is None or zone == timezone.get_current_timezone_name():
        return f"{here:%a %-d %b %Y, %H:%M %Z}"
    local = instant.astimezone(of_zone)
    day = "" if local.date() == here.date() else f"{here:%a %-d %b}, "
    return f"{local:%a %-d %b %Y, %H:%M} in {place(zone or '')} ({day}{here:%H:%M %Z} here)"


def clock_there(instant: datetime, zone: str | None) -> str:
    """The time of an instant by the clocks of another zone, in brackets: " (18:00 in Sydney)"; '' for the installation's."""
    of_zone = known_zone(zone) if zone else None
    if of_zone is None or zone == timezone.get_current_timezone_name():
        return ""
    local = instant.astimezone(of_zone)
    day = "" if local.date() == timezone.localtime(instant).date() else f" on {local:%a %-d %b}"
    return f" ({local:%H:%M} in {place(zone or '')}{day})"


def held_by_rate(hold: Hold, *, since: datetime, until: datetime, now: datetime) -> str:
    """'held 40 s: they had one at 10:00:20': why a reminder does not leave when it is due."""
    had = "have" if hold.after > now else "had"
    seconds = round((until - since).total_seconds())
    return f"held {seconds} s: they {had} one at {timezone.localtime(hold.after):%H:%M:%S}"


def rate(per_minute: float) -> str:
    """A pace in plain words: "about 20 a minute"; one decimal where it is slow."""
    return f"about {per_minute:.0f} a minute" if per_minute >= 10 else f"about {per_minute:.2g} a minute"


SERVERS = {"email": "the mail server", "sms": "the SMS gateway", "chat": "the chat service"}


def channel_name(channel: str) -> str:
    """What accepts the messages of a channel, in the middle of a sentence."""
    return SERVERS.get(channel, f"the channel {channel}")
