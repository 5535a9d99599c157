"""What people were reminded of within the last hour, over all channels: by it their rate is kept.

It is read off the ledger, and nothing else is kept of it. Only who has another reminder that is due, or that has ended
within the hour, is looked at: `OTHERS` asks two indexes for each row.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from reminders.conf import ReminderConfig
from reminders.ledger.fragments import SAME_NUDGE, is_exempt_sql
from reminders.ledger.sql import Cursor, bigints, fetch, run
from reminders.ledger.ways import BOUNCED
from reminders.policy.rates import RateLimits
from reminders.policy.rules import DEFAULT

PERSON_LOCK = 0x72656D02
"""The first key of the lock under which the reminders of one person are begun."""

NO_OTHERS, HAD_OTHERS, OTHERS_ARE_DUE = 0, 1, 2
# OFFSET 0: always a look-up in the index of open rows, or of those that have ended.
OTHERS = f"""CASE
        WHEN r.kind <> 'REMINDER' OR r.recipient = '' THEN {NO_OTHERS}
        WHEN EXISTS (SELECT FROM reminders_reminder o
                WHERE o.recipient = r.recipient AND o.kind = 'REMINDER' AND o.closed_at IS NULL AND o.id <> r.id
                  AND (o.next_attempt_at <= statement_timestamp() + interval '1 s' OR o.reason = 'to_be_joined')
                OFFSET 0) THEN {OTHERS_ARE_DUE}
        WHEN EXISTS (SELECT FROM reminders_reminder o
                WHERE o.recipient = r.recipient AND o.kind = 'REMINDER'
                  AND o.closed_at > statement_timestamp() - interval '1 hour'
                  AND o.begun_at > statement_timestamp() - interval '1 hour' OFFSET 0) THEN {HAD_OTHERS}
        ELSE {NO_OTHERS} END"""  # noqa: S608 - numbers of this module
"""Whether the recipient of the row `r` has other reminders that may go with it, or had some that were begun and ended within
the hour: those count, but there is nothing to join."""

LOCK = """
    SELECT x.recipient FROM unnest(%s::text[]) AS x(recipient)
    WHERE pg_try_advisory_xact_lock(%s, hashtext(x.recipient))
"""

MAY_HAVE_ARRIVED = f"""({{row}}.begun_at > statement_timestamp() - interval '1 hour'
        AND ({{row}}.state IN ('SENT', 'SENDING', 'UNKNOWN') OR {{row}}.ambiguous > 0)
        AND NOT {BOUNCED})"""
"""Whether the person of the row with this alias had it within the last hour, or may have. What has bounced for good did not
reach them."""

# Members of one message count once, and so do the messages of a rule that names several channels.
RECENT = f"""
    SELECT o.recipient, max(o.begun_at) AS begun_at
    FROM unnest(%s::text[]) AS x(recipient)
    CROSS JOIN LATERAL (
        SELECT * FROM reminders_reminder c
        WHERE c.recipient = x.recipient AND c.kind = 'REMINDER' AND c.closed_at > statement_timestamp() - interval '1 hour'
        UNION ALL
        SELECT * FROM reminders_reminder c
        WHERE c.recipient = x.recipient AND c.kind = 'REMINDER' AND c.closed_at IS NULL AND c.begun_at IS NOT NULL
          AND c.next_attempt_at <= statement_timestamp() + interval '1 hour') o
    JOIN reminders_reminder lead ON lead.id = coalesce(o.digest_id, o.id)
    WHERE {MAY_HAVE_ARRIVED.format(row="o")} AND NOT {is_exempt_sql("o.rule")}
    GROUP BY o.recipient, lead.assignment_id, lead.version, lead.rule
"""  # noqa: S608 - our own constants

BEGUN_OVER_ANOTHER_CHANNEL = f"""
    SELECT r.id FROM reminders_reminder r
    WHERE r.id = ANY(%s::bigint[]) AND EXISTS (
        SELECT FROM reminders_reminder n
        WHERE {SAME_NUDGE} AND n.id <> r.id AND {MAY_HAVE_ARRIVED.format(row="n")} OFFSET 0)
"""  # noqa: S608 - our own constants

EXEMPT = f"SELECT r.id FROM reminders_reminder r WHERE r.id = ANY(%s::bigint[]) AND {is_exempt_sql('r.rule')}"  # noqa: S608


def limits_of(config: ReminderConfig) -> RateLimits:
    return RateLimits(config.rate_per_minute, config.rate_per_hour)


def look_up(cursor: Cursor, picked: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adds to the rows of people who have other reminders what these had (`recent`); `joins` says that the row goes by it.

    Returns the rows without those of people whose reminders somebody else begins at this moment.
    """
    of_others = [found for found in picked if found["others"] != NO_OTHERS]
    if not of_others:
        return list(picked)
    asked = sorted({found["recipient"] for found in of_others})
    run(cursor, LOCK, [asked, PERSON_LOCK])
    ours = {row[0] for row in cursor.fetchall()}
    recent = _recent(cursor, sorted(ours))
    exempt = _ids(cursor, EXEMPT, [found["id"] for found in of_others if found["rule"] != DEFAULT])
    begun = _ids(cursor, BEGUN_OVER_ANOTHER_CHANNEL, [found["id"] for found in of_others])
    for found in of_others:
        found["joins"] = found["id"] not in exempt
        found["recent"] = [] if found["id"] in begun else recent[found["recipient"]]
    return [found for found in picked if found["others"] == NO_OTHERS or found["recipient"] in ours]


def recent_reminders(recipients: Iterable[str]) -> dict[str, list[datetime]]:
    """When messages with reminders to these people were begun within the last hour."""
    with connection.cursor() as cursor:
        return dict(_recent(cursor, sorted(recipients)))


def begun_over_another_channel(ids: Iterable[int]) -> set[int]:
    """The rows whose person had the same nudge over another channel within the last hour: the rate does not hold these."""
    with connection.cursor() as cursor:
        return _ids(cursor, BEGUN_OVER_ANOTHER_CHANNEL, list(ids))


def _recent(cursor: Cursor, recipients: Sequence[str]) -> defaultdict[str, list[datetime]]:
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    if recipients:
        run(cursor, RECENT, [list(recipients)])
        for message in fetch(cursor):
            found[message["recipient"]].append(message["begun_at"])
    return found


def _ids(cursor: Cursor, statement: str, ids: Sequence[int]) -> set[int]:
    """Those of these ids that the statement finds."""
    if not ids:
        return set()
    run(cursor, statement, [bigints(ids)])
    return {row[0] for row in cursor.fetchall()}
