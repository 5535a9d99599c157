"""What the ledger does when a person was entered twice and becomes one: rows to the second are rows to the first.

What was sent to the second counts as sent to the first, so nothing is told twice; what waits goes to the first. Rows in the
archive keep the second, who stays as a shell that names the first.
"""

from assignments.merging import NotMergeable
from reminders.ledger.events import record_ended
from reminders.ledger.fragments import AS_ENDED
from reminders.ledger.records import Ended
from reminders.ledger.sql import fetch, prepared_cursor, run
from reminders.policy.recipients import assignee_recipient, person_recipient

LOCK = """
    SELECT r.id, r.assignment_id, r.state, r.ambiguous, r.closed_at IS NULL AS is_open FROM reminders_reminder r
    WHERE r.recipient = %(gone)s ORDER BY r.id FOR NO KEY UPDATE
"""

TWIN = """EXISTS (
        SELECT FROM reminders_reminder n
        WHERE n.assignment_id = r.assignment_id AND n.version = r.version AND n.kind = r.kind AND n.rule = r.rule
          AND n.recipient = %(kept)s AND n.channel = r.channel)"""

# The first is told the same anyway, or was.
END_TWINS = f"""
    UPDATE reminders_reminder r
    SET state = 'SKIPPED', reason = 'operator', lease_until = NULL, closed_at = statement_timestamp()
    WHERE r.recipient = %(gone)s AND r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND r.ambiguous = 0 AND {TWIN}
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constants

MOVE = f"""
    UPDATE reminders_reminder r SET recipient = %(kept)s
    WHERE r.recipient = %(gone)s AND r.state <> 'SENDING' AND NOT {TWIN}
"""  # noqa: S608 - our own constants

MOVE_SCHEDULES = "UPDATE reminders_ruleschedule SET recipient = %(kept)s WHERE recipient = %(gone)s"


def follow_merge(kept: int, gone: int) -> list[Ended]:
    """Rows to the second person are rows to the first; returns those that have ended, because the first has the same one.

    In the transaction of the merge. Raises NotMergeable while a message to the second is being sent, or will be repeated
    because nobody knows whether it arrived: its Message-ID names who it is for.
    """
    ended: list[Ended] = []
    with prepared_cursor() as cursor:
        for recipient_of in (assignee_recipient, person_recipient):
            keys = {"kept": recipient_of(kept), "gone": recipient_of(gone)}
            run(cursor, LOCK, keys)
            for row in fetch(cursor):
                if row["state"] == "SENDING" or (row["is_open"] and row["ambiguous"]):
                    what = "is being sent" if row["state"] == "SENDING" else "is about to be repeated"
                    raise NotMergeable(
                        f"a message to person {gone} about assignment {row['assignment_id']} {what}: try again in a minute"
                    )
            run(cursor, END_TWINS, keys)
            ended += [Ended(**row) for row in fetch(cursor)]
            run(cursor, MOVE, keys)
            run(cursor, MOVE_SCHEDULES, keys)
        record_ended(cursor, ended)
    return ended
