"""One question to the server over a connection that is kept, whose answer is waited for only so long, in any thread."""

import select
import time

import psycopg
from psycopg.pq import ExecStatus


def answer(connection: "psycopg.Connection[object]", question: bytes, *, within: float) -> str:
    """The first value that the server returns. Raises psycopg.OperationalError where none comes within so many seconds.

    libpq's own waiting has no end where something still acknowledges each packet: a proxy, or a server that is suspended.
    This follows "Asynchronous Command Processing" of the PostgreSQL manual (section 32.4). After an error the connection is
    of no more use.
    """
    line, deadline = connection.pgconn, time.monotonic() + within
    with connection.lock:
        line.send_query(question)
        while line.flush():
            _wait(line.socket, select.POLLIN | select.POLLOUT, deadline)
            line.consume_input()
        found = None
        while True:
            while line.is_busy():
                _wait(line.socket, select.POLLIN, deadline)
                line.consume_input()
            result = line.get_result()
            if result is None:
                break
            found = result
    if found is None or found.status != ExecStatus.TUPLES_OK:
        raise psycopg.OperationalError("the server does not answer the question")
    return (found.get_value(0, 0) or b"").decode()


def _wait(descriptor: int, event: int, deadline: float) -> None:
    waiting = select.poll()
    waiting.register(descriptor, event)
    if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise psycopg.OperationalError("the server does not answer in time")
