"""The pace of each channel that takes only so many messages in a time: one row for all workers and dispatchers."""

from collections.abc import Sequence

from reminders.conf import ReminderConfig
from reminders.ledger.fragments import TO_PEOPLE, channel_name_sql
from reminders.ledger.records import Finished
from reminders.ledger.sql import Cursor, fetch, fetch_one, run
from reminders.policy import pace
from reminders.policy.pace import Pace

FIELDS = "per_minute, tokens, refilled_at, raised_at, throttled_at, since"
ROUNDING = 1e-6
"""A token that is due to the microsecond is there."""
ALL = f"SELECT channel, {FIELDS}, statement_timestamp() AS now FROM reminders_channelpace FOR UPDATE"  # noqa: S608
RECENT = f"""
    SELECT count(*), count(*) FILTER (WHERE closed_at > %s), count(*) FILTER (WHERE failures = 0), statement_timestamp()
    FROM reminders_reminder
    WHERE closed_at > statement_timestamp() - interval '1 minute' AND state = 'SENT' AND {TO_PEOPLE}
      AND {channel_name_sql("channel")} = %s
"""  # noqa: S608 - our own constants
SAVE = """
    INSERT INTO reminders_channelpace
        (channel, per_minute, tokens, refilled_at, raised_at, throttled_at, since, code, detail)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (channel) DO UPDATE
    SET per_minute = excluded.per_minute, tokens = excluded.tokens, refilled_at = excluded.refilled_at,
        raised_at = excluded.raised_at, throttled_at = excluded.throttled_at, since = excluded.since,
        code = CASE WHEN excluded.code = '' THEN reminders_channelpace.code ELSE excluded.code END,
        detail = CASE WHEN excluded.code = '' THEN reminders_channelpace.detail ELSE excluded.detail END
"""


def allowances(cursor: Cursor, config: ReminderConfig) -> dict[str, int]:
    """How many messages may be handed over now, for each channel that has a pace; refills their buckets.

    The caller holds the dispatch lock, so that no two dispatchers spend the same tokens.
    """
    run(cursor, ALL)
    rows = {row.pop("channel"): row for row in fetch(cursor)}
    if config.email_rate and "email" not in rows:
        run(cursor, "SELECT statement_timestamp()")
        now = fetch_one(cursor)
        _save(cursor, "email", pace.configured(config.email_rate, now=now))
        return {"email": 1}
    allowed = {}
    for channel, row in rows.items():
        now = row.pop("now")
        refilled = pace.refilled(Pace(**row), now=now, limit=config.rate_limit(channel))
        if refilled is None:
            run(cursor, "DELETE FROM reminders_channelpace WHERE channel = %s", [channel])
        else:
            _save(cursor, channel, refilled)
            allowed[channel] = int(refilled.tokens + ROUNDING)
    return allowed


def spend(cursor: Cursor, channel: str, messages: int) -> None:
    run(
        cursor,
        "UPDATE reminders_channelpace SET tokens = tokens - %s WHERE channel = %s",
        [messages, channel],
    )


def slow_down(
    cursor: Cursor, end: Finished, config: ReminderConfig, *, accepted: Sequence[Finished]
) -> Pace | None:
    """Lowers the pace of a channel that has just said that it is sent too much; returns it.

    `accepted` ends of this very slice are not recorded yet. None, and nothing is changed, where the channel has accepted
    nothing for a minute: it does not serve at all. Nor does a reply that leaves open what it is about begin a pace where
    only what was refused before has been accepted: so does greylisting, which lets one after the other through (RFC 6647).
    """
    channel = end.claim.row.route
    run(
        cursor,
        f"SELECT {FIELDS} FROM reminders_channelpace WHERE channel = %s FOR UPDATE",  # noqa: S608 - our own constant
        [channel],
    )
    known = next((Pace(**row) for row in fetch(cursor)), None)
    run(cursor, RECENT, [known and known.throttled_at, channel])
    ((recorded, since_last, at_once, now),) = cursor.fetchall()
    at_once += sum(not one.claim.row.failures for one in accepted)
    if known is None and end.presumed and not at_once:
        return None
    slower = pace.throttled(
        known,
        accepted=recorded + len(accepted),
        since_last=since_last + len(accepted),
        now=now,
        limit=config.rate_limit(channel),
    )
    if slower is not None:
        _save(cursor, channel, slower, code=end.code[:40], detail=end.detail[:500])
    return slower


def _save(cursor: Cursor, channel: str, saved: Pace, *, code: str = "", detail: str = "") -> None:
    values = (
        saved.per_minute,
        saved.tokens,
        saved.refilled_at,
        saved.raised_at,
        saved.throttled_at,
        saved.since,
    )
    run(cursor, SAVE, [channel, *values, code, detail])
