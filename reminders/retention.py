"""What is thrown away, and after how long: records of the machinery, never of a reminder."""

from django.db import connection

from reminders import presence

SCANS_KEPT_DAYS = 30


def prune() -> None:
    """Forgets dead processes and old scans; the scanner does it after each scan."""
    presence.forget()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM reminders_scanrun WHERE finished_at < statement_timestamp() - make_interval(days => %s)",
            [SCANS_KEPT_DAYS],
        )
