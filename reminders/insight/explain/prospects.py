"""What becomes of a reminder, in words: the answer itself, and the conditions on which it rests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from assignments.direction import isolated
from reminders.insight import forecast
from reminders.insight.explain import turns
from reminders.insight.explain.answer import GateResult, Outlook
from reminders.insight.explain.wording import SWITCH_ON_ADVICE, moment, words
from reminders.insight.pace_outlook import Turn
from reminders.insight.stored_words import actor_in_words, reason_in_words
from reminders.ledger.switches import SwitchOff
from reminders.models import Pause, Reason, State
from reminders.policy.gates import Gate
from reminders.policy.rows import Action, Situation

OUTLOOK = {
    State.SENT: Outlook.SENT,
    State.SKIPPED: Outlook.NOT_SENT,
    State.FAILED: Outlook.FAILED,
    State.UNKNOWN: Outlook.UNKNOWN,
}
"""How things stand for a row that has ended."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What is said of the reminder of the present plan."""

    outlook: Outlook
    at: datetime | None
    summary: str
    gates: Sequence[GateResult] = ()
    reason: Reason | None = None
    advice: str = ""


def unless_stopped(answer: Prospect, stop: SwitchOff | None) -> Prospect:
    """The answer, or that what would come waits until somebody switches the schedule on again."""
    if stop is None or answer.outlook is not Outlook.COMING:
        return answer
    seen = gettext("switched off by %(by)s at %(since)s: %(reason)s") % {
        "by": actor_in_words(stop.by),
        "since": moment(stop.since),
        "reason": reason_in_words(stop.reason),
    }
    gate = GateResult(
        gettext("the schedule is on"), False, seen, gettext("waits until somebody switches it on again")
    )
    return Prospect(
        Outlook.WAITS,
        None,
        gettext("waits: the schedule was %(seen)s") % {"seen": seen},
        [gate, *answer.gates],
        advice=str(SWITCH_ON_ADVICE),
    )


def in_turn(turn: Turn, conditions: Sequence[GateResult], not_after: datetime | None) -> Prospect:
    """The answer for a message that waits for its turn, or whose turn does not come in time."""
    summary, gate = turns.in_words(turn, not_after)
    if turn.at is None:
        return Prospect(Outlook.NOT_SENT, not_after, summary, [*conditions, gate], Reason.TOO_LATE)
    return Prospect(Outlook.COMING, turn.at, summary, [*conditions, gate])


def condition(gate: Gate, *, pause: Pause | None, situation: Situation) -> GateResult:
    """A gate in words; `pause` is the one in force."""
    if gate.passed:
        return GateResult(gettext(gate.name), True, gate.observed)
    seen, verdict = gate.observed, gate.consequence
    if verdict.reason is Reason.PAUSED and pause is not None:
        until = (
            gettext("until %(until)s") % {"until": moment(pause.until)}
            if pause.until
            else gettext("until somebody resumes")
        )
        seen = gettext("paused by %(by)s %(until)s: %(reason)s") % {
            "by": actor_in_words(pause.by),
            "until": until,
            "reason": isolated(reason_in_words(pause.reason)),
        }
    why = words(verdict.reason)
    match verdict.action:
        case Action.WAIT:
            over = forecast.wait_ends_at(verdict, situation)
            consequence = (
                gettext("waits until %(over)s: %(why)s") % {"over": moment(over), "why": why}
                if over
                else gettext("waits: %(why)s") % {"why": why}
            )
        case Action.DROP:
            consequence = gettext("is not planned: %(why)s") % {"why": why}
        case _:
            consequence = gettext("ends as %(value)s: %(why)s") % {
                "value": verdict.state.value if verdict.state else State.SKIPPED.value,
                "why": why,
            }
    return GateResult(gettext(gate.name), False, seen, consequence)
