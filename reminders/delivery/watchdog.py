"""A send that hangs is interrupted; one that cannot be interrupted ends with its process.

The kernel's timer does it, so that neither a loop that swallows exceptions nor a library that holds the
interpreter lock can keep a worker for ever. Only the main thread of a process can use it: the prefork pool's
children send there.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from types import FrameType


class SendInterrupted(BaseException):
    """The send was still going on at its limit. Not an Exception, so that a careless `except` lets it pass."""


Watch = Callable[[timedelta], AbstractContextManager[None]]
"""Watches one block, which may take so long: `with watch(soft): send()`."""


class Timer:
    """Watches one block at a time.

    The kernel's timer goes on from block to block: where it rings too early for the block of that moment, it is set for
    what is left. So most blocks cost no call of the kernel.
    """

    def __init__(self, *, hard: timedelta) -> None:
        self._soft = self._hard = hard.total_seconds()
        self._block_ends = self._rings = math.inf
        self._rang = False

    def __call__(self, soft: timedelta) -> "Timer":
        self._soft = soft.total_seconds()
        return self

    def __enter__(self) -> None:
        self._block_ends = time.monotonic() + self._soft
        if self._block_ends < self._rings:
            self._set(self._soft)

    def __exit__(self, *_: object) -> None:
        self._block_ends = math.inf
        if self._rang:
            self._rang = False
            self._rings = math.inf
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self.ring)

    def ring(self, _signal: int, _frame: FrameType | None) -> None:
        """At the end of a block's time an exception; if that does not help, the signal's own effect: the process ends."""
        self._rings = math.inf
        left = self._block_ends - time.monotonic()
        if left > 0:
            if left < math.inf:
                self._set(left)
            return
        self._rang = True
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, max(0.05, self._hard - self._soft))
        raise SendInterrupted

    def _set(self, seconds: float) -> None:
        self._rings = self._block_ends
        signal.setitimer(signal.ITIMER_REAL, seconds)


@contextmanager
def watching(*, hard: timedelta) -> Iterator[Watch]:
    """A watch for a slice of sends: it raises SendInterrupted in a block that still goes on after its time.

    A block that still goes on `hard` after it began ends the process. The signal's handler is set once for all blocks of
    the slice.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda _: nullcontext()
        return
    timer = Timer(hard=hard)
    before = signal.signal(signal.SIGALRM, timer.ring)
    try:
        yield timer
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
