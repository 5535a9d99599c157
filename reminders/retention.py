"""What is put away, and after how long: reminders of long-past work, and old records of the machinery."""

import time

from django.db import connection

from reminders import archive, presence
from reminders.conf import ReminderConfig

SCANS_KEPT_DAYS = 30
ARCHIVING_SECONDS = 2.0
"""How long archiving may take after one scan; the next scan goes on."""


def prune(config: ReminderConfig) -> None:
    """Forgets dead processes and old scans, archives old reminders; the scanner does it after each scan."""
    presence.forget()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM reminders_scanrun WHERE finished_at < statement_timestamp() - make_interval(days => %s)",
            [SCANS_KEPT_DAYS],
        )
    if config.archive_after:
        over = time.monotonic() + ARCHIVING_SECONDS
        while archive.move(after=config.archive_after) == archive.BATCH and time.monotonic() < over:
            pass
