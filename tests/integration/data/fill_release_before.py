"""Made release_before.sql: every table of the release at commit c1cc7d8, with at least one row in each.

To make it again, from the root of a checkout of that commit with its environment:

    python fill_release_before.py release_before.sql

The texts are invented, and the secrets are of no use anywhere else.
"""

import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TOKEN = "art_release-before-for-tests-only-000000000000"
# Comments, and what only psql or one version of the server understands.
NOT_STORED = re.compile(r"^(--.*|\\(un)?restrict .*|SET transaction_timeout.*)?\n", re.MULTILINE)


def fill() -> None:
    from django.apps import apps
    from django.contrib.admin.models import CHANGE, LogEntry
    from django.contrib.auth.models import Group, Permission, User
    from django.contrib.contenttypes.models import ContentType
    from django.contrib.sessions.models import Session
    from django.core.management import call_command
    from django.db import connection
    from django_celery_beat import models as beat

    from accounts.models import Allowance, ApiToken, digest
    from accounts.roles import OPERATORS
    from assignments.models import Assignee, Assignment
    from reminders import models as ledger

    call_command("migrate", verbosity=0)
    call_command("setup_reminders", verbosity=0)

    olga = User.objects.create_user("olga", "olga@example.org", "a password for tests", is_staff=True)
    olga.groups.add(Group.objects.get(name=OPERATORS))
    olga.user_permissions.add(Permission.objects.get(codename="view_session"))
    LogEntry.objects.create(
        user=olga,
        content_type=ContentType.objects.get_for_model(Assignment),
        object_id="1",
        object_repr="Replace the pump",
        action_flag=CHANGE,
        change_message="[]",
    )
    Session.objects.create(session_key="s" * 32, session_data="e30:none", expire_date=NOON)
    beat.CrontabSchedule.objects.create(minute="5", hour="4")
    beat.SolarSchedule.objects.create(event="sunrise", latitude=52.5, longitude=13.4)
    beat.ClockedSchedule.objects.create(clocked_time=NOON)
    ApiToken.objects.create(
        name="planning", prefix=TOKEN[:10], digest=digest(TOKEN), scopes="read,write", created_at=NOON
    )
    Allowance.objects.create(caller="token:1", full_at=NOON)

    ann = Assignee.objects.create(
        reference="P-1",
        name="Ann",
        email="ann@example.com",
        time_zone="Europe/Berlin",
        created_at=NOON,
        updated_at=NOON,
    )
    Assignee.objects.create(name="Bo", phone="+49 30 1234567", created_at=NOON, updated_at=NOON)
    pump = Assignment.objects.create(
        reference="A-1",
        title="Replace the pump",
        kind="service",
        location="Hall 3",
        notes="Bring seals.",
        assignee=ann,
        scheduled_start=NOON,
        scheduled_end=NOON + timedelta(hours=2),
        lead_minutes=45,
        version=2,
        known_at=NOON - timedelta(days=2),
        reminder_status="OVERDUE",
        overdue_at=NOON + timedelta(minutes=30),
        answer="CONFIRMED",
        answered_at=NOON - timedelta(hours=1),
        created_at=NOON,
        updated_at=NOON,
    )
    visit = Assignment.objects.create(
        title="Visit Mr Hill",
        assignee=ann,
        scheduled_start=NOON + timedelta(days=30),
        created_at=NOON,
        updated_at=NOON,
    )
    row = {
        "assignment": pump,
        "recipient": f"assignee:{ann.pk}",
        "planned_start": NOON,
        "channel": "email",
        "planned_at": NOON,
        "due_at": NOON - timedelta(minutes=45),
        "next_attempt_at": NOON - timedelta(minutes=45),
    }
    ended = NOON - timedelta(minutes=44)
    sent = ledger.Reminder.objects.create(
        **row,
        version=2,
        kind="REMINDER",
        state="SENT",
        sent_at=ended,
        closed_at=ended,
        ticket=7,
        attempts=2,
        failures=1,
        begun_at=ended,
        not_after=NOON + timedelta(minutes=30),
        message_id="<1@reminders.example.org>",
    )
    ledger.Reminder.objects.create(
        **row, version=1, kind="REMINDER", state="SKIPPED", reason="moved", closed_at=ended
    )
    ledger.Reminder.objects.create(
        **row | {"recipient": "", "channel": "none"},
        version=2,
        kind="OVERDUE",
        state="MARKED",
        closed_at=NOON,
    )
    ledger.Reminder.objects.create(
        **row | {"recipient": "subscription:1", "channel": "webhook"},
        version=2,
        kind="EVENT",
        state="PLANNED",
        rule="reminder.sent:1",
        payload={"type": "reminder.sent", "data": {"assignment_id": pump.pk}},
    )
    ledger.Reminder.objects.create(
        **row | {"assignment": visit, "due_at": NOON + timedelta(days=30)},
        version=1,
        kind="REMINDER",
        state="PLANNED",
    )
    ledger.Reminder.objects.create(
        **row,
        version=2,
        kind="OVERDUE",
        state="UNKNOWN",
        reason="ambiguous",
        closed_at=NOON,
        attempts=2,
        ambiguous=2,
    )
    for number, outcome in ((1, "refused"), (2, "accepted")):
        ledger.Attempt.objects.create(
            reminder=sent,
            number=number,
            ticket=6 + number,
            started_at=ended,
            finished_at=ended,
            outcome=outcome,
            code="451" if number == 1 else "250",
            detail="try again later" if number == 1 else "",
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reminders_archivedreminder (id, assignment_id, archived_at, row, attempts)"
            " SELECT 900, assignment_id, %s, to_jsonb(r) || '{\"id\": 900}', '[]' FROM reminders_reminder r WHERE id = %s",
            [NOON, sent.pk],
        )
    ledger.ScanRun.objects.create(
        trigger="beat",
        started_at=NOON,
        alive_until=NOON,
        finished_at=NOON,
        counts={"planned": 3, "voided": 1},
    )
    ledger.Pause.objects.create(by="olga", reason="storm", since=NOON, ended_at=NOON, ended_by="olga")
    ledger.Subscription.objects.create(
        name="planning",
        url="https://planning.example.org/hook",
        events=["reminder.sent"],
        secret="whsec_" + "A" * 32,
        created_at=NOON,
        created_by="olga",
    )
    ledger.ChannelHold.objects.create(channel="email", since=NOON, until=NOON, failures=2, code="421")
    ledger.Counter.objects.create(name="reminder_sent_total", labels='kind="REMINDER"', slot=3, value=12)
    ledger.Audit.objects.create(actor="olga", action="pause", reason="storm", after={"until": None}, at=NOON)
    ledger.KeptAnswer.objects.create(
        caller="token:1",
        key="k-1",
        sent="0" * 64,
        status=201,
        headers={"Location": "/api/assignments/1"},
        body={"id": 1},
        at=NOON,
    )
    ledger.Process.objects.create(
        kind="worker", host="w1", pid=4711, started_at=NOON, seen_at=NOON, rules="abc"
    )
    ledger.Figures.objects.create(taken_at=NOON, values={"overdue": 1})

    with connection.cursor() as cursor:
        empty = []
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}")')
            if not cursor.fetchone()[0]:
                empty.append(table)
    assert not empty, empty
    assert apps.ready


def main(target: Path) -> None:
    sys.path.insert(0, str(Path.cwd()))
    from config.devstack import postgres
    from config.devstack import servers as devstack_servers

    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        state.chmod(0o711)
        with devstack_servers.running_both(state, durable=False) as servers:
            os.environ |= {
                "DATABASE_URL": servers.database_url,
                "REDIS_URL": servers.redis_url,
                "REMINDERS_STATE": folder,
                "SECRET_KEY": "x" * 50,
                "HTTPS_ONLY": "false",
                "DJANGO_SETTINGS_MODULE": "config.settings",
            }
            import django

            django.setup()
            fill()
            from django.db import connection

            connection.close()
            dumped = subprocess.run(
                [
                    postgres.postgres_programs() / "pg_dump",
                    "--no-owner",
                    "--no-privileges",
                    "--inserts",
                    servers.database_url.replace("postgres://", "postgresql://"),
                ],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
    target.write_text(NOT_STORED.sub("", dumped))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
