"""Each process: when it was last seen, whether one that is silent is frozen or gone, and what to do about it."""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.utils.translation import gettext_lazy as _

from assignments.clock import database_now
from reminders.delivery.heartbeats import RECENT_SECONDS
from reminders.models import Process

SHOWN_FOR = timedelta(hours=1)
"""A process that is silent for longer is shown only where no other one of its kind is at work."""
MOST_SHOWN = 100


class Life(Enum):
    """What is known of a process."""

    RUNNING = "running"
    FROZEN = "frozen"
    GONE = "gone"
    SILENT = "silent"
    UNASKED = "not_asked"


ADVICE = {
    Life.FROZEN: (
        _(
            "Its process is there and gives no sign of life. End it with `kill -9 {pid}` on {host}: whoever started "
            "it starts it again, and nothing is lost."
        )
    ),
    Life.GONE: _(
        "Its process has ended. `manage.py up`, systemd or the container starts it again; else start a {kind}."
    ),
    Life.SILENT: (
        _(
            "It runs on another host, so from here nobody can tell. On {host}: `kill -0 {pid}`; if it is there it "
            "is frozen, end it with `kill -9 {pid}`; if not, start a {kind}."
        )
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One process. `advice` is what an operator can do; '' where nothing is needed."""

    kind: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    life: Life
    advice: str

    @property
    def tone(self) -> str:
        return "good" if self.life is Life.RUNNING else "bad" if self.advice else "quiet"


def is_there(pid: int) -> bool:
    """Whether this host has a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def process_statuses(
    *, here: str | None = None, is_there: Callable[[int], bool] = is_there
) -> list[ProcessStatus]:
    """Every process that matters now, what needs somebody first. `here` is the name of this host.

    A silent process needs nobody where another one of its kind has started on its host since.
    """
    now, host = database_now(), here or socket.gethostname()
    rows = list(Process.objects.exclude(kind="scrape").order_by("-seen_at", "-id")[:MOST_SHOWN])
    recent = now - timedelta(seconds=RECENT_SECONDS)
    running = [row for row in rows if row.seen_at > recent]
    at_work = {row.kind for row in running}
    found = []
    for row in rows:
        if row.seen_at > recent:
            life = Life.RUNNING
        elif row.kind in at_work and row.seen_at < now - SHOWN_FOR:
            continue
        elif row.host != host:
            life = Life.SILENT
        else:
            # A web process gives a sign of life when it is asked for its readiness or its metrics, and not by itself.
            there = Life.UNASKED if row.kind == "web" else Life.FROZEN
            life = there if is_there(row.pid) else Life.GONE
        if life is Life.GONE and row.kind in at_work:
            continue
        found.append(_status(row, life, running))
    return sorted(found, key=lambda one: (not one.advice, one.kind, one.host, one.pid))


def _status(row: Process, life: Life, running: Sequence[Process]) -> ProcessStatus:
    replaced = life is Life.SILENT and any(
        (one.kind, one.host) == (row.kind, row.host) and one.started_at > row.seen_at for one in running
    )
    advice = "" if life in (Life.RUNNING, Life.UNASKED) or replaced else ADVICE[life]
    return ProcessStatus(
        kind=row.kind,
        host=row.host,
        pid=row.pid,
        started_at=row.started_at,
        seen_at=row.seen_at,
        life=life,
        advice=advice.format(pid=row.pid, host=row.host, kind=row.kind),
    )
