"""Shows on the terminal of `manage.py up` what the processes do: one line per event, for people.

The processes log JSON. Titles and names are looked up by the assignment's id. A person's name may be shown,
an address never.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from config.addresses import connection_arguments

MAX_QUEUED = 20_000
REPEAT_AFTER_SECONDS = 10.0
CONNECTION_KEPT_SECONDS = 10.0
WORKS = """
    SELECT a.id, a.title, p.name, a.scheduled_start FROM assignments_assignment a
    LEFT JOIN assignments_assignee p ON p.id = a.assignee_id WHERE a.id = ANY(%s)
"""

REASONS = {
    "moved": "it was moved to another time",
    "cancelled": "it was cancelled",
    "reassigned": "it was given to somebody else",
    "started": "it has been started",
    "replanned": "it was planned anew",
    "too_late": "it would have come too late",
    "past": "its start had already passed",
    "already_told": "this person was already notified",
    "short_notice": "the work became known too late for it",
    "too_close": "another reminder is less than 10 minutes before it",
    "quiet_hours": "it fell into quiet hours",
    "confirmed": "the assignee has confirmed",
    "imported": "the former system had sent it",
    "operator": "an operator closed it",
    "declined": "they have declined",
    "as_told": "what they were told is planned again",
    "merged": "another message has said it",
    "unsubscribed": "nobody subscribes to it any more",
    "no_contact": "there is no address to write to",
    "rejected": "the mail server refused it for good",
    "exhausted": "all attempts failed",
    "template": "its template is broken",
    "internal": "an error in the program, see the log",
    "ambiguous": "it is unknown whether it arrived",
    "disabled": "reminders are switched off",
    "paused": "sending is paused",
    "to_be_joined": "it waits for others to be joined with",
    "channel_held": "the mail server does not answer",
    "channel_down": "the mail server does not answer",
    "channel_refused": "the mail server refuses our mail",
    "throttled": "the mail server accepts fewer mails in this time",
}
# Hints that arrived twice or too early are routine; they are in the log only.
ROUTINE_REASONS = {"stale", "too_early"}
# The counts of a scan that are shown.
SCAN_COUNTS = {
    "planned": "planned",
    "voided": "no longer wanted",
    "retimed": "moved in time",
    "synced": "repaired",
    "returned": "taken back from a dead worker",
    "ambiguous": "possibly sent twice",
}


@dataclass(frozen=True)
class NarratedWork:
    """What a line shows of an assignment."""

    title: str
    assignee: str
    start: datetime


@dataclass(frozen=True)
class LogEvent:
    """One log line of a process, or a sentence of `up` itself."""

    source: str
    at: datetime
    fields: Mapping[str, Any] = field(default_factory=dict)
    sentence: str = ""

    @property
    def assignment(self) -> int | None:
        number = self.fields.get("assignment_id")
        return number if isinstance(number, int) else None


class Narrator:
    """Prints in a thread of its own, so that a slow database or terminal delays nothing else."""

    def __init__(self) -> None:
        self._queue: queue.Queue[LogEvent | None] = queue.Queue(MAX_QUEUED)
        self._thread = threading.Thread(target=self._print_events, name="narrator", daemon=True)
        self._shown_errors: dict[str, float] = {}
        self.database = ""
        """The address at which titles and names are looked up."""
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Print what is queued, for at most 3 seconds."""
        self._put(None)
        if self._thread.is_alive():
            self._thread.join(3.0)

    def report(self, sentence: str, *, source: str = "up") -> None:
        self._put(LogEvent(source=source, at=datetime.now().astimezone(), sentence=sentence))

    def feed(self, source: str, line: str) -> Mapping[str, Any] | None:
        """Queue one line of a process's output; returns its fields if it is a JSON log line."""
        try:
            fields = json.loads(line) if line.startswith("{") else None
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            return None
        self._put(LogEvent(source=source, at=datetime.now().astimezone(), fields=fields))
        return fields

    def _put(self, event: LogEvent | None) -> None:
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            pass  # it is in the log file

    def _print_events(self) -> None:
        while True:
            try:
                batch = [self._queue.get(timeout=CONNECTION_KEPT_SECONDS if self._connection else None)]
            except queue.Empty:
                self._hang_up()
                continue
            while len(batch) < 500 and not self._queue.empty():
                batch.append(self._queue.get())
            events = [event for event in batch if event is not None]
            works = self._look_up({number for event in events if (number := event.assignment) is not None})
            for event in events:
                if line := self._line(event, works):
                    show(f"{event.at:%H:%M:%S}  {line}")
            if None in batch:
                return

    def _look_up(self, numbers: Iterable[int]) -> dict[int, NarratedWork]:
        """Title, assignee and start by id; empty if the database does not answer."""
        wanted = sorted(set(numbers))
        if not wanted or not self.database:
            return {}
        try:
            if self._connection is None:
                address = make_conninfo(**connection_arguments(self.database))
                self._connection = psycopg.connect(address, connect_timeout=5, autocommit=True)
            rows = self._connection.execute(WORKS, [wanted]).fetchall()
        except psycopg.Error:
            self._hang_up()
            return {}
        return {
            number: NarratedWork(title=shortened(title, 60), assignee=shortened(name or "", 40), start=start)
            for number, title, name, start in rows
        }

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _line(self, event: LogEvent, works: Mapping[int, NarratedWork]) -> str | None:
        if event.sentence:
            return f"{event.source:<9} {event.sentence}"
        line = sentence_of(event, works)
        if line is None:
            return None
        if line.startswith("error"):
            now = time.monotonic()
            self._shown_errors = {
                text: at for text, at in self._shown_errors.items() if now - at < REPEAT_AFTER_SECONDS
            }
            if line in self._shown_errors:
                return None
            self._shown_errors[line] = now
        return line


ACTS = {
    "confirm": ("confirmed", "will be there"),
    "decline": ("declined", "can't make it"),
    "on_my_way": ("on way", "is on the way"),
    "late": ("late", "will begin later"),
    "start": ("started", "has started it"),
    "complete": ("done", "is done"),
}
"""The first word of the line for an act, and what it says of the assignee."""
WAYS = {
    "link": "by the link in the mail",
    "sms": "by SMS",
    "api": "through the API",
    "ops": "as an operator recorded",
}
NOUNS = {
    "OVERDUE": ("overdue notice", "about"),
    "CORRECTION": ("correction", "to"),
    "ESCALATION": ("notice to supervisors", "about"),
}
"""What a row of this kind is called; any other is a reminder."""


def sentence_of(event: LogEvent, works: Mapping[int, NarratedWork]) -> str | None:
    """The line for an event, or None for one that is in the log file only."""
    fields = event.fields
    number = event.assignment
    work = works.get(number) if number is not None else None
    what = f"#{number} {work.title}" if work else f"#{number}" if number is not None else "a reminder"
    name = work.assignee if work else ""
    to = f" to {name}" if name else ""
    when = f", starts {local_time(work.start, seen=event.at)}" if work else ""
    reason = str(fields.get("reason") or "")
    why = REASONS.get(reason, reason.replace("_", " "))
    noun, whom = NOUNS.get(str(fields.get("kind")), ("reminder", "to"))
    concerning = f" {whom} {name}" if name else ""
    match fields.get("event"):
        case "Reminder sent":
            return f"sent      {what} - reminder{to}{when}"
        case "Correction sent":
            return f"sent      {what} - correction{to}{when}"
        case "Escalation sent":
            return f"sent      {what} - notice to supervisors of what {name or 'somebody'} has said"
        case "Overdue notice sent":
            return f"sent      {what} - overdue notice to supervisors"
        case "Assignment overdue":
            since = f"; its start was {local_time(work.start, seen=event.at)}" if work else ""
            return f"overdue   {what} - {name or 'nobody'} has not started it{since}"
        case "Assignment acted on" if (act := ACTS.get(str(fields.get("act")))) is not None:
            via = str(fields.get("via"))
            return f"{act[0]:<9} {what} - {name or 'somebody'} {act[1]}, {WAYS.get(via, via)}"
        case "Reminder job skipped" if reason not in ROUTINE_REASONS and fields.get("kind") != "EVENT":
            return f"skipped   {what} - no {noun}{concerning}: {why}"
        case "Reminder will be tried again":
            return f"retry     {what} - {noun}{concerning} will be tried again: {why}"
        case "Reminder failed":
            return f"failed    {what} - {noun}{concerning}: {why}"
        case "Failed to queue reminder":
            return f"error     Redis accepts no messages at present ({why}); reminders wait in the database"
        case "Scan finished" if found := scan_counts(fields):
            return f"scan      {found}"
        case _ if fields.get("level") in {"ERROR", "CRITICAL"}:
            return f"error     {event.source}: {shortened(error_text(fields))}"
    return None


def scan_counts(fields: Mapping[str, Any]) -> str:
    counts = {label: fields.get(name) for name, label in SCAN_COUNTS.items()}
    return ", ".join(
        f"{count} {label}" for label, count in counts.items() if isinstance(count, int) and count
    )


def error_text(fields: Mapping[str, Any]) -> str:
    event = str(fields.get("event", "")).strip().splitlines() or [""]
    error = str(fields.get("error", "")).strip().splitlines()
    return event[0] + (f": {error[-1]}" if error else "")


def local_time(instant: datetime, *, seen: datetime) -> str:
    """The instant in the time zone of `seen`, with the date if that is another day."""
    local = instant.astimezone(seen.tzinfo)
    return f"{local:%H:%M}" if local.date() == seen.date() else f"{local:%a %d %b %H:%M}"


def shortened(text: str, limit: int = 160) -> str:
    """One line of printable characters: a title must not send control sequences to a terminal."""
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def show(line: str) -> None:
    try:
        print(line, flush=True)
    except OSError as error:
        if error.errno != errno.ENOSPC:  # on a full disk this line is lost, and the next may be printed
            sys.stdout = open_nothing()  # the terminal is gone; the system goes on
    except ValueError:
        sys.stdout = open_nothing()


def open_nothing() -> Any:
    return open(os.devnull, "w")  # noqa: PTH123 - replaces stdout until the process ends
