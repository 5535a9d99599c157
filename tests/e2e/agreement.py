"""What the database itself says, as the questions that Prometheus, the Ops summary and the Ops page must answer alike."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

from tests.stack import Stack

COUNTED = (
    # statement; the series with a place for each of its leading columns
    (
        "SELECT status, reminder_status, count(*) FROM assignments_assignment GROUP BY 1, 2",
        'reminder_assignments{{status="{}",reminder_status="{}"}}',
    ),
    ("SELECT state, count(*) FROM reminders_reminder GROUP BY 1", 'reminder_ledger{{state="{}"}}'),
    (
        "SELECT reason, count(*) FROM reminders_reminder WHERE state = 'FAILED' GROUP BY 1",
        'reminder_failed_total{{reason="{}"}}',
    ),
    (
        "SELECT reason, count(*) FROM reminders_reminder WHERE state = 'SKIPPED' GROUP BY 1",
        'reminder_skipped_total{{reason="{}"}}',
    ),
    (
        (
            "SELECT r.channel, t.outcome, count(*) FROM reminders_attempt t"
            " JOIN reminders_reminder r ON r.id = t.reminder_id GROUP BY 1, 2"
        ),
        'reminder_attempts_total{{channel="{}",outcome="{}"}}',
    ),
    (
        "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER' AND state = 'SENT'",
        'reminder_sent_total{{status="SCHEDULED"}}',
    ),
    (
        "SELECT count(*) FROM reminders_reminder WHERE state = 'SENT'",
        "reminder_send_delay_seconds_count",
    ),
    ("SELECT count(*) FROM reminders_reminder WHERE state = 'MARKED'", "reminder_overdue_marked_total"),
    (
        (
            "SELECT count(*) FROM assignments_assignment WHERE status = 'SCHEDULED'"
            " AND scheduled_start <= now() - interval '30 minutes'"
        ),
        "reminder_overdue",
    ),
    (
        (
            "SELECT count(*) FROM reminders_reminder"
            " WHERE closed_at IS NULL AND channel <> 'none' AND due_at <= now()"
        ),
        "reminder_due_unsent",
    ),
)


def counted(stack: Stack) -> dict[str, int]:
    """Every figure, counted from the rows themselves, by the name of its series."""
    return {
        series.format(*row[:-1]): int(row[-1])
        for statement, series in COUNTED
        for row in stack.query(statement)
    }


def in_summary(told: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """The same figures as the Ops summary gives them."""
    for found in told["assignments"]:
        yield (
            f'reminder_assignments{{status="{found["status"]}",reminder_status="{found["reminder_status"]}"}}',
            found["count"],
        )
    for state, number in told["ledger"].items():
        yield f'reminder_ledger{{state="{state}"}}', number
    for name in ("overdue", "due_unsent", "unaccounted", "unknown", "possible_duplicates"):
        yield f"reminder_{name}", told[name]


def on_page(text: str) -> dict[str, int]:
    """The tiles of the Ops page, by the name of the series that each one shows."""
    tiles = {
        name: int(number)
        for name, number in re.findall(r'id="tile-(\w+)".*?class="value">([\d,]+)<', text, re.DOTALL)
    }
    return {
        'reminder_assignments{status="SCHEDULED",reminder_status="NONE"}': tiles["none"],
        'reminder_assignments{status="SCHEDULED",reminder_status="SENT"}': tiles["sent"],
        "reminder_overdue": tiles["overdue"],
        "reminder_due_unsent": tiles["due"],
        'reminder_ledger{state="FAILED"}': tiles["failed"],
        "reminder_possible_duplicates": tiles["duplicates"],
        "reminder_unknown": tiles["unknown"],
        "reminder_unaccounted": tiles["unaccounted"],
    }


class Desk:
    """An operator's token and session."""

    def __init__(self, stack: Stack, web: str) -> None:
        self.web = web
        token = stack.manage("create_api_token", "watcher", "--scopes", "read,ops").stdout.strip()
        session = stack.manage(
            "shell",
            "-v",
            "0",
            "-c",
            "from django.contrib.auth import get_user_model\n"
            "from django.test import Client\n"
            "client = Client()\n"
            "client.force_login(get_user_model().objects.create_superuser('watcher', password='x'))\n"
            "print(client.cookies['sessionid'].value)",
        ).stdout.strip()
        self.headers = {"Authorization": f"Bearer {token}"}, {"Cookie": f"sessionid={session}"}

    def summary(self) -> dict[str, int]:
        return dict(in_summary(json.loads(self._get("/api/admin/reminders/summary", self.headers[0]))))

    def page(self) -> dict[str, int]:
        return on_page(self._get("/ops/", self.headers[1]))

    def _get(self, path: str, headers: dict[str, str]) -> str:
        asked = urllib.request.Request(self.web + path, headers=headers)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return str(answer.read().decode())
