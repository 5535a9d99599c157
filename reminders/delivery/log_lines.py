"""The log lines of scan, dispatch and deliver. Their texts are part of the reference of names (docs/reference.md)."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from reminders.ledger.records import Begun, Claim, Claimed, Ended, Recorded
from reminders.models import Kind, Reason, State
from reminders.policy.retries import Result

logger = logging.getLogger(__name__)

SENT_EVENTS = {
    Kind.REMINDER: "Reminder sent",
    Kind.OVERDUE: "Overdue notice sent",
    Kind.CORRECTION: "Correction sent",
    Kind.ESCALATION: "Escalation sent",
    Kind.EVENT: "Webhook delivered",
}


def log_queued(rows: Iterable[Claimed]) -> None:
    _log_each("Queued reminder", [fields_of(row) for row in rows])


def log_begun(begun: Begun) -> None:
    _log_each("Assignment overdue", [fields_of(ended) for ended in begun.marked])
    skipped = [{**fields_of(ended), "reason": ended.reason} for ended in begun.settled]
    stale = [{"reminder_id": hint.reminder_id, "reason": Reason.STALE.value} for hint in begun.stale]
    _log_each("Reminder job skipped", skipped + stale)


def log_finished(recorded: Recorded) -> None:
    log_ended(recorded.ended)
    outdated = recorded.outdated
    sent: dict[str, list[dict[str, object]]] = {}
    for end in recorded.landed:
        webhook = end.claim.row.is_webhook
        fields = fields_of(end.claim)
        match end.transition.state:
            case State.SENT:
                sent.setdefault(SENT_EVENTS[end.claim.row.kind], []).append(fields)
            case State.PLANNED:
                if end.result is not Result.HANDED_BACK and end.claim.row.id not in outdated:
                    extra = {**fields, "reason": end.result.value, "code": end.code}
                    _log_retry(webhook=webhook, extra=extra)
            case State.SKIPPED:
                logger.info("Reminder job skipped", extra={**fields, "reason": Reason.UNSUBSCRIBED.value})
            case _:
                reason = end.transition.reason.value if end.transition.reason else end.result.value
                _log_failure(webhook=webhook, extra={**fields, "reason": reason, "code": end.code})
    for event, each in sent.items():
        _log_each(event, each)


def _log_each(event: str, each: Sequence[Mapping[str, object]]) -> None:
    """A line for each of these, by one record: there is a line for each message, and it would cost a tenth of all of it."""
    if each:
        logger.info(event, extra={"each": each})


def log_ended(ended: Iterable[Ended], **more: object) -> None:
    """What was ended, or put back, without a send; `more` stands on each line, as the scan's id does."""
    skipped = []
    for row in ended:
        extra = {**fields_of(row), "reason": row.reason or Reason.AMBIGUOUS.value, **more}
        webhook = row.kind == Kind.EVENT
        match row.state:
            case State.UNKNOWN:
                _log_failure(webhook=webhook, extra=extra)
            case State.PLANNED:
                _log_retry(webhook=webhook, extra=extra)
            case _:
                skipped.append(extra)
    _log_each("Reminder job skipped", skipped)


def _log_retry(*, webhook: bool, extra: Mapping[str, object]) -> None:
    logger.warning(
        "Webhook will be tried again" if webhook else "Reminder will be tried again", extra=dict(extra)
    )


def _log_failure(*, webhook: bool, extra: Mapping[str, object]) -> None:
    logger.error("Webhook failed" if webhook else "Reminder failed", extra=dict(extra))


def fields_of(thing: Ended | Claimed | Claim) -> dict[str, object]:
    """The fields that every line about a row carries (docs/reference.md#log-events); never an address."""
    if isinstance(thing, Claim):
        row = thing.row
        return _fields(row.id, row.assignment_id, row.version, row.kind.value, row.due_at, row.scan_id)
    reminder_id = thing.hint.reminder_id if isinstance(thing, Claimed) else thing.reminder_id
    return _fields(reminder_id, thing.assignment_id, thing.version, thing.kind, thing.due_at, thing.scan_id)


def _fields(
    reminder_id: int, assignment_id: int, version: int, kind: str, due_at: datetime, scan_id: int | None
) -> dict[str, object]:
    """`scan_id` is the scan that planned the row; there is none where a change of plan did so at once."""
    planned_by = {} if scan_id is None else {"scan_id": scan_id}
    return {
        "reminder_id": reminder_id,
        "assignment_id": assignment_id,
        "version": version,
        "kind": kind,
        "due_at": due_at.isoformat(),
        **planned_by,
    }
