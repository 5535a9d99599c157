"""The ends of sends: what each means for its row, how they are recorded, and what follows from them."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, connection

from assignments.transactions import is_transient
from notifications.channels.webhook.channel import GONE
from notifications.message import BUILT_IN, Delivery, Outcome, Subject, Wording
from reminders.conf import ReminderConfig
from reminders.delivery import refusals
from reminders.delivery.log_lines import fields_of, log_ended
from reminders.ledger import finishing, replanning
from reminders.ledger.records import Begun, Claim, Finished, Recorded
from reminders.ledger.subscriptions import end_subscription
from reminders.models import State
from reminders.policy import recipients, retries
from reminders.policy.retries import Result

logger = logging.getLogger(__name__)

FINISH_RETRY_FOR = timedelta(minutes=5)

NOT_SENT = Delivery(Outcome.CHANNEL_DOWN, "", "not sent in this turn")


@dataclass(slots=True)
class Delivered:
    """What became of the hints of one message."""

    sent: int = 0
    marked: int = 0
    settled: int = 0
    failed: int = 0
    again: int = 0
    stale: int = 0
    released: int = 0

    def add(self, other: "Delivered") -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def count_begun(self, begun: Begun) -> None:
        self.marked += len(begun.marked)
        self.settled += len(begun.settled)
        self.stale += len(begun.stale)

    def count_recorded(self, recorded: Recorded) -> None:
        self.settled += len(recorded.ended)
        outdated = recorded.outdated
        for end in recorded.landed:
            match end.transition.state:
                case State.SENT:
                    self.sent += 1
                case State.PLANNED if end.claim.row.id in outdated:
                    pass
                case State.PLANNED:
                    self.again += 1
                case State.SKIPPED:
                    self.settled += 1
                case _:
                    self.failed += 1


def finished(
    claim: Claim,
    result: Result,
    delivery: Delivery,
    message_id: str,
    at: datetime,
    config: ReminderConfig,
    *,
    jitter: float,
    wording: Wording = BUILT_IN,
) -> Finished:
    transition = retries.transition_after(
        claim.row,
        result,
        now=at,
        config=config,
        jitter=jitter,
        retry_after=delivery.retry_after,
    )
    return Finished(
        claim=claim,
        result=result,
        transition=transition,
        code=delivery.code,
        detail=delivery.detail,
        finished_at=at,
        message_id=message_id,
        retry_after=delivery.retry_after,
        wording=wording,
        presumed=delivery.subject is Subject.UNSTATED,
    )


def with_hindsight(
    ends: Sequence[Finished], deliveries: Sequence[Delivery], config: ReminderConfig
) -> list[Finished]:
    """The ends of a slice, with those judged anew that met a refusal before it was known to be the channel's."""
    about_the_channel = {
        (end.claim.row.route, end.code)
        for end in ends
        if end.result in (Result.CHANNEL_REFUSED, Result.THROTTLED)
    }
    if not about_the_channel:
        return [*ends]
    judged = []
    for end, delivery in zip(ends, deliveries, strict=True):
        result = refusals.result_if_the_channels(end.result, delivery)
        if (
            result is not None
            and delivery.subject is Subject.UNSTATED
            and (end.claim.row.route, end.code) in about_the_channel
        ):
            end = finished(
                end.claim,
                result,
                delivery,
                end.message_id,
                end.finished_at,
                config,
                jitter=0.0,
                wording=end.wording,
            )
        judged.append(end)
    return judged


def record(ends: Sequence[Finished], config: ReminderConfig) -> Recorded:
    """Records how sends ended, through a database that may be away for minutes.

    Every acceptance that is not recorded would be repeated. A row that the database refuses is tried
    alone, so that it costs its neighbours nothing.
    """
    patience = time.monotonic() + FINISH_RETRY_FOR.total_seconds()
    pause = 0.1
    while True:
        try:
            return finishing.finish(ends, config=config)
        except (DatabaseError, InterfaceError, ValueError) as error:
            if not is_transient(error):
                if len(ends) > 1:
                    alone = [record([end], config) for end in ends]
                    return Recorded(
                        [end for recorded in alone for end in recorded.landed],
                        [row for recorded in alone for row in recorded.ended],
                    )
                logger.critical(
                    "Reminder failed",
                    extra={**fields_of(ends[0].claim), "reason": "not_recorded"},
                    exc_info=error,
                )
                return Recorded([], [])
            if time.monotonic() >= patience:
                logger.critical(
                    "Reminder failed",
                    extra={"reason": "not_recorded", "reminder_ids": [end.claim.row.id for end in ends]},
                )
                return Recorded([], [])
            if not connection.in_atomic_block:
                connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)  # shorter than LATE_ANSWER: the row waits for us


def is_gone(claim: Claim, result: Result, code: str) -> bool:
    """Whether a webhook endpoint has answered 410: nothing more is sent to it."""
    return result is Result.REJECTED and code == GONE and claim.row.is_webhook


def requeue_mistaken(ends: Sequence[Finished]) -> None:
    """Rows that failed for good by a refusal that has turned out to be the channel's are due again."""
    for end in ends:
        if end.result in (Result.CHANNEL_REFUSED, Result.THROTTLED):
            ids = refusals.tracker.mistaken(end.claim.row, end.code)
            if requeued := replanning.requeue_mistaken(ids):
                logger.warning("Refused reminders are due again", extra={"count": requeued, "code": end.code})


def end_gone_subscriptions(landed: Sequence[Finished]) -> None:
    """An endpoint that says 410 wants no more, ever: its subscription ends."""
    gone = {
        subscription_id
        for end in landed
        if is_gone(end.claim, end.result, end.code)
        if (subscription_id := recipients.subscription_id_of(end.claim.row.recipient)) is not None
    }
    for subscription_id in sorted(gone):
        log_ended(end_subscription(subscription_id, why="its endpoint has answered 410: gone"))
        logger.warning("Subscription ended", extra={"subscription_id": subscription_id, "reason": "gone"})
