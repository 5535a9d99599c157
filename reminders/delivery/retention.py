"""What is put away, and after how long: reminders of long-past work, and old records of the machinery."""

import time

from django.db import connection

from accounts import allowances
from assignments.imports import kept_files
from reminders.conf import ReminderConfig
from reminders.delivery import heartbeats
from reminders.ledger import archive

SCANS_KEPT_DAYS = 30
VERIFICATIONS_KEPT_DAYS = 90
ARCHIVING_SECONDS = 2.0
"""How long archiving may take after one scan; the next scan goes on."""

# By id, so that nothing is read where nothing is old. The database itself refuses to remove what is younger.
FORGET = """
    DELETE FROM {table}
    WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT 1000)
      AND at < statement_timestamp() - interval '2 years'
"""
FORGET_DELIVERY_EVENTS = """
    DELETE FROM reminders_deliveryevent WHERE id IN (
        SELECT id FROM reminders_deliveryevent
        WHERE received_at < statement_timestamp() - interval '2 years' ORDER BY received_at LIMIT 1000)
"""
KEPT_FOR_TWO_YEARS = ("reminders_audit", "assignments_act", "assignments_changerecord")


def prune(config: ReminderConfig) -> None:
    """Forgets what is past its time, and archives old reminders; the scanner does it after each scan."""
    heartbeats.prune()
    allowances.prune()
    kept_files.prune_uploads()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM reminders_scanrun WHERE finished_at < statement_timestamp() - make_interval(days => %s)",
            [SCANS_KEPT_DAYS],
        )
        cursor.execute("DELETE FROM reminders_keptanswer WHERE at < statement_timestamp() - interval '1 day'")
        cursor.execute(
            "DELETE FROM reminders_smsreply WHERE received_at < statement_timestamp() - interval '30 days'"
        )
        cursor.execute(
            "DELETE FROM reminders_verification WHERE id IN (SELECT id FROM reminders_verification ORDER BY id LIMIT 1000)"
            " AND requested_at < statement_timestamp() - make_interval(days => %s)",
            [VERIFICATIONS_KEPT_DAYS],
        )
        for table in KEPT_FOR_TWO_YEARS:
            cursor.execute(FORGET.format(table=table))
        cursor.execute(FORGET_DELIVERY_EVENTS)
    if config.archive_after:
        over = time.monotonic() + ARCHIVING_SECONDS
        while archive.archive_batch(after=config.archive_after) == archive.BATCH and time.monotonic() < over:
            pass
