"""A send that hangs is interrupted; one that cannot be interrupted ends with its process.

The kernel's timer does it, so that neither a loop that swallows exceptions nor a library that holds the
interpreter lock can keep a worker for ever. Only the main thread of a process can use it: the prefork pool's
children send there.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from types import FrameType


class SendInterrupted(BaseException):
    """The send was still going on at its limit. Not an Exception, so that a careless `except` lets it pass."""


class Timer:
    """Watches one block at a time: `with timer: send()`."""

    def __init__(self, *, soft: timedelta, hard: timedelta) -> None:
        self._soft, self._hard = soft.total_seconds(), hard.total_seconds()
        self._rang = False

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._soft)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self._rang:
            self._rang = False
            signal.signal(signal.SIGALRM, self.ring)

    def ring(self, _signal: int, _frame: FrameType | None) -> None:
        """The first time an exception; if that does not help, the signal's own effect: the process ends."""
        self._rang = True
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, max(0.05, self._hard - self._soft))
        raise SendInterrupted


@contextmanager
def watching(*, soft: timedelta, hard: timedelta) -> Iterator[AbstractContextManager[None]]:
    """A timer for a slice of sends: it raises SendInterrupted in a send that still goes on after `soft`.

    A send that still goes on `hard` after it began ends the process. The signal's handler is set once for all
    sends of the slice; a send costs two calls of the kernel.
    """
    if threading.current_thread() is not threading.main_thread():
        yield nullcontext()
        return
    timer = Timer(soft=soft, hard=hard)
    before = signal.signal(signal.SIGALRM, timer.ring)
    try:
        yield timer
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
