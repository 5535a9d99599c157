"""The circuit breakers of routes: a route that does not work is left alone, for longer each time."""

import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from reminders.conf import ReminderConfig
from reminders.ledger import paces
from reminders.ledger.records import Finished
from reminders.ledger.replanning import requeue_refused
from reminders.ledger.sql import Cursor, fetch, run
from reminders.models import State
from reminders.policy import retries
from reminders.policy.retries import Result

logger = logging.getLogger(__name__)


def update_breakers(cursor: Cursor, ends: list[Finished], *, config: ReminderConfig) -> list[Finished]:
    """Opens the breakers of routes that are down, closes those of routes that work; returns the ends, waiting for theirs."""
    down = {end.claim.row.route: end for end in ends if retries.trips_breaker(end.claim.row, end.result)}
    _close(cursor, ends, down.keys())
    until: dict[str, datetime] = {}
    for route, end in sorted(down.items()):
        run(
            cursor,
            "SELECT failures, until, statement_timestamp() FROM reminders_channelhold"
            " WHERE channel = %s FOR UPDATE",
            [route],
        )
        failures, breaker_until, now = cursor.fetchone() or (0, None, end.finished_at)
        if breaker_until is None or breaker_until <= now:  # Workers that fail together count once.
            failures += 1
            policy = retries.retry_policy(end.claim.row)
            accepted = [e for e in ends if e.result is Result.ACCEPTED and e.claim.row.route == route]
            if end.result is Result.THROTTLED and (
                slower := paces.slow_down(cursor, end, config, accepted=accepted)
            ):
                # The channel works, and takes the next message when its pace allows.
                failures = 0
                delay = max(slower.interval, end.retry_after or timedelta())
            else:
                delay = retries.breaker_delay(failures, policy, retry_after=end.retry_after)
            breaker_until = now + delay
        run(
            cursor,
            """
            INSERT INTO reminders_channelhold (channel, since, until, failures, code, detail)
            VALUES (%s, statement_timestamp(), %s, %s, %s, %s)
            ON CONFLICT (channel) DO UPDATE
            SET until = excluded.until, failures = excluded.failures, code = excluded.code, detail = excluded.detail
            """,
            [route, breaker_until, failures, end.code[:40], end.detail[:500]],
        )
        until[route] = breaker_until
    return [
        replace(
            end,
            transition=retries.wait_for_breaker(
                end.claim.row, end.result, end.transition, until[end.claim.row.route]
            ),
        )
        if end.transition.state is State.PLANNED
        and (end.result is Result.HANDED_BACK or retries.trips_breaker(end.claim.row, end.result))
        and end.claim.row.route in until
        else end
        for end in ends
    ]


def _close(cursor: Cursor, ends: list[Finished], down: Collection[str]) -> None:
    """Closes the breakers of routes that have answered, and puts back what failed by the refusal that had opened them."""
    answered = (Result.ACCEPTED, Result.REJECTED, Result.REFUSED_FOR_NOW)
    by_route: dict[str, list[Finished]] = {}
    for end in ends:
        if end.result in answered and end.claim.was_open_breaker and end.claim.row.route not in down:
            by_route.setdefault(end.claim.row.route, []).append(end)
    for route, answers in sorted(by_route.items()):
        # Only a breaker whose time was over when this send began: a later one knows something newer. The refusal that had
        # opened it, met again, is no sign that the route works, though this process has not met it several times.
        accepted = any(end.result is Result.ACCEPTED for end in answers)
        run(
            cursor,
            "DELETE FROM reminders_channelhold WHERE channel = %s AND until <= %s AND (%s OR code <> ALL(%s))"
            " RETURNING channel, since, code, detail",
            [
                route,
                max(end.claim.begun_at for end in answers),
                accepted,
                [end.code[:40] for end in answers],
            ],
        )
        for closed in fetch(cursor):
            if requeued := requeue_refused(cursor, **closed):
                extra = {"count": requeued, "code": closed["code"]}
                logger.warning("Refused reminders are due again", extra=extra)
