"""How many SMS have left in the calendar month (UTC), and how many segments: SMS_MONTHLY_CAP bounds the messages.

One is counted before it is sent, in a transaction of its own, so that several workers never send more than the cap; who dies
in between has counted one that was not sent. One that was certainly not accepted is taken back.
"""

from datetime import date, datetime

from django.db import connection

from assignments.transactions import atomically
from reminders.ledger import counters
from reminders.models import SmsMonth

CHANNEL = "sms"
CAPPED = "monthly_cap"
"""The code of a send that was not begun, because the cap is reached."""

RESERVE = """
    INSERT INTO reminders_smsmonth AS m (month, messages)
    SELECT date_trunc('month', statement_timestamp() AT TIME ZONE 'UTC')::date, 1 WHERE %(cap)s > 0
    ON CONFLICT (month) DO UPDATE SET messages = m.messages + 1 WHERE m.messages < %(cap)s
    RETURNING month
"""
TAKE_BACK = "UPDATE reminders_smsmonth SET messages = messages - 1 WHERE month = %s AND messages > 0"


@atomically
def reserve(*, cap: int) -> date | None:
    """Counts one message that is about to be sent; the month, or None where the cap is reached: then it must not leave."""
    with connection.cursor() as cursor:
        cursor.execute(RESERVE, {"cap": cap})
        row = cursor.fetchone()
        if row is None:
            counters.write(cursor, counters.Counts({(counters.SMS_CAPPED, ""): 1}))
        return row[0] if row else None


@atomically
def take_back(month: date) -> None:
    """Of a message that was certainly not accepted."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_BACK, [month])


@atomically
def count_segments(segments: int) -> None:
    """Of a message that was accepted, or of which nobody knows."""
    with connection.cursor() as cursor:
        counters.write(cursor, counters.Counts({(counters.SMS_SEGMENTS, ""): segments}))


def this_month(now: datetime) -> int:
    """How many have left in the month of this instant."""
    found = SmsMonth.objects.filter(month=now.date().replace(day=1)).first()
    return found.messages if found else 0
