"""Records what became of messages after they were accepted: delivered, bounced, complained of."""

from datetime import datetime

from django.db import connection

from assignments import contact_points
from assignments.contact_point import ContactPoint
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import counters, ways
from reminders.ledger.sql import Cursor, run
from reminders.models import DeliveryKind, Reminder
from reminders.policy import recipients
from reminders.policy.ways import channel_name, contact_point_of, point_channel

LONGEST_ID = 100

INSERT = """
    INSERT INTO reminders_deliveryevent (reminder_id, at, kind, permanent, source, external_id, detail)
    SELECT r.id, %(at)s, %(kind)s, %(permanent)s, %(source)s, %(external_id)s, %(detail)s
    FROM reminders_reminder r
    WHERE (r.id = %(reminder)s OR r.digest_id = %(reminder)s) AND r.kind <> 'EVENT' AND r.attempts > 0
    ON CONFLICT DO NOTHING
    RETURNING reminder_id
"""


@atomically
def record(
    reminder_id: int,
    kind: DeliveryKind,
    *,
    source: str,
    external_id: str,
    at: datetime,
    config: ReminderConfig,
    detail: str = "",
    permanent: bool = False,
) -> bool:
    """Notes one event about the message of this row (of a digest: its lead). False where it is known already, or the row is
    not, or is in the archive: nothing is changed then, whatever the order of events.

    A bounce for good marks the contact point as failing, and what it was to say goes to the next one while there is time.
    A complaint opts the address out. `detail` must hold no address.
    """
    with connection.cursor() as cursor:
        run(
            cursor,
            INSERT,
            {
                "reminder": reminder_id,
                "at": at,
                "kind": kind.value,
                "permanent": permanent,
                "source": source,
                "external_id": external_id[:LONGEST_ID],
                "detail": detail[:500],
            },
        )
        noted = [row[0] for row in cursor.fetchall()]
        if not noted:
            return False
        lead = Reminder.objects.get(pk=reminder_id if reminder_id in noted else noted[0])
        label = counters.labels(channel=channel_name(lead.channel), kind=kind.value)
        counters.write(cursor, counters.Counts({(counters.DELIVERY_EVENTS, label): 1}))
        _follow(lead, kind, detail, permanent=permanent)
        if kind is DeliveryKind.BOUNCED and permanent:
            _lock_work(cursor, noted)
            ways.plan_next(cursor, noted, config)
    return True


def _follow(row: Reminder, kind: DeliveryKind, detail: str, *, permanent: bool) -> None:
    """What the event says about the address, if the person still has it."""
    point = _point_of(row)
    if point is None:
        return
    if kind is DeliveryKind.COMPLAINED:
        contact_points.opt_out(point.pk)
    elif kind is DeliveryKind.DELIVERED:
        contact_points.mark_working(point.pk)
    elif kind is DeliveryKind.BOUNCED and permanent:
        contact_points.mark_failing(point.pk, detail)


def _point_of(row: Reminder) -> ContactPoint | None:
    """The contact point to which the row's message went; None where it has another address since."""
    person_id = recipients.person_behind(row.recipient)
    if person_id is None:
        return None
    way = row.channel
    point = contact_points.point_named(person_id, point_channel(way), contact_point_of(way))
    is_newer = point is not None and row.begun_at is not None and point.address_since > row.begun_at
    return None if is_newer else point


def _lock_work(cursor: Cursor, reminder_ids: list[int]) -> None:
    run(
        cursor,
        "SELECT id FROM assignments_assignment WHERE id IN ("
        " SELECT assignment_id FROM reminders_reminder WHERE id = ANY(%s)) ORDER BY id FOR NO KEY UPDATE",
        [reminder_ids],
    )
