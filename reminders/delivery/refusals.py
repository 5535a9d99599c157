"""Whose fault a refusal is where the reply leaves it open: of one that several recipients in a row meet, the channel's.

A mail server that refuses this sender often says so only at RCPT, in the words it uses for a mailbox that does not exist
(docs/decisions/0015). A refusal that names the recipient (5.1.x of RFC 3463, for instance) never counts here, and neither
does a refusal for now at the first try: so does greylisting, which refuses everybody once (RFC 6647).
"""

from dataclasses import dataclass, field

from notifications.message import Delivery, Outcome, Subject
from reminders.policy.retries import Result
from reminders.policy.rows import Row

SEVERAL = 3
"""Recipients in a row, with nobody accepted in between."""

RESULTS = {outcome: Result(outcome.value) for outcome in Outcome}
PRESUMED = {Outcome.CHANNEL_REFUSED: Result.REFUSED_FOR_NOW, Outcome.THROTTLED: Result.REFUSED_FOR_NOW}
"""The reply speaks of a limit, a policy or this sender: that may pass, though it is a 5xx, and no address is wrong."""
PRESUMED_RECIPIENT = {Result.REJECTED: Result.CHANNEL_REFUSED, Result.REFUSED_FOR_NOW: Result.THROTTLED}


def result_of(delivery: Delivery) -> Result:
    """The result of the outcome's name. Where the channel is only presumed to be the cause, it counts as this message's own
    failure: one recipient must not hold up all others."""
    if delivery.subject is Subject.UNSTATED and delivery.outcome in PRESUMED:
        return PRESUMED[delivery.outcome]
    return RESULTS[delivery.outcome]


def result_if_the_channels(result: Result, delivery: Delivery) -> Result | None:
    """The result where it has turned out to be the channel's; None where it cannot be."""
    if delivery.outcome in PRESUMED:
        return RESULTS[delivery.outcome]
    return PRESUMED_RECIPIENT.get(result)


@dataclass(slots=True)
class RefusalTracker:
    """What one process has met on each route since the last acceptance there. Not shared: each sees enough for itself."""

    met: dict[tuple[str, str], dict[str, list[int]]] = field(default_factory=dict)

    def judge(self, row: Row, result: Result, delivery: Delivery) -> Result:
        """The result of this send, seen in the light of those before it."""
        if delivery.accepted:
            if self.met:
                self._forget(row.route)
            return result
        if delivery.subject is not Subject.UNSTATED or result not in PRESUMED_RECIPIENT:
            return result
        if delivery.outcome is Outcome.REFUSED_FOR_NOW and not row.failures:
            return result
        recipients = self.met.setdefault((row.route, delivery.code), {})
        recipients.setdefault(row.recipient, []).append(row.id)
        if len(recipients) < SEVERAL:
            return result
        return result_if_the_channels(result, delivery) or result

    def mistaken(self, row: Row, code: str) -> list[int]:
        """The rows that met the same refusal before it was known to be the channel's; they are named once."""
        recipients = self.met.get((row.route, code), {})
        ids = [row_id for rows in recipients.values() for row_id in rows if row_id != row.id]
        for rows in recipients.values():
            rows.clear()
        return sorted(ids)

    def _forget(self, route: str) -> None:
        for key in [key for key in self.met if key[0] == route]:
            del self.met[key]


tracker = RefusalTracker()
