"""A terminal for commands to write to."""

import os
import pty
import termios
from contextlib import contextmanager

from reminders.management import progress


@contextmanager
def terminal(monkeypatch, *, columns=100):
    """A stream that is a terminal, and what was written to it, which ends it; bars are drawn at every step."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", 0)
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24 if columns else 0, columns))
    stream = os.fdopen(slave, "w", encoding="utf-8")

    def seen():
        stream.close()
        found = b""
        while part := read(master):
            found += part
        return found.decode()

    try:
        yield stream, seen
    finally:
        stream.close()
        os.close(master)


def read(master):
    """The next part of what was written; nothing once the terminal is closed and all of it was read."""
    try:
        return os.read(master, 65_536)
    except OSError:  # So Linux says that nobody has the other end any more.
        return b""
