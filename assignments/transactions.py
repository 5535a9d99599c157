"""Transactions that are repeated where that helps, as after a deadlock, and end when the database server falls silent."""

import functools
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ParamSpec, TypeVar

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

P = ParamSpec("P")
R = TypeVar("R")

MAX_TRIES = 3
ROUND_DEADLINE_SECONDS = 15.0
"""How long a round of a process that does something again and again waits for the database: beat, a worker's watch."""

CONNECTION_DEADLINE_SECONDS = 60.0
"""No transaction here takes this long; a server that has not responded by then is taken for lost."""

RETRIED_CODES = {"40P01", "40001", "0A000"}
"""deadlock_detected and serialization_failure (PostgreSQL manual, appendix A): trying again is safe. So it is after
feature_not_supported: a statement was prepared before a migration changed a column that it returns, and the rollback has the
driver prepare it anew."""

READ_ONLY_CODE = "25006"
"""read_only_sql_transaction: the server is a standby, or the session began while the database was read-only."""

TRANSIENT_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""Classes of SQLSTATE (same appendix) that describe the server's state: connection, read-only, rollback, resources,
object in use, operator intervention, system."""

CONNECTION_ERRORS = (
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)


class RetryTransaction(DatabaseError):
    """The step failed for a reason that is removed by now: `atomically` may run it once more."""


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's five-character code of a database error; '' where the server sent none."""
    return str(getattr(error.__cause__ or error, "sqlstate", None) or "")


def is_transient(error: Exception) -> bool:
    """Whether a database error is about the server's state and not about the statement.

    An error without a code is a lost connection.
    """
    code = sqlstate(error)
    return code[:2] in TRANSIENT_CLASSES if code else isinstance(error, CONNECTION_ERRORS)


def atomically(step: Callable[P, R]) -> Callable[P, R]:
    """Runs `step` in one transaction; up to 3 times where trying again is safe (`RETRIED_CODES`).

    A connection that refuses to write is replaced, and the step runs again: nothing of it was written.

    A server that stops responding ends it with an OperationalError (see `connection_deadline`).

    Inside a transaction of the caller it takes part in that one: only the outermost can be repeated.
    """

    @functools.wraps(step)
    def in_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            return step(*args, **kwargs)
        for attempt in range(1, MAX_TRIES + 1):
            try:
                with connection_deadline(CONNECTION_DEADLINE_SECONDS), transaction.atomic():
                    return step(*args, **kwargs)
            except DatabaseError as error:
                code = sqlstate(error)
                if code == READ_ONLY_CODE:
                    connection.close()
                retry = isinstance(error, RetryTransaction) or code in RETRIED_CODES | {READ_ONLY_CODE}
                if attempt == MAX_TRIES or not retry:
                    raise
        raise AssertionError("unreachable")

    return in_transaction


@contextmanager
def connection_deadline(seconds: float) -> Iterator[None]:
    """Shuts down this process's database connection if the block takes longer, so that it fails instead of blocking.

    Nothing else notices a server that vanished without closing the connection, or a network that drops every packet.
    The error is the OperationalError of any lost connection. Only the main thread can do this: it uses SIGALRM.
    Another alarm that runs already, such as the watchdog of a send, keeps its time and its effect.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    outer, (outer_left, _) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    started = time.monotonic()
    outer_rang = False

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal outer_rang
        if callable(outer) and outer_left and time.monotonic() - started >= outer_left:
            outer_rang = True
            outer(number, frame)  # It sets what comes after it by itself.
        else:
            _shut_down_connection()

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, min(seconds, outer_left or seconds))
    try:
        yield
    except BaseException:
        _close_if_busy()
        raise
    finally:
        if not outer_rang:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, outer)
            if outer_left:
                signal.setitimer(signal.ITIMER_REAL, max(0.001, outer_left - (time.monotonic() - started)))


def is_quiet(of: BaseDatabaseWrapper) -> bool:
    """Whether there is an open connection on which nothing waits to be read: a server that ends a session says so.

    Takes no round trip. Silent about a server that has vanished.
    """
    pg = of.connection
    if pg is None or pg.closed:
        return False
    watched = select.poll()
    watched.register(pg.fileno(), select.POLLIN)
    return not watched.poll(0)


def _close_if_busy() -> None:
    """An exception out of a signal handler leaves the statement running: the connection would refuse every other one."""
    pg = connection.connection
    if pg is None or connection.in_atomic_block:
        return
    if pg.info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
        connection.close()


def _shut_down_connection() -> None:
    pg = connection.connection
    if pg is not None and not pg.closed:
        # A copy of the descriptor: the driver keeps its own and finds the connection ended.
        with socket.socket(fileno=os.dup(pg.fileno())) as handle:
            handle.shutdown(socket.SHUT_RDWR)
