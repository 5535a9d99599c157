"""How reasons and instants are said: in plain words, the same wherever people read them."""

from collections.abc import Mapping
from datetime import datetime

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.direction import isolated
from assignments.entry_way import EntryWay
from assignments.history import CALENDAR
from assignments.instants import known_zone
from assignments.models import Act, ActKind, Assignment, Way
from reminders.content.dates import written_day
from reminders.ledger.reminding import asked_for
from reminders.models import Reason, Reminder
from reminders.policy.announcements import PlanDifference
from reminders.policy.escalation import EscalationTrigger
from reminders.policy.rates import Hold
from reminders.policy.rows import News

WORDS = {
    Reason.MOVED: _("the assignment was moved to another time"),
    Reason.CANCELLED: _("the assignment was cancelled"),
    Reason.REASSIGNED: _("the assignment was given to somebody else, or to other supervisors"),
    Reason.STARTED: _("the work had been started or completed"),
    Reason.REPLANNED: _("the plan was made anew"),
    Reason.TOO_LATE: _("it would have come too late to be of use"),
    Reason.PAST: _("the assignment was entered after its start"),
    Reason.ALREADY_TOLD: _("this person had been told this start already"),
    Reason.SHORT_NOTICE: _(
        "the work became known too late for it, and a later reminder was sent at once instead"
    ),
    Reason.TOO_CLOSE: _("another reminder to this person about this work is less than 10 minutes before it"),
    Reason.QUIET_HOURS: _("it fell into quiet hours that had begun before the work became known"),
    Reason.CONFIRMED: _("the assignee has confirmed meanwhile"),
    Reason.IMPORTED: _("the former system had sent it"),
    Reason.OPERATOR: _("an operator decided so"),
    Reason.UNSUBSCRIBED: _("the subscription had ended"),
    Reason.DECLINED: _("the assignee can't make it"),
    Reason.AS_TOLD: _("what this person was told is what is planned"),
    Reason.MERGED: _("a reminder that was due then stated the change"),
    Reason.OPTED_OUT: _("this person wants no such messages, or none at that address"),
    Reason.FALLBACK: _(
        "messages to that address come back, or its channel does not work, so another way was tried"
    ),
    Reason.REACHED: _("the assignee knows of the work, or a message will tell them"),
    Reason.NO_CONTACT: _("there is nobody to write to, or no usable address"),
    Reason.REJECTED: _("the mail server refused it for good"),
    Reason.EXHAUSTED: _("every attempt failed"),
    Reason.TEMPLATE: _("the message could not be written: its template is broken"),
    Reason.INTERNAL: _("a fault of the program"),
    Reason.AMBIGUOUS: _("nobody can know whether it arrived; an operator decides"),
    Reason.DISABLED: _("reminders are switched off (REMINDER_WORKER_ENABLED=false)"),
    Reason.PAUSED: _("sending is paused"),
    Reason.TOO_EARLY: _("it is not due yet"),
    Reason.TO_BE_JOINED: _("a message to them has just left; it goes with others in the next one"),
    Reason.CHANNEL_HELD: _("the channel does not work at present and is left alone for a while"),
}
"""Each reason as an operator would say it, after "because"."""


def change_words(news: News | None) -> str:
    """'moved from 09:00 to 14:00', 'cancelled': what a person is told anew; '' where nothing differs."""
    told = news.outdated if news else None
    if news is None or told is None:
        return ""
    said = {
        PlanDifference.CANCELLED: gettext("cancelled"),
        PlanDifference.REASSIGNED: gettext("no longer theirs"),
        PlanDifference.RESTORED: gettext("theirs again"),
        PlanDifference.MOVED: gettext("moved from %(start)s to %(start2)s")
        % {"start": moment(told.start), "start2": moment(news.present.start)},
        PlanDifference.PLACE: gettext("another place"),
        PlanDifference.TITLE: gettext("another title"),
    }
    return ", ".join(said[change] for change in news.changes)


ADVICE = {
    Reason.TOO_LATE: _("Tell the person yourself if it still matters."),
    Reason.PAST: _(
        "Tell the person yourself: no reminder is sent for work that was entered after its start."
    ),
    Reason.OPERATOR: _("Remind them now if it is wanted after all."),
    Reason.DECLINED: _(
        "Assign somebody else; if the assignee confirms after all before it is due, it is sent."
    ),
    Reason.UNSUBSCRIBED: _(
        "Make it active again (PATCH /api/webhooks/ID): it then hears of what happens from now on."
    ),
    Reason.OPTED_OUT: (
        _(
            "Tell the person yourself, or ask them: for another address, or whether they want reminders again, to undo their"
            " opt-out."
        )
    ),
    Reason.NO_CONTACT: (
        _(
            "Assign somebody, or correct the address: while it is of use the reminder is then tried again by itself."
        )
    ),
    Reason.REJECTED: _("Correct the address: while it is of use the reminder is then tried again by itself."),
    Reason.EXHAUSTED: _(
        "The attempts show what the mail server said each time. Once that is corrected, remind them now."
    ),
    Reason.TEMPLATE: _("The log has the trace. Once that is corrected, remind them now."),
    Reason.INTERNAL: _("The log has the trace. Once that is corrected, remind them now."),
    Reason.AMBIGUOUS: (
        _(
            "Look for the Message-ID in the mail server's log. If it did not arrive and still matters, remind them now; a"
            " reset takes it off the list of what is to be decided."
        )
    ),
    Reason.DISABLED: _("Set REMINDER_WORKER_ENABLED to true and restart web, worker, scanner and beat."),
    Reason.PAUSED: _("Resume sending: that shows the backlog first."),
    Reason.CHANNEL_HELD: _("Mend the mail server or EMAIL_URL; the channel is tried again by itself."),
}
"""What an operator can do about it; nothing is needed for the reasons that are missing."""


SWITCH_ON_ADVICE = _(
    "Switch reminders.scan and reminders.dispatch on again in the admin, under Periodic tasks."
)
ACTS = {
    ActKind.CONFIRM: _("confirmed"),
    ActKind.DECLINE: _("declined"),
    ActKind.ON_MY_WAY: _("said to be on the way"),
    ActKind.LATE: _("said that the work begins later"),
    ActKind.START: _("started the work"),
    ActKind.COMPLETE: _("completed the work"),
}
TRIGGERS = {
    EscalationTrigger.DECLINED: _("the assignee can't make it"),
    EscalationTrigger.CONFIRMED_AFTER_ALL: _("the assignee can make it after all"),
    EscalationTrigger.LATE: _("the work begins later"),
    EscalationTrigger.UNANSWERED: _("the assignee has not answered"),
    EscalationTrigger.OVERDUE: _("the work is overdue"),
    EscalationTrigger.BRIEF: _("the assignee is not reached"),
}
WAYS = {
    Way.LINK: _("by the link"),
    Way.SMS: _("by SMS"),
    Way.API: _("through the API"),
    Way.OPS: _("as an operator"),
}
ENTERED: Mapping[str, Promise] = {
    EntryWay.OPS: _("The assignment was entered by %(actor)s."),
    EntryWay.API: _("The assignment was entered by %(actor)s, through the API."),
    EntryWay.IMPORT: _("The assignment was imported by %(actor)s."),
    EntryWay.CALENDAR: _("The assignment came from the calendar %(actor)s."),
}
"""How it is said who entered work."""


def entered_words(assignment: Assignment) -> str:
    """Who entered the work, as far as that is known: "The assignment was entered by olga."."""
    said = ENTERED.get(assignment.entered_via)
    if said is None:
        return gettext("The assignment was entered.")
    return str(said) % {"actor": isolated(assignment.entered_by.removeprefix(CALENDAR))}


def act_words(act: Act, who: str) -> str:
    """What somebody did: "Ada (assignee 3) said that the work begins later, 15 minutes, by the link."."""
    minutes = gettext(", %(minutes)s minutes") % {"minutes": act.minutes} if act.minutes is not None else ""
    note = f" ({isolated(act.note)})" if act.note else ""
    return f"{who} {ACTS[ActKind(act.act)]}{note}{minutes}, {WAYS[Way(act.via)]}."


def now_words(row: Reminder) -> str:
    """Who asked for a reminder at once, and why: "asked for by olga, because “phone was off”,"."""
    because = _because(row)
    return gettext("asked for at once by %(by)s%(value)s") % {
        "by": isolated(asked_for(row).by),
        "value": f"{because}," if because else "",
    }


def reminded_now(row: Reminder) -> str:
    """The same as something that happened: "Reminded now by olga, because “phone was off”."."""
    return gettext("Reminded now by %(by)s%(because)s.") % {
        "by": isolated(asked_for(row).by),
        "because": _because(row),
    }


def _because(row: Reminder) -> str:
    reason = asked_for(row).reason
    return gettext(", because “%(reason)s”") % {"reason": isolated(reason)} if reason else ""


def words(reason: Reason | None) -> str:
    """A reason in plain words."""
    return str(WORDS.get(reason, reason.value)) if reason else gettext("no reason is known")


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
        return f"{written_day(here, 'D j M Y')}, {here:%H:%M %Z}"
    local = instant.astimezone(of_zone)
    day = "" if local.date() == here.date() else f"{written_day(here, 'D j M')}, "
    return gettext("%(there)s in %(place)s (%(here)s here)") % {
        "there": f"{written_day(local, 'D j M Y')}, {local:%H:%M}",
        "place": place(zone or ""),
        "here": f"{day}{here:%H:%M %Z}",
    }


def clock_there(instant: datetime, zone: str | None) -> str:
    """The time of an instant by the clocks of another zone, in brackets: " (18:00 in Sydney)"; '' for the installation's."""
    of_zone = known_zone(zone) if zone else None
    if of_zone is None or zone == timezone.get_current_timezone_name():
        return ""
    local = instant.astimezone(of_zone)
    values = {"time": f"{local:%H:%M}", "place": place(zone or ""), "day": written_day(local, "D j M")}
    if local.date() == timezone.localtime(instant).date():
        return gettext(" (%(time)s in %(place)s)") % values
    return gettext(" (%(time)s in %(place)s on %(day)s)") % values


def held_by_rate(hold: Hold, *, since: datetime, until: datetime, now: datetime) -> str:
    """'held 40 s: they had one at 10:00:20': why a reminder does not leave when it is due."""
    values = {
        "seconds": round((until - since).total_seconds()),
        "at": f"{timezone.localtime(hold.after):%H:%M:%S}",
    }
    if hold.after > now:
        return gettext("held %(seconds)s s: they have one at %(at)s") % values
    return gettext("held %(seconds)s s: they had one at %(at)s") % values


def rate(per_minute: float) -> str:
    """A pace in plain words: "about 20 a minute"; one decimal where it is slow."""
    number = f"{per_minute:.0f}" if per_minute >= 10 else f"{per_minute:.2g}"
    return gettext("about %(number)s a minute") % {"number": number}


SERVERS = {"email": _("the mail server"), "sms": _("the SMS gateway"), "chat": _("the chat service")}


def channel_name(channel: str) -> str:
    """What accepts the messages of a channel, in the middle of a sentence."""
    return str(SERVERS.get(channel) or gettext("the channel %(channel)s") % {"channel": channel})
