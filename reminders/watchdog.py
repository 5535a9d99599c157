"""A send that hangs is interrupted; one that cannot be interrupted ends with its process.

The kernel's timer does it, so that neither a loop that swallows exceptions nor a library that holds the
interpreter lock can keep a worker for ever. Only the main thread of a process can use it: the prefork pool's
children send there.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType


class SendInterrupted(BaseException):
    """The send was still going on at its limit. Not an Exception, so that a careless `except` lets it pass."""


@contextmanager
def guarding(*, soft: timedelta, hard: timedelta) -> Iterator[None]:
    """Raises SendInterrupted inside the block after `soft`; ends the process `hard` after the block began."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, max(0.05, (hard - soft).total_seconds()))
        raise SendInterrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, soft.total_seconds())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
