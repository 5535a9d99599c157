"""What has happened to the reminders of an assignment, in words and in the order of time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from assignments.direction import isolated
from assignments.models import Act, Answer, Assignment
from assignments.wording import code_in_words
from reminders.insight.explain.answer import ChangeView, TimelineEntry
from reminders.insight.explain.wording import (
    SERVERS,
    TRIGGERS,
    act_words,
    entered_words,
    moment,
    reminded_now,
    words,
)
from reminders.insight.stored_words import fault_in_words
from reminders.models import Attempt, DeliveryEvent, DeliveryKind, Kind, Reason, Reminder, State
from reminders.policy.escalation import trigger_of
from reminders.policy.recipients import ASSIGNEE
from reminders.policy.rules import is_now
from reminders.policy.ways import channel_name


def history(
    assignment: Assignment,
    rows: Iterable[Reminder],
    acts: Sequence[Act],
    changes: Sequence[ChangeView],
    merges: Iterable[tuple[datetime, str]] = (),
    *,
    others: Callable[[Reminder], int],
    name_of: Callable[[str], str],
    by: Callable[[Reminder], str],
    wording: Callable[[Attempt], str],
    now: datetime,
) -> Iterator[TimelineEntry]:
    """What happened, from the ledger and its attempts, in the order of time.

    `others` says how many other notices are in a row's message, `name_of` how people call a recipient, `by` which way a row
    goes (" by SMS"), where there are several, `wording` which stored text an attempt was made from.
    """
    steps = [TimelineEntry(assignment.created_at, entered_words(assignment))]
    if assignment.reset_at:
        steps.append(TimelineEntry(assignment.reset_at, gettext("An operator reset the reminder status.")))
    steps += [
        TimelineEntry(
            act.at,
            act_words(act, name_of(act.actor) if act.actor.startswith(ASSIGNEE) else act.actor),
        )
        for act in acts
    ]
    steps += [TimelineEntry(change.at, change.summary) for change in changes]
    steps += [TimelineEntry(at, summary) for at, summary in merges]
    if assignment.answer and not any(act.at == assignment.answered_at for act in acts):
        # of a release that kept no history of acts
        summary = gettext("The assignee answered: %(label)s") % {"label": Answer(assignment.answer).label}
        note = f" ({isolated(assignment.answer_note)})" if assignment.answer_note else ""
        steps.append(TimelineEntry(assignment.answered_at, f"{summary}{note}."))
    for row in rows:
        what = gettext("%(kind)s of version %(version)s") % {"kind": row.kind, "version": row.version}
        if row.kind == Kind.ESCALATION:
            what = gettext("ESCALATION (%(triggers)s) of version %(version)s") % {
                "triggers": TRIGGERS[trigger_of(row.rule)],
                "version": row.version,
            }
        if is_now(row.rule):
            what = gettext("REMINDER at once of version %(version)s") % {"version": row.version}
            steps.append(TimelineEntry(row.planned_at, reminded_now(row)))
        what += by(row)
        contact_for = (
            gettext(" for %(recipient)s") % {"recipient": name_of(row.recipient)} if row.recipient else ""
        )
        steps.append(
            TimelineEntry(
                row.planned_at,
                gettext("%(what)s%(contact_for)s was planned, due at %(due_at)s.")
                % {"what": what, "contact_for": contact_for, "due_at": moment(row.due_at)},
            )
        )
        steps += [
            TimelineEntry(
                a.finished_at,
                gettext("%(what)s, attempt %(number)s: %(ended)s%(wording)s.")
                % {"what": what, "number": a.number, "ended": _ended(a), "wording": wording(a)},
            )
            for a in row.attempt_rows.all()
        ]
        steps += [TimelineEntry(event.at, f"{what} {_became(event)}.") for event in row.delivery_events.all()]
        if row.closed_at is not None:
            steps.append(TimelineEntry(row.closed_at, f"{what} {fate(row, others(row))}."))
    yield from sorted(steps, key=lambda step: step.at or now)


def joined(others: int) -> str:
    """ ", in a message with 41 others"; nothing for a row that goes by itself."""
    return (
        ngettext(", in a message with %(number)s other", ", in a message with %(number)s others", others)
        % {"number": others}
        if others
        else ""
    )


def fate(row: Reminder, others: int, by: str = "") -> str:
    """How a row has ended; `others` are the notices that its message holds beside it, `by` is its way (" by SMS")."""
    reason = words(Reason(row.reason)) if row.reason else ""
    if row.reason == Reason.REJECTED and (name := channel_name(row.channel)) in SERVERS:
        reason = gettext("%(servers)s refused it for good") % {"servers": SERVERS[name]}
    match State(row.state):
        case State.SENT:
            doubt = gettext("; it may have arrived twice") if row.ambiguous else ""
            bounced = gettext("; it has bounced") if _has_bounced(row) else ""
            return gettext("was accepted%(by)s at %(sent_at)s%(joined)s%(doubt)s%(bounced)s") % {
                "by": by,
                "sent_at": moment(row.sent_at),
                "joined": joined(others),
                "doubt": doubt,
                "bounced": bounced,
            }
        case State.MARKED:
            return gettext("marked the assignment OVERDUE at %(closed_at)s") % {
                "closed_at": moment(row.closed_at)
            }
        case State.SKIPPED:
            return gettext("was not sent%(by)s: %(reason)s") % {"by": by, "reason": reason}
        case State.UNKNOWN:
            return gettext("may or may not have arrived%(by)s%(joined)s: %(reason)s") % {
                "by": by,
                "joined": joined(others),
                "reason": reason,
            }
        case _:
            return gettext("failed%(by)s: %(reason)s") % {"by": by, "reason": reason}


def _has_bounced(row: Reminder) -> bool:
    """Whether the message came back, and nothing says that it arrived all the same."""
    kinds = {event.kind for event in row.delivery_events.all()}
    return DeliveryKind.BOUNCED in kinds and not kinds & {DeliveryKind.DELIVERED, DeliveryKind.OPENED}


BECAME = {
    DeliveryKind.DELIVERED: _("was delivered"),
    DeliveryKind.BOUNCED: pgettext_lazy("message", "bounced"),
    DeliveryKind.COMPLAINED: _("was reported as unwanted"),
    DeliveryKind.OPENED: _("was opened"),
}


def _became(event: DeliveryEvent) -> str:
    """'bounced for good, as dsn reports: 550 5.1.1 no such user'."""
    for_good = gettext(" for good") if event.permanent else ""
    detail = f": {fault_in_words(event.detail)}" if event.detail else ""
    return gettext("%(became)s%(for_good)s, as %(source)s reports%(detail)s") % {
        "became": BECAME[DeliveryKind(event.kind)],
        "for_good": for_good,
        "source": event.source,
        "detail": detail,
    }


def _ended(attempt: Attempt) -> str:
    """'refused for now (450): try again later'; a code that only repeats the outcome is left out."""
    code = f" ({attempt.code})" if attempt.code and attempt.code != attempt.outcome else ""
    detail = f": {fault_in_words(attempt.detail)}" if attempt.detail else ""
    return code_in_words(attempt.outcome) + code + detail
