"""What systemd hears: READY=1, and WATCHDOG=1 three times within the time after which it takes a process for frozen."""

import socket

import pytest

from config import supervision


@pytest.fixture
def heard(tmp_path, socket_enabled):
    """The socket on which a supervisor listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(str(tmp_path / "notify"))
        link.settimeout(10)
        yield link


def test_without_a_supervisor_nothing_is_sent():
    supervision.notify({}, "READY=1")


def test_a_supervisor_that_is_gone_does_no_harm(tmp_path):
    supervision.notify({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, "READY=1")


def test_a_supervisor_hears_that_a_process_is_ready_and_then_that_it_lives(heard, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", heard.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    supervision.ready(sender=None)
    assert [heard.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "60000000"}, 20.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 20.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, 0.0),  # it waits for another process
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_signs_of_life_come_three_times_within_what_systemd_waits(environment, seconds):
    assert supervision.interval(environment, pid=7) == seconds
