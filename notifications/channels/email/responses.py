"""What a mail server's replies mean for a message and for the channel."""

from enum import Enum

from notifications.message import Outcome


class Phase(Enum):
    """How far a send has got. The value is the `code` of a Delivery that no reply of the server ended."""

    CONNECT = "connect"
    TLS = "tls"
    EHLO = "ehlo"
    AUTH = "auth"
    RESET = "reset"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    FINAL_REPLY = "answer"


# What it means when the connection breaks, or time runs out, in a phase. In the others it says nothing about the
# message. In mid-content the message itself may be the cause: one that breaks the connection each time must end
# as exhausted, and not hold up the channel for everybody.
IF_BROKEN = {Phase.CONTENT: Outcome.REFUSED_FOR_NOW, Phase.FINAL_REPLY: Outcome.UNKNOWABLE}

# Replies that are about the channel, not about the message: the server is closing down (RFC 5321 section 3.8), or
# wants other credentials or encryption first (RFC 4954 section 6).
ABOUT_THE_CHANNEL = frozenset({421, 530, 534, 535, 538})
