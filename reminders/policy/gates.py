"""What must hold before a row is sent, in the order in which it is tried.

`judge` follows the first gate that does not hold, and delivery acts on it; `evaluate_gates` shows the same gates to the
explanation, so that the two cannot drift apart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from assignments.models import Status
from reminders.models import Kind, Reason, State
from reminders.policy import briefs, corrections, digests, escalation, rates, recipients
from reminders.policy.distance import MIN_DISTANCE
from reminders.policy.rows import MARK, SEND, Action, Plan, Row, Situation, Verdict
from reminders.policy.rules import is_now

EARLY_TOLERANCE = timedelta(milliseconds=50)
"""A row that is due later than this is not begun."""
IN_FLIGHT_WAIT = timedelta(seconds=1)
"""A correction waits for another message that is being sent to the same person, and looks again after this time."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that must hold: its name, whether it does, what was seen, and what follows if it does not."""

    name: str
    passed: bool
    observed: str
    consequence: Verdict


@dataclass(frozen=True, slots=True)
class GateDefinition:
    """A gate in general: how to see whether it holds, what to say of it, and what follows if it does not."""

    name: str
    holds: Callable[[Row, Plan, Situation], bool]
    observed: Callable[[Row, Plan, Situation], str]
    consequence: Callable[[Row, Plan, Situation], Verdict]


def judge(row: Row, plan: Plan, situation: Situation) -> Verdict:
    """What becomes of the row right now."""
    for definition in _gates_of(row, plan, situation):
        if not definition.holds(row, plan, situation):
            return definition.consequence(row, plan, situation)
    return MARK if row.is_marker else SEND


def evaluate_gates(row: Row, plan: Plan, situation: Situation) -> Iterator[Gate]:
    """Everything that must hold before a row is sent or marks its assignment, in the order it is tried."""
    for definition in _gates_of(row, plan, situation):
        yield Gate(
            definition.name,
            definition.holds(row, plan, situation),
            definition.observed(row, plan, situation),
            definition.consequence(row, plan, situation),
        )


def first_wait(row: Row, plan: Plan, situation: Situation) -> Verdict | None:
    """What follows from the first gate that does not hold and is worth waiting for; None where nothing is waited for."""
    for definition in _gates_of(row, plan, situation):
        if not definition.holds(row, plan, situation):
            verdict = definition.consequence(row, plan, situation)
            if verdict.action is Action.WAIT:
                return verdict
    return None


def format_instant(instant: datetime) -> str:
    """'2026-11-24 09:30:00 UTC': what was seen, for people."""
    return gettext("%(astimezone)s UTC") % {"astimezone": f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"}


def _gates_of(row: Row, plan: Plan, situation: Situation) -> tuple[GateDefinition, ...]:
    if row.is_webhook:
        return EVENT_GATES
    if row.is_correction:
        return CORRECTION_GATES
    if row.is_marker:
        return MARKER_GATES
    if recipients.is_supervisor(row.recipient):
        if escalation.is_withdrawal(row.kind, row.rule):
            return WITHDRAWAL_GATES
        if briefs.is_brief(row):
            return BRIEF_GATES
        return CONDITIONAL_NOTICE_GATES if row.rule_key in situation.unless_confirmed else NOTICE_GATES
    if plan.opted_out and row.kind is Kind.REMINDER:
        return OPTED_OUT_GATES
    if is_now(row.rule):
        return MESSAGE_GATES
    if row.rule_key in situation.unless_confirmed or (plan.news and plan.news.reminded_at):
        return RATED_RULE_GATES if situation.rates else RULE_GATES
    return RATED_GATES if situation.rates else MESSAGE_GATES


def _wait(reason: Reason) -> Callable[[Row, Plan, Situation], Verdict]:
    return lambda row, plan, situation: Verdict(Action.WAIT, reason, until=row.next_attempt_at)


def _route_usable(row: Row, situation: Situation) -> bool:
    if not situation.held:
        return True
    held = situation.held.get(row.route)
    return held is None or held <= situation.now


def _route_observed(row: Row, situation: Situation) -> str:
    held = situation.held.get(row.route)
    return (
        gettext("%(route)s held until %(format_instant)s")
        % {"route": row.route, "format_instant": format_instant(held)}
        if held
        else gettext("%(route)s is open") % {"route": row.route}
    )


def _window_over(row: Row, situation: Situation) -> bool:
    until = situation.windows.get((row.recipient, row.channel))
    return until is None or until <= situation.now or not digests.may_wait(row)


def _window_observed(row: Row, situation: Situation) -> str:
    until = situation.windows.get((row.recipient, row.channel))
    if until is None or until <= situation.now:
        return gettext("no message to this supervisor has just left")
    return gettext("the next message to this supervisor leaves at %(format_instant)s") % {
        "format_instant": format_instant(until)
    }


def held_by_rate_until(row: Row, situation: Situation) -> datetime | None:
    """Until when the rate of its person keeps this row back; None where it does not."""
    hold = situation.rates.get(row.recipient)
    if hold is None or row.rule in situation.exempt or not digests.may_wait(row):
        return None
    until = rates.held_until(hold, start=row.planned_start, not_after=row.not_after)
    return until if until > situation.now else None


def _rate_observed(row: Row, situation: Situation) -> str:
    hold, until = situation.rates.get(row.recipient), held_by_rate_until(row, situation)
    if hold is None or until is None:
        return gettext("no further reminder to them has to wait")
    seconds = round((until - max(situation.now, row.due_at)).total_seconds())
    values = {"seconds": seconds, "at": format_instant(hold.after)}
    if hold.after > situation.now:
        return gettext("held %(seconds)s s: they have one at %(at)s") % values
    return gettext("held %(seconds)s s: they had one at %(at)s") % values


def _changes_observed(plan: Plan) -> str:
    changes = plan.news.changes if plan.news else ()
    return ", ".join(change.value for change in changes) or gettext("as they were told, or told nothing")


def _confirmed_observed(row: Row, plan: Plan, situation: Situation) -> str:
    if row.rule_key not in situation.unless_confirmed:
        return gettext("the rule reminds whoever has confirmed too")
    return gettext("confirmed by the assignee") if plan.confirmed else gettext("not confirmed")


def _far_enough(plan: Plan, situation: Situation) -> bool:
    """A reminder that states a change is never too close to the one before."""
    news = plan.news
    if news is None or news.reminded_at is None or news.outdated is not None:
        return True
    return situation.now - news.reminded_at >= MIN_DISTANCE


def _distance_observed(plan: Plan) -> str:
    if plan.news is None or plan.news.reminded_at is None:
        return gettext("no other rule has reminded them")
    return gettext("reminded by another rule at %(format_instant)s") % {
        "format_instant": format_instant(plan.news.reminded_at)
    }


# A worker tries these for each row: what is seen, and what follows, is put into words only where it is asked for.
SWITCHED_ON = GateDefinition(
    _("switched on"),
    lambda row, plan, situation: situation.enabled,
    lambda row, plan, situation: f"REMINDER_WORKER_ENABLED={'true' if situation.enabled else 'false'}",
    _wait(Reason.DISABLED),
)


PLAN_HOLDS = GateDefinition(
    _("plan still holds"),
    lambda row, plan, situation: void_reason(row, plan) is None,
    lambda row, plan, situation: (
        gettext("version %(version)s of %(plan)s, %(status)s")
        % {
            "version": row.version,
            "plan": plan.version,
            "status": f"{plan.status.value}{', ' + gettext('declined') if plan.declined else ''}",
        }
    ),
    lambda row, plan, situation: end_verdict(row, void_reason(row, plan) or Reason.REPLANNED),
)


NOT_TOO_LATE = GateDefinition(
    _("not too late"),
    lambda row, plan, situation: row.not_after is None or situation.now <= row.not_after,
    lambda row, plan, situation: (
        gettext("not after %(at)s")
        % {"at": format_instant(row.not_after) if row.not_after else gettext("any instant")}
    ),
    lambda row, plan, situation: end_verdict(row, Reason.TOO_LATE),
)


DUE = GateDefinition(
    _("due"),
    lambda row, plan, situation: row.next_attempt_at <= situation.now + EARLY_TOLERANCE,
    lambda row, plan, situation: (
        gettext("next attempt at %(format_instant)s")
        % {"format_instant": format_instant(row.next_attempt_at)}
    ),
    _wait(Reason.TOO_EARLY),
)


NOT_PAUSED = GateDefinition(
    _("not paused"),
    lambda row, plan, situation: not situation.paused,
    lambda row, plan, situation: gettext("paused") if situation.paused else gettext("running"),
    _wait(Reason.PAUSED),
)


CHANNEL_USABLE = GateDefinition(
    _("channel usable"),
    lambda row, plan, situation: _route_usable(row, situation),
    lambda row, plan, situation: _route_observed(row, situation),
    lambda row, plan, situation: Verdict(
        Action.WAIT, Reason.CHANNEL_HELD, until=situation.held.get(row.route)
    ),
)


AS_TOLD = GateDefinition(
    _("not as they were told"),
    lambda row, plan, situation: plan.news is None or plan.news.in_flight or bool(plan.news.changes),
    lambda row, plan, situation: _changes_observed(plan),
    lambda row, plan, situation: end_verdict(row, Reason.AS_TOLD),
)


NOT_UNDER_WAY = GateDefinition(
    _("not started by them"),
    lambda row, plan, situation: void_reason(row, plan) is None,
    lambda row, plan, situation: plan.status.value,
    lambda row, plan, situation: end_verdict(row, Reason.STARTED),
)


NOT_DECLINED = GateDefinition(
    _("not declined by them"),
    lambda row, plan, situation: not (plan.declined and row.recipient == plan.recipient),
    lambda row, plan, situation: gettext("declined") if plan.declined else gettext("not declined"),
    lambda row, plan, situation: end_verdict(row, Reason.DECLINED),
)


NOTHING_IN_FLIGHT = GateDefinition(
    _("nothing else being sent to them"),
    lambda row, plan, situation: plan.news is None or not plan.news.in_flight,
    lambda row, plan, situation: (
        gettext("a message to them is being sent")
        if plan.news and plan.news.in_flight
        else gettext("no message is being sent")
    ),
    lambda row, plan, situation: Verdict(Action.WAIT, Reason.TOO_EARLY, until=situation.now + IN_FLIGHT_WAIT),
)


NOT_MERGED = GateDefinition(
    _("no reminder due that states it"),
    lambda row, plan, situation: plan.news is None or not plan.news.reminded,
    lambda row, plan, situation: (
        gettext("a reminder of the plan in force is due")
        if plan.news and plan.news.reminded
        else gettext("no reminder is due")
    ),
    lambda row, plan, situation: end_verdict(row, Reason.MERGED),
)


MARKER_GATES = (SWITCHED_ON, PLAN_HOLDS, NOT_TOO_LATE, DUE)


MESSAGE_GATES = (*MARKER_GATES, NOT_PAUSED, CHANNEL_USABLE)


NOT_OPTED_OUT = GateDefinition(
    _("not opted out"),
    lambda row, plan, situation: not plan.opted_out,
    lambda row, plan, situation: (
        gettext("opted out of this rule") if plan.opted_out else gettext("not opted out")
    ),
    lambda row, plan, situation: end_verdict(row, Reason.OPTED_OUT),
)


OPTED_OUT_GATES = (SWITCHED_ON, PLAN_HOLDS, NOT_TOO_LATE, NOT_OPTED_OUT, DUE, NOT_PAUSED, CHANNEL_USABLE)
"""A reminder of a rule of which its assignee wants none: it ends whether it is due or not."""


NOT_CONFIRMED = GateDefinition(
    _("not confirmed"),
    lambda row, plan, situation: not plan.confirmed or row.rule_key not in situation.unless_confirmed,
    lambda row, plan, situation: _confirmed_observed(row, plan, situation),
    lambda row, plan, situation: end_verdict(row, Reason.CONFIRMED),
)


NOT_TOO_CLOSE = GateDefinition(
    _("not too close"),
    lambda row, plan, situation: _far_enough(plan, situation),
    lambda row, plan, situation: _distance_observed(plan),
    lambda row, plan, situation: end_verdict(row, Reason.TOO_CLOSE),
)


RULE_GATES = (*MARKER_GATES, NOT_CONFIRMED, NOT_TOO_CLOSE, NOT_PAUSED, CHANNEL_USABLE)
"""A reminder whose rule has a condition, or whose assignee was reminded by another rule."""


NOT_TO_BE_JOINED = GateDefinition(
    _("not to be joined"),
    lambda row, plan, situation: _window_over(row, situation),
    lambda row, plan, situation: _window_observed(row, situation),
    lambda row, plan, situation: Verdict(
        Action.WAIT, Reason.TO_BE_JOINED, until=situation.windows.get((row.recipient, row.channel))
    ),
)


WITHIN_RATE = GateDefinition(
    _("within the rate of their reminders"),
    lambda row, plan, situation: held_by_rate_until(row, situation) is None,
    lambda row, plan, situation: _rate_observed(row, situation),
    lambda row, plan, situation: Verdict(
        Action.WAIT, Reason.TO_BE_JOINED, until=held_by_rate_until(row, situation)
    ),
)


RATED_GATES = (*MESSAGE_GATES, WITHIN_RATE)
"""A reminder to a person who has had others, so that it may have to wait and go with further ones."""


RATED_RULE_GATES = (*RULE_GATES, WITHIN_RATE)


NOTICE_GATES = (*MESSAGE_GATES, NOT_TO_BE_JOINED)
"""A notice to a supervisor to whom one has just left waits, so that it goes with others."""


CONDITIONAL_NOTICE_GATES = (*MARKER_GATES, NOT_CONFIRMED, NOT_PAUSED, CHANNEL_USABLE, NOT_TO_BE_JOINED)
"""A notice to a supervisor whose rule has a condition."""


NOT_REACHED = GateDefinition(
    _("not reached"),
    lambda row, plan, situation: not plan.reached,
    lambda row, plan, situation: (
        gettext("the assignee knows of the work, or a message will tell them")
        if plan.reached
        else gettext("in the brief")
    ),
    lambda row, plan, situation: end_verdict(row, Reason.REACHED),
)


BRIEF_GATES = (*MARKER_GATES, NOT_REACHED, NOT_PAUSED, CHANNEL_USABLE, NOT_TO_BE_JOINED)
"""A part of a brief: whether it is true is seen when it is due, and not before."""


TOLD_OTHERWISE = GateDefinition(
    _("told otherwise before"),
    lambda row, plan, situation: plan.told_otherwise,
    lambda row, plan, situation: (
        gettext("may have been told that the assignee can't make it")
        if plan.told_otherwise
        else gettext("was not told that the assignee can't make it")
    ),
    lambda row, plan, situation: end_verdict(row, Reason.AS_TOLD),
)


WITHDRAWAL_GATES = (*MARKER_GATES, TOLD_OTHERWISE, NOT_PAUSED, CHANNEL_USABLE, NOT_TO_BE_JOINED)
"""That the assignee can make it after all is for who may have heard that they can't: a notice of that which was being
sent at the confirmation may have failed since."""


CORRECTION_GATES = (
    SWITCHED_ON,
    NOT_UNDER_WAY,
    AS_TOLD,
    NOT_DECLINED,
    NOT_TOO_LATE,
    DUE,
    NOTHING_IN_FLIGHT,
    NOT_MERGED,
    NOT_PAUSED,
    CHANNEL_USABLE,
)
"""No version counts: only whether what the person was told differs from what is planned. Whoever has declined the work
needs no details of it, but hears that it is not theirs any more."""


EVENT_GATES = (SWITCHED_ON, NOT_TOO_LATE, DUE, NOT_PAUSED, CHANNEL_USABLE)
"""What has happened stays true whatever becomes of the plan."""


def void_reason(row: Row, plan: Plan) -> Reason | None:
    """Why the plan of this row no longer holds; None while it does, and for an event always.

    The ledger's set-based voiding says the same in SQL; a property test holds the two together.
    """
    if row.is_webhook:
        return None
    if row.is_correction:
        theirs = row.recipient == plan.recipient
        return Reason.STARTED if corrections.is_under_way(status=plan.status, theirs=theirs) else None
    if plan.status == Status.CANCELLED:
        return Reason.CANCELLED
    if plan.status != Status.SCHEDULED:
        return Reason.STARTED
    if row.planned_start != plan.scheduled_start:
        return Reason.MOVED
    if recipients.person_id_of(row.recipient) is not None and row.recipient not in plan.supervisors:
        return Reason.REASSIGNED
    if row.version == plan.version and row.is_escalation:
        trigger = escalation.trigger_of(row.rule)
        return escalation.taken_back(trigger, declined=plan.declined, confirmed=plan.confirmed)
    if row.version == plan.version:
        return Reason.DECLINED if plan.declined and row.kind == Kind.REMINDER else None
    if row.kind == Kind.REMINDER and row.recipient != plan.recipient:
        return Reason.REASSIGNED
    if row.is_escalation and plan.given_away:
        return Reason.REASSIGNED
    return Reason.REPLANNED


def end_verdict(row: Row, reason: Reason) -> Verdict:
    """Ends a row that will not be sent. What may have arrived already is never called SKIPPED."""
    if row.ambiguous:
        return Verdict(Action.END, Reason.AMBIGUOUS, state=State.UNKNOWN)
    return Verdict(Action.END, reason, state=State.SKIPPED)
