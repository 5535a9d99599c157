"""What the ledger does when a person is erased: what is open for them ends, and what is kept of them alone goes."""

from collections.abc import Sequence

from assignments.contact_point import ContactPoint
from assignments.erasing import NotErasable
from reminders.ledger.events import record_ended
from reminders.ledger.fragments import AS_ENDED, ended_unsent
from reminders.ledger.records import Ended
from reminders.ledger.sql import fetch, prepared_cursor, run
from reminders.models import OptOut, ReminderRule, SmsReply, Verification
from reminders.policy.recipients import assignee_recipient, person_recipient

LOCK = """
    SELECT r.id, r.assignment_id, r.state FROM reminders_reminder r
    WHERE r.closed_at IS NULL AND r.recipient = ANY(%(to)s) AND r.kind <> 'EVENT' ORDER BY r.id FOR NO KEY UPDATE
"""
END = f"""
    UPDATE reminders_reminder r SET {ended_unsent("'operator'")}
    WHERE r.closed_at IS NULL AND r.recipient = ANY(%(to)s) AND r.kind <> 'EVENT' AND r.state IN ('PLANNED', 'QUEUED')
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constants


def follow_erasure(ids: Sequence[int]) -> list[Ended]:
    """Ends what is open for these people, who are one; returns the rows that have ended.

    In the transaction of the erasure. Raises NotErasable while a message to them is being sent.
    """
    to = [name for pk in ids for name in (assignee_recipient(pk), person_recipient(pk))]
    with prepared_cursor() as cursor:
        run(cursor, LOCK, {"to": to})
        for row in fetch(cursor):
            if row["state"] == "SENDING":
                raise NotErasable(
                    f"a message to this person about assignment {row['assignment_id']} is being sent: try again in a minute"
                )
        run(cursor, END, {"to": to})
        ended = [Ended(**row) for row in fetch(cursor)]
        record_ended(cursor, ended)
    points = list(ContactPoint.objects.filter(person__in=ids).values_list("pk", flat=True))
    Verification.objects.filter(contact_point__in=points).delete()
    SmsReply.objects.filter(contact_point__in=points).exclude(answer="").update(answer="")
    OptOut.objects.filter(person__in=ids).delete()
    ReminderRule.objects.filter(scope="person", scope_value__in=[str(pk) for pk in ids]).update(enabled=False)
    return ended
