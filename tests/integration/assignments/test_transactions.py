"""A database that falls silent: the line is ended, and the next one works."""

import signal
import socket
import threading
import time

import pytest
from django.db import OperationalError, connection

from assignments import transactions

pytestmark = pytest.mark.django_db(transaction=True)

# The server looks whether anybody still waits, so that no session outlives its test.
A_LONG_SILENCE = "SET client_connection_check_interval = '50ms'; SELECT pg_sleep(60)"


def test_a_statement_that_takes_too_long_fails_and_the_next_connection_works():
    with (
        pytest.raises(OperationalError),
        transactions.connection_deadline(0.2),
        connection.cursor() as cursor,
    ):
        cursor.execute(A_LONG_SILENCE)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_transaction_of_ours_gives_a_silent_server_up(monkeypatch):
    monkeypatch.setattr(transactions, "CONNECTION_DEADLINE_SECONDS", 0.2)

    @transactions.atomically
    def waits_for_ever() -> None:
        with connection.cursor() as cursor:
            cursor.execute(A_LONG_SILENCE)

    with pytest.raises(OperationalError):
        waits_for_ever()
    connection.close()


def test_what_comes_back_in_time_is_left_alone():
    with transactions.connection_deadline(30), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert connection.connection is not None
    assert connection.is_usable()


def test_other_threads_are_not_watched():
    seen = []

    def elsewhere() -> None:
        with transactions.connection_deadline(0.01):
            seen.append(socket.socket)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen


def test_an_alarm_that_runs_already_keeps_its_time_and_its_effect():
    """The watchdog of a send, for instance: a deadline inside it must neither swallow nor postpone it."""
    rang: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(time.monotonic()))
    started = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with transactions.connection_deadline(30):
            left, _ = signal.getitimer(signal.ITIMER_REAL)
            assert 0 < left <= 0.3
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.3
        while not rang and time.monotonic() - started < 20:
            signal.sigtimedwait([], 0.05)
        assert rang
        assert rang[0] - started >= 0.3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_alarm_that_is_due_inside_a_deadline_has_its_own_effect():
    class Outer(Exception):
        pass

    def ring(*_: object) -> None:
        raise Outer

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Outer), transactions.connection_deadline(30):
            signal.sigtimedwait([], 20)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_alarm_during_a_statement_leaves_a_connection_that_works():
    class Outer(Exception):
        pass

    def ring(*_: object) -> None:
        raise Outer

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Outer), transactions.connection_deadline(30), connection.cursor() as cursor:
            cursor.execute(A_LONG_SILENCE)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
