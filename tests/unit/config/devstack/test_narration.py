"""What `manage.py up` says about each event: names and times, never an address, never a stray control code."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assignments.models import ActKind, Way
from config.devstack.narration import ACTS, WAYS, LogEvent, NarratedWork, sentence_of, shortened

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
WORKS = {12: NarratedWork(title="Replace the pump", assignee="Ana", start=NOON + timedelta(minutes=30))}


def line_for(event: str, *, number: int | None = 12, source: str = "worker", **fields: Any) -> str | None:
    about = {} if number is None else {"assignment_id": number}
    return sentence_of(LogEvent(source=source, at=NOON, fields={"event": event, **about, **fields}), WORKS)


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
            "skipped   #12 Replace the pump - no overdue notice about Ana: it was moved to another time",
        ),
        (
            "Reminder failed",
            {"reason": "rejected", "kind": "ESCALATION", "level": "ERROR"},
            "failed    #12 Replace the pump - notice to supervisors about Ana: the mail server refused it for good",
        ),
        (
            "Reminder job skipped",
            {"reason": "as_told", "kind": "CORRECTION"},
            "skipped   #12 Replace the pump - no correction to Ana: what they were told is planned again",
        ),
        ("Correction sent", {}, "sent      #12 Replace the pump - correction to Ana, starts 12:30"),
        (
            "Escalation sent",
            {},
            "sent      #12 Replace the pump - notice to supervisors of what Ana has said",
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


def test_what_ended_of_webhooks_is_in_the_log_only() -> None:
    """Their rows are about an assignment, but nobody of it would have got them."""
    assert line_for("Reminder job skipped", reason="unsubscribed", kind="EVENT") is None


@pytest.mark.parametrize(
    ("act", "via", "line"),
    [
        ("start", "link", "started   #12 Replace the pump - Ana has started it, by the link in the mail"),
        ("decline", "link", "declined  #12 Replace the pump - Ana can't make it, by the link in the mail"),
        ("late", "api", "late      #12 Replace the pump - Ana will begin later, through the API"),
        ("complete", "ops", "done      #12 Replace the pump - Ana is done, as an operator recorded"),
    ],
)
def test_each_act_has_its_line(act: str, via: str, line: str) -> None:
    assert line_for("Assignment acted on", act=act, via=via, version=1) == line


def test_no_act_and_no_way_is_without_words() -> None:
    assert ACTS.keys() == set(ActKind.values)
    assert WAYS.keys() == set(Way.values)


def test_an_assignment_that_cannot_be_looked_up_keeps_its_number() -> None:
    assert line_for("Reminder sent", number=99) == "sent      #99 - reminder"


def test_another_day_is_said() -> None:
    works = {12: NarratedWork(title="Replace the pump", assignee="Ana", start=NOON + timedelta(days=1))}
    event = LogEvent(source="worker", at=NOON, fields={"event": "Reminder sent", "assignment_id": 12})

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
