"""What `manage.py up` says about each event: names and times, never an address, never a stray control code."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.devstack.narration import Event, Work, sentence_of, shortened

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
WORKS = {12: Work(title="Replace the pump", assignee="Ana", start=NOON + timedelta(minutes=30))}


def line_for(event: str, *, number: int | None = 12, source: str = "worker", **fields: Any) -> str | None:
    about = {} if number is None else {"assignment_id": number}
    return sentence_of(Event(source=source, at=NOON, fields={"event": event, **about, **fields}), WORKS)


@pytest.mark.parametrize(
    ("event", "fields", "line"),
    [
        ("Reminder sent", {}, "sent      #12 Replace the pump - reminder to Ana, starts 12:30"),
        ("Overdue notice sent", {}, "sent      #12 Replace the pump - overdue notice to supervisors"),
        (
            "Assignment overdue",
            {},
            "overdue   #12 Replace the pump - Ana has not started it; its start was 12:30",
        ),
        (
            "Reminder job skipped",
            {"reason": "cancelled"},
            "skipped   #12 Replace the pump - no reminder to Ana: it was cancelled",
        ),
        (
            "Reminder job skipped",
            {"reason": "moved", "kind": "OVERDUE"},
            "skipped   #12 Replace the pump - no overdue notice to Ana: it was moved to another time",
        ),
        (
            "Reminder failed",
            {"reason": "no_contact", "level": "ERROR"},
            "failed    #12 Replace the pump - reminder to Ana: there is no address to write to",
        ),
        (
            "Reminder will be tried again",
            {"reason": "channel_down"},
            "retry     #12 Replace the pump - reminder to Ana will be tried again: the mail server does not answer",
        ),
        (
            "Failed to queue reminder",
            {"reason": "broker", "level": "ERROR"},
            "error     Redis accepts no messages at present (broker); reminders wait in the database",
        ),
    ],
)
def test_each_event_has_its_sentence(event: str, fields: dict[str, Any], line: str) -> None:
    assert line_for(event, **fields) == line


def test_an_assignment_that_cannot_be_looked_up_keeps_its_number() -> None:
    assert line_for("Reminder sent", number=99) == "sent      #99 - reminder"


def test_another_day_is_said() -> None:
    works = {12: Work(title="Replace the pump", assignee="Ana", start=NOON + timedelta(days=1))}
    event = Event(source="worker", at=NOON, fields={"event": "Reminder sent", "assignment_id": 12})

    assert sentence_of(event, works) == (
        "sent      #12 Replace the pump - reminder to Ana, starts Tue 16 Jun 12:00"
    )


@pytest.mark.parametrize("event", ["Queued reminder", "Reminder queue initialised", "something else"])
def test_what_is_routine_stays_in_the_log(event: str) -> None:
    assert line_for(event, level="INFO") is None


@pytest.mark.parametrize("reason", ["stale", "too_early"])
def test_a_hint_that_came_twice_is_not_told(reason: str) -> None:
    assert line_for("Reminder job skipped", reason=reason) is None


def test_a_scan_is_told_only_when_it_found_something() -> None:
    assert line_for("Scan finished", number=None, planned=0, voided=0) is None
    assert (
        line_for("Scan finished", number=None, planned=3, voided=1)
        == "scan      3 planned, 1 no longer wanted"
    )


def test_an_error_of_any_process_is_told_by_its_last_line() -> None:
    line = line_for(
        "boom", number=None, source="beat", level="ERROR", error="Traceback\n  File x\nOSError: full"
    )

    assert line == "error     beat: boom: OSError: full"


def test_a_title_cannot_drive_a_terminal() -> None:
    assert shortened("Pump\x1b[2J\r\nroom") == "Pump [2J  room"
    assert shortened("x" * 100, 10) == "x" * 9 + "…"
