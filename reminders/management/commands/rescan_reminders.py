"""`manage.py rescan_reminders [--dry-run] [--sync] [--json]`: plans what is missing, now and without the broker."""

import getpass
import json
from argparse import ArgumentParser
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import deliver
from reminders.management.progress import Watched, progress
from reminders.management.refusals import in_one_line
from reminders.models import ScanRun
from reminders.operations import rescans


class Command(BaseCommand):
    help = "Scans now. With --sync it also delivers what is due in this process, without Redis."

    def add_arguments(self, parser: ArgumentParser) -> None:
        modes = parser.add_mutually_exclusive_group()
        modes.add_argument(
            "--dry-run",
            action="store_true",
            help="only say what a scan would do: it does the work for up to 10 seconds and takes it back",
        )
        modes.add_argument(
            "--sync", action="store_true", help="then deliver what is due here, without Redis and workers"
        )
        parser.add_argument("--reason", default="", help="kept in the audit trail")
        parser.add_argument("--json", action="store_true", help="answer as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with in_one_line():
            answer = self._answer(options, conf.current())
        self.stdout.write(json.dumps(answer) if options["json"] else _in_words(answer))

    def _answer(self, options: dict[str, Any], config: ReminderConfig) -> dict[str, Any]:
        if options["dry_run"]:
            preview = rescans.preview_rescan(config=config, budget=rescans.REQUEST_BUDGET)
            return {"dry_run": True, "complete": preview.complete, "counts": asdict(preview.counts)}
        with self._shown("scanning", "rows", options) as bar:
            done = rescans.rescan(
                trigger=ScanRun.Trigger.CLI,
                by=getpass.getuser(),
                reason=options["reason"],
                config=config,
                watch=lambda counts: bar.reach(sum(asdict(counts).values())),
            )
        answer = {
            "scan_id": done.scan_id,
            "running": done.counts is None,
            "counts": asdict(done.counts) if done.counts else None,
        }
        if options["sync"]:
            with self._shown("delivering", "messages", options) as bar:
                answer["delivered"] = asdict(deliver.deliver_due(config=config, watch=bar.advance))
        return answer

    def _shown(self, label: str, unit: str, options: dict[str, Any]) -> AbstractContextManager[Watched]:
        return progress(label, stream=self.stderr, unit=unit, hidden=options["json"])


def _in_words(answer: dict[str, Any]) -> str:
    lines = []
    if answer.get("dry_run"):
        least = "" if answer["complete"] else "at least "
        lines.append(f"A scan would do {least}this; nothing was changed.")
    elif answer["running"]:
        lines.append(f"Scan {answer['scan_id']} is running already: it does the same work.")
    else:
        lines.append(f"Scan {answer['scan_id']} is finished.")
    for part in ("counts", "delivered"):
        for name, count in (answer.get(part) or {}).items():
            lines.append(f"  {name:<12} {count}")
    return "\n".join(lines)
