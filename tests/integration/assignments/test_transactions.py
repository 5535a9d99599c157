"""A database that falls silent: the line is ended, and the next one works."""

import socket
import threading

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
