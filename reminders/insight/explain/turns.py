"""What is said of a message that waits for its turn at the pace of its channel."""

from datetime import datetime

from reminders.insight.explain.answer import GateResult
from reminders.insight.explain.wording import channel_name, moment, rate
from reminders.insight.pace_outlook import Turn

NAME = "its turn has come"


def in_words(turn: Turn, not_after: datetime | None) -> tuple[str, GateResult]:
    """The summary and the gate; `not_after` is until when the message is of use."""
    pace = f"{channel_name(turn.channel)} accepts {rate(turn.per_minute)}"
    if turn.at is not None:
        observed = f"{pace}, and {_before_it(turn.ahead)}"
        at = moment(turn.at)
        return f"will be sent at about {at}: {observed}", GateResult(
            NAME, False, observed, f"waits until about {at}"
        )
    late = f"its turn does not come by {moment(not_after)}, after which it is of no use"
    return f"will not be sent: {pace}, and {late}", GateResult(NAME, False, pace, f"ends as SKIPPED: {late}")


def _before_it(messages: int) -> str:
    if not messages:
        return "it is the next to leave"
    return "1 message leaves before it" if messages == 1 else f"{messages} messages leave before it"
