"""Tells on the terminal of `manage.py up` what the processes do, one friendly line per event.

The processes log JSON; who and what an event is about is looked up by its assignment's number. A person's
name may be shown, an address never.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection

MOST_WAITING = 20_000
QUIET_SECONDS = 10.0

REASONS = {
    "moved": "it was moved to another time",
    "cancelled": "it was cancelled",
    "reassigned": "it was given to somebody else",
    "started": "it has been started",
    "replanned": "it was planned anew",
    "too_late": "it would have come too late",
    "past": "its start had already passed",
    "already_told": "this was already said",
    "imported": "the old system had sent it",
    "operator": "an operator closed it",
    "no_contact": "there is no address to write to",
    "rejected": "the mail server refused it for good",
    "exhausted": "all attempts failed",
    "template": "its text could not be written",
    "internal": "an error in the program, see the log",
    "ambiguous": "it is unknowable whether it arrived",
    "disabled": "reminders are switched off",
    "paused": "sending is paused",
    "channel_held": "the mail server does not answer",
    "channel_down": "the mail server does not answer",
    "channel_refused": "the mail server refuses our mail",
    "throttled": "the mail server accepts fewer mails in this time",
}
# A hint that came twice or too late says nothing to a person; it stands in the log.
UNTOLD_REASONS = {"stale", "too_early"}
# The figures of a scan that are worth a line.
SCAN_FIGURES = {
    "planned": "planned",
    "voided": "no longer wanted",
    "retimed": "moved in time",
    "synced": "repaired",
    "returned": "taken back from a dead worker",
    "ambiguous": "possibly sent twice",
}


@dataclass(frozen=True)
class Work:
    """What a line says about an assignment."""

    title: str
    assignee: str
    start: datetime


@dataclass(frozen=True)
class Event:
    """One log line of one process, or a sentence of our own."""

    source: str
    at: datetime
    fields: Mapping[str, Any] = field(default_factory=dict)
    sentence: str = ""

    @property
    def assignment(self) -> int | None:
        number = self.fields.get("assignment_id")
        return number if isinstance(number, int) else None


class Narrator:
    """Prints from a thread of its own, so that a slow database or terminal holds up nothing else."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Event | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._tell, name="narrator", daemon=True)
        self._told: dict[str, float] = {}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tell what is still waiting, but not for long."""
        self._put(None)
        if self._thread.is_alive():
            self._thread.join(3.0)

    def say(self, sentence: str, *, source: str = "up") -> None:
        self._put(Event(source=source, at=datetime.now().astimezone(), sentence=sentence))

    def hear(self, source: str, line: str) -> Mapping[str, Any] | None:
        """Take one line of a process's output; returns its fields when it is a JSON log line."""
        try:
            fields = json.loads(line) if line.startswith("{") else None
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            return None
        self._put(Event(source=source, at=datetime.now().astimezone(), fields=fields))
        return fields

    def _put(self, event: Event | None) -> None:
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            pass  # the log files have it

    def _tell(self) -> None:
        while True:
            heard = [self._waiting.get()]
            while len(heard) < 500 and not self._waiting.empty():
                heard.append(self._waiting.get())
            events = [event for event in heard if event is not None]
            works = look_up({number for event in events if (number := event.assignment) is not None})
            for event in events:
                if line := self._line(event, works):
                    show(f"{event.at:%H:%M:%S}  {line}")
            if None in heard:
                return

    def _line(self, event: Event, works: Mapping[int, Work]) -> str | None:
        if event.sentence:
            return f"{event.source:<9} {event.sentence}"
        line = sentence_of(event, works)
        if line is None:
            return None
        if line.startswith("error"):
            now = time.monotonic()
            self._told = {text: at for text, at in self._told.items() if now - at < QUIET_SECONDS}
            if line in self._told:
                return None
            self._told[line] = now
        return line


def sentence_of(event: Event, works: Mapping[int, Work]) -> str | None:
    """The line for an event, or None for one that only the log file keeps."""
    fields = event.fields
    number = event.assignment
    work = works.get(number) if number is not None else None
    what = f"#{number} {work.title}" if work else f"#{number}" if number is not None else "a reminder"
    name = work.assignee if work else ""
    to = f" to {name}" if name else ""
    when = f", starts {clock(work.start, seen=event.at)}" if work else ""
    reason = str(fields.get("reason") or "")
    why = REASONS.get(reason, reason.replace("_", " "))
    noun = "overdue notice" if fields.get("kind") == "OVERDUE" else "reminder"
    match fields.get("event"):
        case "Reminder sent":
            return f"sent      {what} - reminder{to}{when}"
        case "Overdue notice sent":
            return f"sent      {what} - overdue notice to those who must know"
        case "Assignment overdue":
            since = f"; it was to start {clock(work.start, seen=event.at)}" if work else ""
            return f"overdue   {what} - {name or 'nobody'} has not started it{since}"
        case "Reminder job skipped" if reason not in UNTOLD_REASONS:
            return f"skipped   {what} - no {noun}{to}: {why}"
        case "Reminder will be tried again":
            return f"retry     {what} - {noun}{to} is tried again: {why}"
        case "Reminder failed":
            return f"failed    {what} - {noun}{to}: {why}"
        case "Failed to queue reminder":
            return f"error     Redis does not take reminders just now ({why}); they wait in the database"
        case "Scan finished" if found := figures(fields):
            return f"scan      {found}"
        case _ if fields.get("level") in {"ERROR", "CRITICAL"}:
            return f"error     {event.source}: {shortened(problem(fields))}"
    return None


def figures(fields: Mapping[str, Any]) -> str:
    counts = {words: fields.get(name) for name, words in SCAN_FIGURES.items()}
    return ", ".join(
        f"{count} {words}" for words, count in counts.items() if isinstance(count, int) and count
    )


def problem(fields: Mapping[str, Any]) -> str:
    said = str(fields.get("event", "")).strip().splitlines() or [""]
    error = str(fields.get("error", "")).strip().splitlines()
    return said[0] + (f": {error[-1]}" if error else "")


def look_up(numbers: Iterable[int]) -> dict[int, Work]:
    """What the assignments are; empty when the database does not say."""
    wanted: Sequence[int] = sorted(set(numbers))
    if not wanted:
        return {}
    from assignments.models import Assignment

    try:
        rows = Assignment.objects.filter(pk__in=wanted).select_related("assignee")
        return {
            row.pk: Work(
                title=shortened(row.title, 60),
                assignee=shortened(row.assignee.name, 40) if row.assignee else "",
                start=row.scheduled_start,
            )
            for row in rows
        }
    except DatabaseError:
        connection.close()
        return {}


def clock(instant: datetime, *, seen: datetime) -> str:
    """The instant on this machine's clock, with the day where it is another day."""
    local = instant.astimezone(seen.tzinfo)
    return f"{local:%H:%M}" if local.date() == seen.date() else f"{local:%a %d %b %H:%M}"


def shortened(text: str, limit: int = 160) -> str:
    """One line of printable characters: a title must not be able to drive somebody's terminal."""
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def show(line: str) -> None:
    try:
        print(line, flush=True)
    except (OSError, ValueError):
        # The terminal is gone; the system is not.
        sys.stdout = open_nothing()


def open_nothing() -> Any:
    return open(os.devnull, "w")  # noqa: PTH123 - stands in for stdout until the process ends
