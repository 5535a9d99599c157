"""The life of a reminder, from top to bottom: planned by a scan, handed over by dispatch, delivered by a worker.

    scan      plans what is missing, voids what no longer holds, audits          (every few minutes)
    dispatch  takes back what was left lying, claims what is due, hands it over  (every second)
    deliver   begins, sends, finishes                                            (a worker, for each hint)

What may be decided without a database stands in `policy`; every write stands in `ledger`.
"""

import json
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from assignments.transactions import passing, sqlstate
from notifications import channels
from notifications.channels import Channel
from notifications.channels.webhook import GONE
from notifications.message import Contact, Delivery, Message, Outcome
from reminders import conf, content, ledger, policy, watchdog, webhooks
from reminders.conf import ReminderConfig
from reminders.ledger import Begun, Claim, Claimed, Ended, Finished, Hint
from reminders.models import Kind, Reason, State
from reminders.policy import Result

logger = logging.getLogger(__name__)

SLOT = timedelta(milliseconds=50)
"""Hints whose instants lie no further apart than this may share a message (RULES, 4)."""

SLICE_SECONDS = 0.1
"""A worker begins no more rows at once than it sends in about this time: the window of doubt after a kill."""

KEEP_SCAN_SECONDS = ledger.SCAN_LEASE.total_seconds() / 10
"""A scan says so often that it is still at work; each of its steps takes less than the rest of that lease."""

FINISH_PATIENCE = timedelta(minutes=5)
QUERY_CANCELED = "57014"
"""PostgreSQL manual, appendix A: here, a statement that took too long."""

BUSY_TRIES = 20
BUSY_WAIT = 0.05


# --- scan ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ScanCounts:
    """What a scan did. `unaccounted` is the audit's figure and must be 0."""

    planned: int = 0
    markers: int = 0
    skipped: int = 0
    voided: int = 0
    retimed: int = 0
    healed: int = 0
    returned: int = 0
    doubtful: int = 0
    unaccounted: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan's answer.

    `counts` is None when another scan was running already (`mine` is False), or when the time it was given was
    over before it was done (`unfinished`): its record is then still open, for somebody else to go on.
    """

    scan_id: int
    counts: ScanCounts | None
    mine: bool = True

    @property
    def unfinished(self) -> bool:
        return self.mine and self.counts is None


@dataclass(frozen=True, slots=True)
class ScanPreview:
    """What a scan would do. `complete` is False when time was over before everything was counted."""

    counts: ScanCounts
    complete: bool = True


def scan(*, trigger: str, by: str = "", config: ReminderConfig) -> Scan:
    """Brings the ledger in line with the assignments. One at a time: a second one answers with the first's id.

    Raises Disabled while REMINDER_WORKER_ENABLED is false; database errors after they were recorded.
    """
    _refuse_while_disabled(config)
    turn = ledger.open_scan(trigger=trigger, by=by)
    if not turn.mine:
        return Scan(turn.scan_id, None, mine=False)
    return carry_out_scan(turn.scan_id, config=config)


def carry_out_scan(scan_id: int, *, config: ReminderConfig, budget: timedelta | None = None) -> Scan:
    """Does the work of a scan whose record is open, from its beginning or where another process left it.

    Every step is committed on its own and finds nothing to do a second time. When the budget is over before
    the work is, the record stays open.
    """
    counts, error, done = ScanCounts(), "", False
    over = None if budget is None else time.monotonic() + budget.total_seconds()
    keep_at = time.monotonic() + KEEP_SCAN_SECONDS
    try:
        for ended in _scan(scan_id, counts, config):
            log_ended(ended, scan_id=scan_id)
            if time.monotonic() >= keep_at:
                ledger.keep_scan(scan_id)
                keep_at = time.monotonic() + KEEP_SCAN_SECONDS
            if over is not None and time.monotonic() >= over:
                return Scan(scan_id, None)
        done = True
    except Exception as failure:
        error = f"{type(failure).__name__} ({sqlstate(failure) or 'no code'})"
        raise
    finally:
        if done or error:
            seconds = _close_scan(scan_id, counts, error)
            logger.info(
                "Scan finished",
                extra={"scan_id": scan_id, "seconds": round(seconds, 3), "reason": error, **asdict(counts)},
            )
    return Scan(scan_id, counts)


def go_on_with_scan(scan_id: int, *, config: ReminderConfig) -> Scan | None:
    """Finishes a scan that a request had no time for. None when its record is closed by now."""
    _refuse_while_disabled(config)
    return carry_out_scan(scan_id, config=config) if ledger.keep_scan(scan_id) else None


def _refuse_while_disabled(config: ReminderConfig) -> None:
    if not config.enabled:
        raise Disabled("REMINDER_WORKER_ENABLED is false: nothing is planned until it is true")


def preview_scan(*, config: ReminderConfig, budget: timedelta | None = None) -> ScanPreview:
    """What a scan would do now: the same statements, taken back at the end, and nothing said in the log.

    It costs what a scan costs, and until it ends workers leave the rows alone that it has touched. With a budget
    no statement takes longer than that, and after it none is begun.
    """
    counts, complete = ScanCounts(), True
    over = None if budget is None else time.monotonic() + budget.total_seconds()
    try:
        with transaction.atomic():
            if budget is not None:
                _bound_statements(budget)
            for _ in _scan(None, counts, config):
                if over is not None and time.monotonic() >= over:
                    complete = False
                    break
            transaction.set_rollback(True)
    except OperationalError as error:
        if budget is None or sqlstate(error) != QUERY_CANCELED:
            raise
        complete = False
    return ScanPreview(counts, complete)


def _bound_statements(most: timedelta) -> None:
    milliseconds = max(1, int(most.total_seconds() * 1000))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])


def _scan(scan_id: int | None, counts: ScanCounts, config: ReminderConfig) -> Iterator[Sequence[Ended]]:
    """The steps of a scan, each committed on its own; yields the rows that each step has ended."""
    reaped = ledger.reap(config, everywhere=True)
    counts.returned, counts.doubtful = reaped.returned, len(reaped.doubtful)
    yield reaped.doubtful
    voided = ledger.void()
    counts.voided = len(voided)
    yield voided
    counts.retimed = ledger.retime(config)
    for scope in (ledger.SCOPE_DEFAULT_LEAD, ledger.SCOPE_OWN_LEAD):
        for page in ledger.pages(ledger.plan_reminders, config, scope, scan_id=scan_id):
            counts.planned += page.planned
            counts.skipped += len(page.skipped)
            yield page.skipped
    for page in ledger.pages(ledger.plan_markers, config, ledger.SCOPE_PAGE, scan_id=scan_id):
        counts.markers += page.planned
        yield page.skipped
    counts.healed = ledger.heal_roll_up(config)
    counts.unaccounted = ledger.unaccounted(config)


def _close_scan(scan_id: int, counts: ScanCounts, error: str) -> float:
    """Ends the scan's record; a database that is gone must not hide the first error."""
    try:
        return ledger.close_scan(scan_id, counts=json.dumps(asdict(counts)), error=error)
    except (DatabaseError, InterfaceError):
        if not error:
            raise
        return 0.0


def on_plan_changed(*, ids: Sequence[int], **_: object) -> None:
    """A service has changed the plan of these assignments: the ledger follows in the same transaction."""
    log_ended(ledger.replan(ids, conf.current()))


def on_told_elsewhere(*, ids: Sequence[int], **_: object) -> None:
    """The former system has told of these plans: nobody hears of them a second time."""
    log_ended(ledger.mark_told(ids, conf.current()))


def on_answered(*, ids: Sequence[int], answer: str, **_: object) -> None:
    """Assignees have answered: programs that listen are told."""
    ledger.raise_answered(ids, answer)


def on_contact_changed(*, ids: Sequence[int], **_: object) -> None:
    """A person can be reached again: what failed for that reason gets another chance."""
    ledger.revive(ids)


class Disabled(Exception):
    """The master switch is off."""


# --- dispatch --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message to the workers: hints that may be begun `wait` from now, or at once."""

    hints: tuple[Hint, ...]
    wait: timedelta = timedelta()


class Broker(Protocol):
    """What dispatch needs of the broker. The tasks module has the real one."""

    def depth(self) -> int:
        """How many messages wait for workers. Raises BrokerDown when there is no answer in time."""

    def publish(self, envelopes: Sequence[Envelope]) -> list[Envelope]:
        """Hands the envelopes over; returns those that were refused."""


class BrokerDown(Exception):
    """The broker does not answer. Nothing was claimed, so nothing is lost."""


@dataclass(slots=True)
class Dispatched:
    """What one tick of dispatch did."""

    handed_over: int = 0
    messages: int = 0
    refused: int = 0
    returned: int = 0
    doubtful: list[Ended] = field(default_factory=list)


def dispatch(*, config: ReminderConfig, broker: Broker) -> Dispatched:
    """Claims what is due, or falls due before the next tick, and hands it to the workers.

    First takes back rows whose lease is over. Asks the broker before it claims: without an answer nothing moves, and
    one line says so. No more than `queue_limit` rows are handed over and not begun (RULES, 14). People come first, then
    programs.
    """
    done = Dispatched()
    if not config.enabled:
        return done
    reaped = ledger.reap(config)
    done.returned, done.doubtful = reaped.returned, reaped.doubtful
    log_ended(reaped.doubtful)
    try:
        depth = broker.depth()
    except BrokerDown as error:
        ledger.count_failure("broker")
        logger.error("Failed to queue reminder", extra={"reason": "broker", "detail": str(error)})
        return done
    if depth >= 2 * config.queue_limit // config.batch_size + 8 * config.concurrency:
        return done  # Nobody takes messages: what waits there is worth no more hints.
    room = config.queue_limit - ledger.queued()
    while room > 0:
        claimed = ledger.claim(config, room=min(room, 1_000), ahead=timedelta())
        if not claimed:
            break
        room -= len(claimed)
        if not _hand_over(_chunks(claimed, config), claimed, broker, done):
            return done
    if room <= 0:
        return done  # People come first: programs and what is not due yet wait for the next tick.
    soon = ledger.claim(
        config, room=min(room, config.batch_size * config.concurrency), ahead=config.tick * 1.25
    )
    if soon and not _hand_over(_slots(soon, config), soon, broker, done):
        return done
    for events in ledger.claim_events(config):
        _hand_over([_together(events)], events, broker, done)
    return done


def _hand_over(
    envelopes: list[Envelope], claimed: Sequence[Claimed], broker: Broker, done: Dispatched
) -> bool:
    """Publishes; rows whose hint was refused go back at once. False when the broker refused anything."""
    refused = broker.publish(envelopes)
    hints = {hint for envelope in refused for hint in envelope.hints}
    done.refused += ledger.release(sorted(hints, key=lambda hint: hint.reminder_id), counted_as="enqueue")
    done.messages += len(envelopes) - len(refused)
    for row in claimed:
        if row.hint not in hints:
            done.handed_over += 1
            logger.info("Queued reminder", extra=_about(row))
    if hints:
        logger.error("Failed to queue reminder", extra={"reason": "enqueue", "count": len(hints)})
    return not hints


def _chunks(claimed: Sequence[Claimed], config: ReminderConfig) -> list[Envelope]:
    """Due rows in chunks; a row that may have arrived already travels alone (RULES, 6)."""
    size = policy.chunk_size(len(claimed), config=config)
    together = [row.hint for row in claimed if not row.alone]
    envelopes = [Envelope(tuple(together[i : i + size])) for i in range(0, len(together), size)]
    return envelopes + [Envelope((row.hint,)) for row in claimed if row.alone]


def _together(claimed: Sequence[Claimed]) -> Envelope:
    return Envelope(tuple(row.hint for row in claimed))


def _slots(claimed: Sequence[Claimed], config: ReminderConfig) -> list[Envelope]:
    """Rows that fall due before the next tick, in chunks of one ETA slot each."""
    envelopes: list[Envelope] = []
    slot: list[Claimed] = []
    for row in sorted(claimed, key=lambda row: row.wait):
        if slot and (
            row.alone or slot[0].alone or row.wait - slot[0].wait > SLOT or len(slot) == config.batch_size
        ):
            envelopes.append(Envelope(tuple(r.hint for r in slot), slot[0].wait))
            slot = []
        slot.append(row)
    if slot:
        envelopes.append(Envelope(tuple(r.hint for r in slot), slot[0].wait))
    return envelopes


# --- deliver ---------------------------------------------------------------------------------------------------


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


@dataclass(slots=True)
class Pace:
    """How fast this process sends, and so how many rows it may begin at once."""

    seconds_per_send: float = 0.02

    def slice_size(self, most: int) -> int:
        return max(1, min(most, int(SLICE_SECONDS / max(self.seconds_per_send, 1e-6))))

    def learn(self, sends: int, seconds: float) -> None:
        if sends:
            self.seconds_per_send += 0.3 * (seconds / sends - self.seconds_per_send)


pace = Pace()


def deliver(
    hints: Sequence[Hint],
    *,
    config: ReminderConfig,
    channel: Callable[[str], Channel] = channels.get,
    pace: Pace = pace,
) -> Delivered:
    """Begins, sends and finishes each hint's row, a slice at a time.

    A slice is what can be sent in a tenth of a second; it is begun only while there is time to send at least
    one message. What is left when time is up goes back to PLANNED at once (RULES, 13).
    """
    done = Delivered()
    waiting = deque(hints)
    busy_tries = 0
    give_up_at = time.monotonic() + config.last_start.total_seconds()
    while waiting:
        first = waiting.popleft()
        size = pace.slice_size(config.batch_size)
        part = [first, *(waiting.popleft() for _ in range(min(size - 1, len(waiting))))]
        begun = ledger.begin(part, config=config)
        _log_begun(begun, done)
        if begun.claims:
            started = time.monotonic()
            ends = _send_all(begun.claims, config, channel)
            people = [end for end in ends if not end.claim.row.tells_a_program]
            if len(people) == len(ends):  # An endpoint's pace says nothing about the mail server's.
                pace.learn(
                    sum(end.result is not Result.HANDED_BACK for end in ends), time.monotonic() - started
                )
            landed = _record(ends, config)
            _log_finished(landed, done)
            _forget_the_gone(landed)
        if begun.busy and busy_tries < BUSY_TRIES:
            # Somebody changes these assignments right now: a moment later their rows can be judged.
            busy_tries += 1
            waiting.extend(begun.busy)
            if not begun.claims:
                time.sleep(BUSY_WAIT)
        elif begun.busy:
            done.released += ledger.release(begun.busy)
        if waiting and time.monotonic() >= give_up_at:
            done.released += ledger.release(list(waiting))
            break
    return done


def _send_all(
    claims: Sequence[Claim], config: ReminderConfig, channel: Callable[[str], Channel]
) -> list[Finished]:
    """Sends claim after claim, outside any transaction; each has its own end.

    Once a channel is down, or time is up, the rest is handed back unsent.
    """
    ends: list[Finished] = []
    down: set[str] = set()
    started = time.monotonic()
    last_start = started + config.last_start.total_seconds()
    with watchdog.watching(soft=config.interrupt_after, hard=config.lease) as watch:
        for claim in claims:
            if claim.row.road in down or (ends and time.monotonic() > last_start):
                result, delivery, message_id = Result.HANDED_BACK, NOT_SENT, ""
            else:
                result, delivery, message_id = _send(claim, config, channel, watch)
                if policy.shuts_road(claim.row, result):
                    down.add(claim.row.road)
            finished_at = claim.begun_at + timedelta(seconds=time.monotonic() - started)
            ends.append(
                Finished(
                    claim=claim,
                    result=result,
                    next=policy.after(
                        claim.row,
                        result,
                        now=finished_at,
                        config=config,
                        jitter=random.uniform(-1, 1),
                        retry_after=delivery.retry_after,
                    ),
                    code=delivery.code,
                    detail=delivery.detail,
                    finished_at=finished_at,
                    message_id=message_id,
                    retry_after=delivery.retry_after,
                )
            )
    return ends


def _send(
    claim: Claim,
    config: ReminderConfig,
    channel: Callable[[str], Channel],
    watch: AbstractContextManager[None],
) -> tuple[Result, Delivery, str]:
    """One send. What a person or a server did wrong is a result; a fault of the program ends this row alone."""
    try:
        road = channel(claim.row.channel)
        contact = whom(claim.row.recipient, content.person(claim.facts), config)
        address = road.address(contact) if contact else None
        if contact is None or address is None:
            return Result.NO_CONTACT, Delivery(Outcome.REJECTED, "no_contact", "no usable address"), ""
    except Exception as error:
        logger.exception("Reminder failed", extra={**_about(claim), "reason": Reason.INTERNAL.value})
        return Result.INTERNAL, Delivery(Outcome.REJECTED, "internal", type(error).__name__), ""
    try:
        message = content.compose(claim, contact=contact, address=address, now=claim.begun_at)
    except Exception as error:
        logger.exception("Reminder failed", extra={**_about(claim), "reason": Reason.TEMPLATE.value})
        return Result.TEMPLATE, Delivery(Outcome.REJECTED, "template", type(error).__name__), ""
    delivery = _guarded_send(road, message, claim, config, watch)
    return Result(delivery.outcome.value), delivery, message.message_id


def _guarded_send(
    road: Channel,
    message: Message,
    claim: Claim,
    config: ReminderConfig,
    watch: AbstractContextManager[None],
) -> Delivery:
    """A channel answers with a Delivery. One that raises, or hangs, may have sent: nobody can know."""
    try:
        with watch:
            return road.send(message, timeout=config.send_timeout)
    except watchdog.SendInterrupted:
        logger.error("Reminder failed", extra={**_about(claim), "reason": "interrupted"})
        return Delivery(Outcome.UNKNOWABLE, "interrupted", "the channel did not come back in time")
    except Exception as error:
        logger.exception("Reminder failed", extra={**_about(claim), "reason": Reason.INTERNAL.value})
        return Delivery(Outcome.UNKNOWABLE, "internal", type(error).__name__)


def whom(recipient: str, person: Contact, config: ReminderConfig) -> Contact | None:
    """Who is written to: the assignee, who is `person`, a supervisor, or a program. None where nobody is assigned, the
    supervisor is no longer on the list, or the program's subscription has ended."""
    if recipient.startswith("ops:"):
        for address in config.ops_emails:
            if ledger.ops_recipient(address) == recipient:
                return Contact(name="", email=address, time_zone=person.time_zone)
        return None
    subscription_id = ledger.subscription_of(recipient)
    if subscription_id is not None:
        return webhooks.subscriber(subscription_id)
    return person if recipient else None


def _record(ends: Sequence[Finished], config: ReminderConfig) -> list[Finished]:
    """Writes down how sends ended, through a database that may be away for minutes (RULES, 8).

    Every acceptance that is not written down would be repeated. A row that the database refuses is tried
    alone, so that it costs its neighbours nothing.
    """
    patience = time.monotonic() + FINISH_PATIENCE.total_seconds()
    pause = 0.1
    while True:
        try:
            return ledger.finish(ends, config=config)
        except (DatabaseError, InterfaceError, ValueError) as error:
            if not passing(error):
                if len(ends) > 1:
                    return [landed for end in ends for landed in _record([end], config)]
                logger.critical(
                    "Reminder failed",
                    extra={**_about(ends[0].claim), "reason": "not_recorded"},
                    exc_info=error,
                )
                return []
            if time.monotonic() >= patience:
                logger.critical(
                    "Reminder failed",
                    extra={"reason": "not_recorded", "reminder_ids": [end.claim.row.id for end in ends]},
                )
                return []
            if not connection.in_atomic_block:
                connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)  # shorter than LATE_ANSWER: the row waits for us


def _forget_the_gone(landed: Sequence[Finished]) -> None:
    """An endpoint that says 410 wants no more, ever: its subscription ends."""
    gone = {
        subscription_id
        for end in landed
        if end.code == GONE and end.result is Result.REJECTED
        if (subscription_id := ledger.subscription_of(end.claim.row.recipient)) is not None
    }
    for subscription_id in sorted(gone):
        log_ended(webhooks.end(subscription_id, why="its endpoint has answered 410: gone"))
        logger.warning("Subscription ended", extra={"subscription_id": subscription_id, "reason": "gone"})


def deliver_due(*, config: ReminderConfig) -> Delivered:
    """Delivers everything that is due in this process, without the broker: `rescan_reminders --sync`."""
    total = Delivered()
    while True:
        claimed = ledger.claim(config, room=config.batch_size, ahead=timedelta())
        if claimed is None:
            time.sleep(BUSY_WAIT)  # A dispatcher claims right now: it is done in a moment.
            continue
        envelopes = _chunks(claimed, config) or [_together(events) for events in ledger.claim_events(config)]
        if not envelopes:
            return total
        for envelope in envelopes:
            done = deliver(envelope.hints, config=config)
            for name, value in asdict(done).items():
                setattr(total, name, getattr(total, name) + value)


# --- log lines -------------------------------------------------------------------------------------------------

SAYS_SENT = {
    Kind.REMINDER: "Reminder sent",
    Kind.OVERDUE: "Overdue notice sent",
    Kind.EVENT: "Webhook delivered",
}


def _log_begun(begun: Begun, done: Delivered) -> None:
    for ended in begun.marked:
        done.marked += 1
        logger.info("Assignment overdue", extra=_about(ended))
    for ended in begun.settled:
        done.settled += 1
        logger.info("Reminder job skipped", extra={**_about(ended), "reason": ended.reason})
    for hint in begun.stale:
        done.stale += 1
        logger.info(
            "Reminder job skipped", extra={"reminder_id": hint.reminder_id, "reason": Reason.STALE.value}
        )


def _log_finished(landed: Iterable[Finished], done: Delivered) -> None:
    for end in landed:
        program = end.claim.row.tells_a_program
        match end.next.state:
            case State.SENT:
                done.sent += 1
                logger.info(SAYS_SENT[end.claim.row.kind], extra=_about(end.claim))
            case State.PLANNED:
                done.again += 1
                if end.result is not Result.HANDED_BACK:
                    logger.warning(
                        "Webhook will be tried again" if program else "Reminder will be tried again",
                        extra={**_about(end.claim), "reason": end.result.value, "code": end.code},
                    )
            case State.SKIPPED:
                done.settled += 1
                logger.info(
                    "Reminder job skipped", extra={**_about(end.claim), "reason": Reason.UNSUBSCRIBED.value}
                )
            case _:
                done.failed += 1
                reason = end.next.reason.value if end.next.reason else end.result.value
                logger.error(
                    "Webhook failed" if program else "Reminder failed",
                    extra={**_about(end.claim), "reason": reason, "code": end.code},
                )


def log_ended(ended: Iterable[Ended], **more: object) -> None:
    """What was ended, or put back, without a send; `more` stands on each line, as the scan's id does."""
    for row in ended:
        extra = {**_about(row), "reason": row.reason or Reason.AMBIGUOUS.value, **more}
        match row.state:
            case State.UNKNOWN:
                logger.error("Reminder failed", extra=extra)
            case State.PLANNED:
                logger.warning("Reminder will be tried again", extra=extra)
            case _:
                logger.info("Reminder job skipped", extra=extra)


def _about(thing: Ended | Claimed | Claim) -> dict[str, object]:
    """The fields that every line about a row carries (CONTRACT, log events); never an address."""
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
