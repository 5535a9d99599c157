"""`manage.py reminder_queue [--json] [purge [--dry-run] [--reason ...]]`: what waits where; and how to empty the queue."""

import getpass
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reminders import conf
from reminders.delivery.hints import BrokerDown
from reminders.insight import queue_status
from reminders.insight.queue_status import QueueStatus
from reminders.management.refusals import in_one_line
from reminders.models import ScanRun
from reminders.operations import queue_purge
from reminders.operations.queue_purge import Purged


class Command(BaseCommand):
    help = (
        "Shows what waits in Redis, in workers and in the ledger. `purge` empties the queues in Redis; the "
        "ledger keeps every reminder and hands it over again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=["purge"])
        parser.add_argument("--dry-run", action="store_true", help="with purge: only say what would be done")
        parser.add_argument("--reason", default="", help="with purge: kept in the audit trail")
        parser.add_argument("--json", action="store_true", help="answer as one line of JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["dry_run"] and not options["action"]:
            raise CommandError("--dry-run belongs to `reminder_queue purge`", returncode=2)
        with in_one_line():
            now = queue_status.read_queue_status()
            answer = _answer(now)
            lines = _in_words(now)
            if options["action"] == "purge":
                if now.redis is None:
                    raise CommandError(f"{now.error}: nothing was changed")
                done = (
                    Purged(redis=now.redis, returned=now.queued)
                    if options["dry_run"]
                    else _purge(options["reason"])
                )
                answer |= {
                    "dry_run": options["dry_run"],
                    "purged": {"redis": done.redis, "returned": done.returned},
                    "scan_id": done.scan.scan_id if done.scan else None,
                }
                lines += _purged_in_words(done, dry_run=options["dry_run"])
        self.stdout.write(json.dumps(answer) if options["json"] else "\n".join(lines))


def _purge(reason: str) -> Purged:
    try:
        return queue_purge.purge(
            by=getpass.getuser(), reason=reason, trigger=ScanRun.Trigger.CLI, config=conf.current()
        )
    except BrokerDown as error:
        raise CommandError(f"{error}: nothing was changed") from error


def _answer(now: QueueStatus) -> dict[str, Any]:
    return {
        "redis": now.redis,
        "workers": {"queued": now.queued, "sending": now.sending},
        "ledger": {
            "planned": now.planned,
            "due": now.due,
            "next_at": now.next_at.isoformat() if now.next_at else None,
        },
    }


def _in_words(now: QueueStatus) -> list[str]:
    redis = now.error
    if now.redis is not None:
        redis = ", ".join(f"{count} in {queue}" for queue, count in now.redis.items())
    upcoming = f"; the next at {now.next_at.isoformat(timespec='seconds')}" if now.next_at else ""
    return [
        f"In Redis:    {redis}",
        f"In workers:  {now.queued} handed over, {now.sending} being sent",
        f"In ledger:   {now.planned} planned, {now.due} of them due{upcoming}",
    ]


def _purged_in_words(done: Purged, *, dry_run: bool) -> list[str]:
    messages = sum(done.redis.values())
    if dry_run:
        return [f"A purge would throw away {messages} messages, plan {done.returned} rows again, and rescan."]
    gone = f"Thrown away: {messages} messages."
    if done.scan is None:
        return [f"{gone} {done.returned} rows are planned again; reminders are switched off."]
    return [
        f"{gone} {done.returned} rows are planned again and will be handed over within seconds.",
        f"Scan {done.scan.scan_id} has looked for what was missing.",
    ]
