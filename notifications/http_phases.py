"""How far a message got that is posted by HTTP, and what its end means where no response of the other side ended it."""

from enum import Enum

from notifications.deadline_socket import described_error
from notifications.message import Delivery, Outcome, Subject


class HttpPhase(Enum):
    """How far a send has got. The value is the `code` of a Delivery that no response ended."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    REQUEST = "request"
    RESPONSE = "answer"


# When the connection breaks, or time runs out. In mid-request the message itself may be the cause, and after its last
# octet nobody can know.
IF_BROKEN = {HttpPhase.REQUEST: Outcome.REFUSED_FOR_NOW, HttpPhase.RESPONSE: Outcome.UNKNOWABLE}


def broken(phase: HttpPhase, error: Exception) -> Delivery:
    """How a send ended that no response ended."""
    outcome = IF_BROKEN.get(phase, Outcome.CHANNEL_DOWN)
    subject = Subject.CHANNEL if outcome is Outcome.CHANNEL_DOWN else Subject.UNSTATED
    return Delivery(outcome, phase.value, described_error(error), subject=subject, phase=phase.value)
