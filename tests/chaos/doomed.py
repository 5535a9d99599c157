"""The project's Celery application, in a process that is doomed: `celery -A tests.chaos.doomed worker ...`.

DOOM names the point at which the process dies by SIGKILL, DOOM_COUNT how many times that happens over all
processes (the file DOOM_FILE counts), DOOM_WHO whether the one process dies or its whole group. `hang` in the
place of a death is a channel that never comes back, `exit` one that ends its process by itself.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.template import TemplateSyntaxError

from config.celery import app

django.setup()

from notifications.channels.email import connection, transport  # noqa: E402 - models need the applications
from notifications.channels.email.channel import EmailChannel  # noqa: E402
from notifications.channels.email.responses import Refusal, SmtpPhase  # noqa: E402
from notifications.message import Outcome, Subject  # noqa: E402
from reminders.content import compose  # noqa: E402
from reminders.delivery import broker, deliver, dispatch  # noqa: E402
from reminders.ledger import beginning, claims, finishing, planning, replanning  # noqa: E402
from reminders.models import Reason, State  # noqa: E402
from reminders.policy import retries  # noqa: E402

__all__ = ["app"]

POINT = os.environ.get("DOOM", "")
BUDGET = int(os.environ.get("DOOM_COUNT", "1"))
FILE = Path(os.environ.get("DOOM_FILE", "/dev/null"))
VICTIM = os.environ.get("DOOM_RECIPIENT", "")


def doom() -> None:
    """Dies, unless enough have died already."""
    with FILE.open("ab") as file:
        file.write(b"x")
        file.flush()
        if file.tell() > BUDGET:
            return
    if os.environ.get("DOOM_WHO") == "group":
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def before(place: Any, name: str) -> None:
    original = getattr(place, name)

    def doomed(*args: Any, **kwargs: Any) -> Any:
        doom()
        return original(*args, **kwargs)

    setattr(place, name, doomed)


def in_the_content(cut: int) -> None:
    """Dies when all but the last `cut` octets of a mail have been sent."""
    original = connection.SmtpConnection.send

    def doomed(self: connection.SmtpConnection, s: Any) -> None:
        octets = s.encode() if isinstance(s, str) else bytes(s)
        if octets.endswith(b"\r\n.\r\n"):
            original(self, octets[: len(octets) - cut])
            doom()
            octets = octets[len(octets) - cut :]
        original(self, octets)

    connection.SmtpConnection.send = doomed  # type: ignore[method-assign]


def a_channel_that(misbehaves: Callable[[], None]) -> None:
    original = EmailChannel.send_announcing

    def poisoned(self: EmailChannel, message: Any, **more: Any) -> Any:
        if message.address == VICTIM:
            misbehaves()
        return original(self, message, **more)

    EmailChannel.send_announcing = poisoned  # type: ignore[method-assign]


def loop_for_ever() -> None:
    while True:
        try:
            signal.pause()
        except BaseException:
            continue


def a_template_that_breaks() -> None:
    original = compose.compose

    def broken(claim: Any, *, address: str, **more: Any) -> Any:
        if address == VICTIM:
            raise TemplateSyntaxError("broken on purpose")
        return original(claim, address=address, **more)

    compose.compose = broken


def a_begin_that_believes_any_ticket() -> None:
    guard = "AND r.ticket = hint.ticket AND r.state = 'QUEUED'"
    for name in ("PICK", "PICK_RATED"):
        statement = getattr(beginning, name)
        assert guard in statement
        setattr(beginning, name, statement.replace(guard, ""))


def every_refusal_is_the_persons() -> None:
    """As if a reply said nothing but whether it is for good."""

    def naive(phase: SmtpPhase, code: int, text: str) -> Refusal:
        outcome = Outcome.REJECTED if code >= 500 else Outcome.REFUSED_FOR_NOW
        return Refusal(outcome, Subject.RECIPIENT, "")

    transport.judge = naive


def a_channel_that_refuses_is_given_up() -> None:
    """Whatever the channel does not take ends at once."""
    original = retries.transition_after

    def impatient(row: Any, result: retries.Result, **more: Any) -> retries.Transition:
        if result is retries.Result.CHANNEL_REFUSED:
            return retries.Transition(State.FAILED, Reason.EXHAUSTED)
        return original(row, result, **more)

    retries.transition_after = impatient


POINTS: dict[str, Callable[[], None]] = {
    "": lambda: None,
    "scan before commit": lambda: before(planning, "Planned"),
    "scan between pages": lambda: before(replanning, "void"),  # dispatch never gets there
    "dispatch before commit": lambda: before(claims, "claimed_row"),
    "dispatch before publish": lambda: before(broker.CeleryBroker, "publish"),
    "dispatch after publish": lambda: before(dispatch, "log_queued"),
    "begin before commit": lambda: before(beginning, "claim_of"),
    "begin after commit": lambda: before(deliver, "_send_all"),
    "send before the dot": lambda: in_the_content(3),
    "send after the dot": lambda: in_the_content(0),
    "send after 250": lambda: before(deliver, "record"),
    "finish before commit": lambda: before(finishing, "_count_finished"),
    "finish after commit": lambda: before(deliver, "log_finished"),
    "broken template": a_template_that_breaks,
    "begin believes any ticket": a_begin_that_believes_any_ticket,
    "every refusal is the person's": every_refusal_is_the_persons,
    "a channel that refuses is given up": a_channel_that_refuses_is_given_up,
    "os._exit in a channel": lambda: a_channel_that(lambda: os._exit(1)),
    "default socket options": lambda: app.conf.update(broker_transport_options={}),
    "endless loop in a channel": lambda: a_channel_that(loop_for_ever),
}
POINTS[POINT]()
