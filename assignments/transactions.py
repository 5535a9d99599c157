"""A transaction that survives deadlocks and silence: open this to see what is tried again, and what is given up when."""

import functools
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ParamSpec, TypeVar

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 3
SILENCE_SECONDS = 60.0
"""No transaction of ours takes this long; a server that is silent for so long is gone."""

TRANSIENT = {"40P01", "40001"}
"""deadlock_detected and serialization_failure (PostgreSQL manual, appendix A): trying again is safe."""


PASSING = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""Classes of SQLSTATE (same appendix) that speak of the server's state: connection, read-only, rollback, resources,
object in use, operator intervention, system."""

BROKEN_LINE = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)


class StartAgain(DatabaseError):
    """The step failed for a reason that whoever raises this has put out of the way: it may be tried once more."""


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's five-letter code of a database error; '' where the server gave none."""
    return str(getattr(error.__cause__ or error, "sqlstate", None) or "")


def passing(error: Exception) -> bool:
    """Whether a database error says something about the server's state, not about the statement.

    No code at all is a broken line.
    """
    code = sqlstate(error)
    return code[:2] in PASSING if code else isinstance(error, BROKEN_LINE)


def atomically(step: Callable[P, R]) -> Callable[P, R]:
    """Runs `step` in one transaction; after a deadlock or a serialization failure up to 3 times.

    A server that falls silent in the middle ends it with an OperationalError (see `hanging_up_after`).

    Inside a transaction of the caller it simply takes part in it: only the outermost can start again.
    """

    @functools.wraps(step)
    def in_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            return step(*args, **kwargs)
        for attempt in range(1, TRIES + 1):
            try:
                with hanging_up_after(SILENCE_SECONDS), transaction.atomic():
                    return step(*args, **kwargs)
            except DatabaseError as error:
                again = isinstance(error, StartAgain) or sqlstate(error) in TRANSIENT
                if attempt == TRIES or not again:
                    raise
        raise AssertionError("unreachable")

    return in_transaction


@contextmanager
def hanging_up_after(seconds: float) -> Iterator[None]:
    """Ends this process's line to the database if the block takes longer, so that it fails instead of waiting for ever.

    A server that vanished without a word, or something between that swallows everything, is noticed by nobody
    else. What fails then is an OperationalError like that of any broken line. Only the main thread can do this:
    the kernel's timer wakes it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _hang_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _hang_up(_signal: int, _frame: FrameType | None) -> None:
    line = connection.connection
    if line is not None and not line.closed:
        # A copy of the descriptor: the driver goes on to own the line, and finds it ended.
        with socket.socket(fileno=os.dup(line.fileno())) as handle:
            handle.shutdown(socket.SHUT_RDWR)
