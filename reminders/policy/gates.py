"""What must hold before a row is sent, in the order in which it is tried.

`judge` follows the first gate that does not hold, and delivery acts on it; `evaluate_gates` shows the same gates to the
explanation, so that the two cannot drift apart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from assignments.models import Status
from reminders.models import Kind, Reason, State
from reminders.policy import briefs, corrections, escalation, gate_facts, recipients
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
        % {"at": gate_facts.format_instant(row.not_after) if row.not_after else gettext("any instant")}
    ),
    lambda row, plan, situation: end_verdict(row, Reason.TOO_LATE),
)


DUE = GateDefinition(
    _("due"),
    lambda row, plan, situation: row.next_attempt_at <= situation.now + EARLY_TOLERANCE,
    lambda row, plan, situation: (
        gettext("next attempt at %(format_instant)s")
        % {"format_instant": gate_facts.format_instant(row.next_attempt_at)}
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
    lambda row, plan, situation: gate_facts.route_usable(row, situation),
    lambda row, plan, situation: gate_facts.route_observed(row, situation),
    lambda row, plan, situation: Verdict(
        Action.WAIT, Reason.CHANNEL_HELD, until=situation.held.get(row.route)
    ),
)


AS_TOLD = GateDefinition(
    _("not as they were told"),
    lambda row, plan, situation: plan.news is None or plan.news.in_flight or bool(plan.news.changes),
    lambda row, plan, situation: gate_facts.changes_observed(plan),
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
    lambda row, plan, situation: gate_facts.confirmed_observed(row, plan, situation),
    lambda row, plan, situation: end_verdict(row, Reason.CONFIRMED),
)


NOT_TOO_CLOSE = GateDefinition(
    _("not too close"),
    lambda row, plan, situation: gate_facts.far_enough(plan, situation),
    lambda row, plan, situation: gate_facts.distance_observed(plan),
    lambda row, plan, situation: end_verdict(row, Reason.TOO_CLOSE),
)


RULE_GATES = (*MARKER_GATES, NOT_CONFIRMED, NOT_TOO_CLOSE, NOT_PAUSED, CHANNEL_USABLE)
"""A reminder whose rule has a condition, or whose assignee was reminded by another rule."""


NOT_TO_BE_JOINED = GateDefinition(
    _("not to be joined"),
    lambda row, plan, situation: gate_facts.window_over(row, situation),
    lambda row, plan, situation: gate_facts.window_observed(row, situation),
    lambda row, plan, situation: Verdict(
        Action.WAIT, Reason.TO_BE_JOINED, until=situation.windows.get((row.recipient, row.channel))
    ),
)


WITHIN_RATE = GateDefinition(
    _("within the rate of their reminders"),
    lambda row, plan, situation: gate_facts.held_by_rate_until(row, situation) is None,
    lambda row, plan, situation: gate_facts.rate_observed(row, situation),
    lambda row, plan, situation: Verdict(
        Action.WAIT, Reason.TO_BE_JOINED, until=gate_facts.held_by_rate_until(row, situation)
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
