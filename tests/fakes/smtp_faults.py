"""What a fake mail server can be told to do wrong, and what it notes of the mails that it has accepted."""

from dataclasses import dataclass
from typing import Literal

Step = Literal[
    "connect", "ehlo", "starttls", "auth", "rset", "mail", "rcpt", "data", "content", "dot", "quit"
]
Action = Literal["answer", "drop", "reset", "hang", "tarpit", "late"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and when.

    `step`: where. "content" is right after the 354, before any content is read; "dot" after the final dot.
    `action`: "answer" (with `answer`), "drop" (closes in order), "reset" (closes with a TCP reset), "hang"
    (never answers), "tarpit" (answers one octet per `pause` seconds), "late" (answers after `pause` seconds).
    `accept`: a fault at "dot" keeps the message all the same, as when only the answer is lost.
    `times`: how often, None for always. `skip`: how many fitting occasions pass before the first.
    `recipient`: only in mails to this one (from "rcpt" on).
    `about`: what a refusal is about in truth, the "recipient" or the "channel"; it is noted with the refusal.
    """

    step: Step
    action: Action
    answer: str = ""
    accept: bool = False
    times: int | None = None
    skip: int = 0
    recipient: str | None = None
    pause: float = 1.0
    about: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that the server took over. `content` is without dot-stuffing, with CRLF. `text` is the text of a notice to
    supervisors and of a message with several reminders, and empty for other messages.
    """

    connection: int
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    subject: str
    content: bytes
    text: str = ""
