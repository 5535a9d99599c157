"""Guarded writes of the polls of BOUNCE_MAILBOX_URL: one process at a time reads it, and says what came of it."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q

from assignments.clock import database_now
from assignments.transactions import atomically
from reminders.models import BouncePoll

LEASE = timedelta(seconds=90)
"""A process that has not ended a poll for so long is gone."""

LOOK_EVERY_SECONDS = 5.0
"""A process that dispatches looks so often whether a poll is due."""

LONGEST_WAIT = timedelta(minutes=15)
"""For a mailbox that cannot be read."""

_looked_at = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxPollResult:
    """What a poll came to. `code` and `detail` say why it failed; '' where it did not. `more`: some mails were left."""

    read: int = 0
    recorded: int = 0
    more: bool = False
    code: str = ""
    detail: str = ""


def request_due(*, every: timedelta) -> bool:
    """Whether a poll is due, for the one caller that is to hand it over: it is due again after `every`."""
    global _looked_at
    if time.monotonic() - _looked_at < LOOK_EVERY_SECONDS:
        return False
    _looked_at = time.monotonic()
    now = database_now()
    due = BouncePoll.objects.filter(_is_free(now), next_at__lte=now)
    if due.update(next_at=now + every):
        return True
    if BouncePoll.objects.exists():
        return False
    _make(now)
    return bool(due.update(next_at=now + every))


def claim() -> BouncePoll | None:
    """The poll, leased to the caller; None where somebody else is at it."""
    now = database_now()
    _make(now)
    if not BouncePoll.objects.filter(_is_free(now)).update(leased_until=now + LEASE):
        return None
    return BouncePoll.objects.get()


def _make(now: datetime) -> None:
    """There is one row, from the first poll on."""
    BouncePoll.objects.bulk_create([BouncePoll(pk=1, next_at=now)], ignore_conflicts=True)


def _is_free(now: datetime) -> Q:
    return Q(leased_until__isnull=True) | Q(leased_until__lte=now)


@atomically
def finish(poll: BouncePoll, result: MailboxPollResult, *, every: timedelta) -> bool:
    """Records what a poll came to, and when the next one is due. False where the lease is somebody else's by now."""
    now = database_now()
    held = BouncePoll.objects.filter(leased_until=poll.leased_until)
    if result.code:
        wait = min(every * 2 ** min(poll.failures, 10), max(every, LONGEST_WAIT))
        return bool(
            held.update(
                leased_until=None,
                next_at=now + wait,
                polled_at=now,
                failures=F("failures") + 1,
                failing_since=poll.failing_since or now,
                code=result.code[:20],
                detail=result.detail[:200],
            )
        )
    return bool(
        held.update(
            leased_until=None,
            next_at=now if result.more else now + every,
            polled_at=now,
            succeeded_at=now,
            failures=0,
            failing_since=None,
            code="",
            detail="",
        )
    )


def status() -> BouncePoll | None:
    """How the polls stand; None before the first one."""
    return BouncePoll.objects.first()
