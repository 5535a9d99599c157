"""Tells systemd that a process is ready, and that it is not frozen (sd_notify(3)).

Only where systemd asks for it: without NOTIFY_SOCKET and WATCHDOG_USEC in the environment nothing happens.
"""

import os
import socket
import threading
from collections.abc import Mapping


def ready(**_: object) -> None:
    """A receiver of signals: this process works from now on, and gives signs of life where systemd waits for them."""
    notify(os.environ, "READY=1")
    if seconds := interval(os.environ, pid=os.getpid()):
        threading.Thread(target=_repeat, args=(seconds,), name="watchdog", daemon=True).start()


def notify(environment: Mapping[str, str], message: str) -> None:
    """Sends one datagram to the socket that NOTIFY_SOCKET names; a supervisor that is gone is no fault of ours."""
    path = environment.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path  # abstract, unix(7)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.sendto(message.encode(), address)
    except OSError:
        return


def interval(environment: Mapping[str, str], *, pid: int) -> float:
    """Seconds between two signs of life: a third of what systemd waits for; 0 where it does not wait for this process."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return 0.0
    return int(microseconds) / 3_000_000


def _repeat(seconds: float) -> None:
    """A thread: the main loop waits while Redis or PostgreSQL is away, and a process that waits is not frozen."""
    wait = threading.Event()
    while not wait.wait(seconds):
        notify(os.environ, "WATCHDOG=1")
