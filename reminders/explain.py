"""Why a reminder came, will come, or will not: one answer for one assignment, the same wherever it is asked.

It walks through the gates of `policy` that delivery itself walks through, with the values seen now, so that the
two cannot drift apart (DESIGN, promise P7). It writes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q

from assignments.clock import database_now
from assignments.models import Assignment, Status
from reminders import policy
from reminders.conf import ReminderConfig
from reminders.models import PAUSE_IN_FORCE, Attempt, ChannelHold, Kind, Pause, Reason, Reminder, State
from reminders.policy import Action, Gate, Plan, Row, Situation

WORDS = {
    Reason.MOVED: "the assignment was moved to another time",
    Reason.CANCELLED: "the assignment was cancelled",
    Reason.REASSIGNED: "the assignment was given to somebody else",
    Reason.STARTED: "the work had been started or completed",
    Reason.REPLANNED: "the plan was made anew",
    Reason.TOO_LATE: "it would have come too late to be of use",
    Reason.PAST: "the assignment was entered after its start",
    Reason.ALREADY_TOLD: "this person had been told this start already",
    Reason.IMPORTED: "the former system had sent it",
    Reason.OPERATOR: "an operator decided so",
    Reason.NO_CONTACT: "there is nobody to write to, or no usable address",
    Reason.REJECTED: "the mail server refused it for good",
    Reason.EXHAUSTED: "every attempt failed",
    Reason.TEMPLATE: "the message could not be written: its template is broken",
    Reason.INTERNAL: "a fault of the program",
    Reason.AMBIGUOUS: "nobody can know whether it arrived; an operator decides",
    Reason.DISABLED: "reminders are switched off (REMINDER_WORKER_ENABLED=false)",
    Reason.PAUSED: "sending is paused",
    Reason.TOO_EARLY: "it is not due yet",
    Reason.CHANNEL_HELD: "the channel does not work at present and is left alone for a while",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt that has ended."""

    number: int
    started_at: datetime
    finished_at: datetime
    outcome: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One row of the ledger: its gates now, what happens next and when, and what happened so far."""

    reminder_id: int
    version: int
    kind: str
    recipient: str
    channel: str
    state: str
    reason: str
    due_at: datetime
    not_after: datetime | None
    next_at: datetime | None
    sent_at: datetime | None
    possible_duplicate: bool
    gates: Sequence[Gate]
    says: str
    tries: Sequence[Try]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer. `says` is one sentence; `will_send` whether a reminder of the present plan is still to come."""

    assignment_id: int
    reference: str
    title: str
    status: str
    version: int
    scheduled_start: datetime
    reminder_status: str
    asked_at: datetime
    will_send: bool
    next_at: datetime | None
    says: str
    stories: Sequence[Story]


def find(name: str) -> Assignment:
    """The assignment with this id or reference; a reference goes first. Raises Assignment.DoesNotExist."""
    wanted = Q(reference=name)
    if name.isascii() and name.isdigit() and len(name) <= 18:
        wanted |= Q(pk=int(name))
    found = sorted(Assignment.objects.filter(wanted), key=lambda a: a.reference != name)
    if not found:
        raise Assignment.DoesNotExist(f"there is no assignment with the id or reference {name!r}")
    return found[0]


def explain(assignment: Assignment, *, config: ReminderConfig) -> Explanation:
    """Everything that can be said about the reminders of this assignment, as of now."""
    now = database_now()
    situation = Situation(
        now=now,
        enabled=config.enabled,
        paused=Pause.objects.filter(PAUSE_IN_FORCE).exists(),
        held=dict(ChannelHold.objects.values_list("channel", "until")),
    )
    plan = Plan(
        version=assignment.version,
        status=Status(assignment.status),
        scheduled_start=assignment.scheduled_start,
        recipient=policy.recipient_of(assignment.assignee_id),
        overdue=assignment.overdue_at is not None,
    )
    rows = list(
        Reminder.objects.filter(assignment=assignment).order_by("-version", "kind", "recipient", "id")
    )
    attempts = list(Attempt.objects.filter(reminder__in=rows).order_by("reminder_id", "number"))
    stories = [_story(row, plan, situation, [a for a in attempts if a.reminder_id == row.pk]) for row in rows]
    current = next(
        (s for s in stories if s.version == assignment.version and s.kind == Kind.REMINDER.value), None
    )
    will_send, next_at, says = _in_one_sentence(assignment, current, situation, config)
    return Explanation(
        assignment_id=assignment.pk,
        reference=assignment.reference or "",
        title=assignment.title,
        status=assignment.status,
        version=assignment.version,
        scheduled_start=assignment.scheduled_start,
        reminder_status=assignment.reminder_status,
        asked_at=now,
        will_send=will_send,
        next_at=next_at,
        says=says,
        stories=stories,
    )


def _story(row: Reminder, plan: Plan, situation: Situation, attempts: Sequence[Attempt]) -> Story:
    believed = policy.believed(row)
    open_now = row.closed_at is None
    gates = list(policy.gates(believed, plan, situation)) if open_now else []
    next_at, says = _prospect(believed, plan, situation) if open_now else (None, _fate(row))
    return Story(
        reminder_id=row.pk,
        version=row.version,
        kind=row.kind,
        recipient=row.recipient,
        channel=row.channel,
        state=row.state,
        reason=row.reason,
        due_at=row.due_at,
        not_after=row.not_after,
        next_at=next_at,
        sent_at=row.sent_at,
        possible_duplicate=row.ambiguous > 0,
        gates=gates,
        says=says,
        tries=[
            Try(
                number=a.number,
                started_at=a.started_at,
                finished_at=a.finished_at,
                outcome=a.outcome,
                code=a.code,
                detail=a.detail,
            )
            for a in attempts
        ],
    )


def _prospect(row: Row, plan: Plan, situation: Situation) -> tuple[datetime | None, str]:
    """What becomes of an open row, by the verdict that delivery would come to now."""
    if row.state is State.SENDING:
        return None, "is being sent right now"
    verdict = policy.judge(row, plan, situation)
    does = "will mark the assignment OVERDUE" if row.marks else "will be sent"
    match verdict.action:
        case Action.SEND | Action.MARK:
            return situation.now, f"{does} now: every gate is open"
        case Action.END:
            return None, f"will not be sent: {_words(verdict.reason)}"
        case _ if verdict.reason is Reason.TOO_EARLY:
            # Once it is due the other gates are tried too: say now what they would say then.
            then = policy.judge(row, plan, replace(situation, now=row.next_attempt_at))
            blocked = then.reason if then.action is Action.WAIT else None
            but = f", but as things stand {_words(blocked)}" if blocked else ""
            return row.next_attempt_at, f"{does} at {_instant(row.next_attempt_at)}{but}"
        case _:
            return None, f"waits: {_words(verdict.reason)}"


def _fate(row: Reminder) -> str:
    reason = _words(Reason(row.reason)) if row.reason else ""
    match State(row.state):
        case State.SENT:
            doubt = "; it may have arrived twice" if row.ambiguous else ""
            return f"was accepted at {_instant(row.sent_at)}{doubt}"
        case State.MARKED:
            return f"marked the assignment OVERDUE at {_instant(row.closed_at)}"
        case State.SKIPPED:
            return f"was not sent: {reason}"
        case State.UNKNOWN:
            return f"may or may not have arrived: {reason}"
        case _:
            return f"failed: {reason}"


def _in_one_sentence(
    assignment: Assignment, current: Story | None, situation: Situation, config: ReminderConfig
) -> tuple[bool, datetime | None, str]:
    if current is not None:
        open_now = current.state in (State.PLANNED, State.QUEUED, State.SENDING)
        will_send = open_now and not current.says.startswith("will not")
        return will_send, current.next_at, f"The reminder {current.says}."
    if assignment.status != Status.SCHEDULED:
        return False, None, f"No reminder is planned: the assignment is {assignment.status}."
    if assignment.overdue_at is not None:
        return False, None, "No reminder is planned: the assignment is OVERDUE."
    due = policy.due_at(assignment.scheduled_start, lead_minutes=assignment.lead_minutes, config=config)
    horizon = policy.horizon(now=situation.now, lead_minutes=assignment.lead_minutes, config=config)
    if not config.enabled:
        return False, None, f"No reminder is planned: {_words(Reason.DISABLED)}."
    if assignment.scheduled_start > horizon:
        planned_from = situation.now + (assignment.scheduled_start - horizon)
        says = (
            f"The reminder is due at {_instant(due)}. It is planned once the start comes within the "
            f"look-ahead, from {_instant(planned_from)} on."
        )
        return True, due, says
    return True, due, "The reminder is not planned yet: the next scan plans it."


def _words(reason: Reason | None) -> str:
    return WORDS.get(reason, reason.value) if reason else "no reason is known"


def _instant(instant: datetime | None) -> str:
    return instant.isoformat(sep=" ", timespec="seconds") if instant else "an unknown time"
