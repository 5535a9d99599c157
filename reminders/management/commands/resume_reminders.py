"""`manage.py resume_reminders [--dry-run] [--skip PART ...]`: shows what waits, and lets sending go on."""

import getpass
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from reminders import conf
from reminders.ledger.pauses import pause_in_force
from reminders.management.refusals import in_one_line
from reminders.operations import pauses
from reminders.operations.counts import counted
from reminders.operations.pauses import Backlog, BacklogPart

BACKLOG = (
    ("useful", "reminders still useful: sent at once"),
    ("late", "reminders whose work has begun by the clock: sent, and say that they are late"),
    ("too_late", "messages too late to be of use: skipped by themselves"),
    ("overdue_notices", "notices of overdue work: sent at once"),
    ("corrections", "corrections to who was told otherwise: sent at once"),
    ("escalations", "notices of what assignees did: sent at once"),
    ("unplanned", "due assignments that no scan has seen: `manage.py rescan_reminders` sorts them in"),
)


class Command(BaseCommand):
    help = "Ends the pause. With --dry-run it only shows what waits; do that first, also after an outage."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only show what waits")
        parser.add_argument(
            "--skip",
            nargs="+",
            default=[],
            choices=[part.value for part in BacklogPart],
            help="parts of the backlog that are skipped instead of sent",
        )
        parser.add_argument("--reason", default="", help="kept in the audit trail; needed with --skip")
        parser.add_argument("--json", action="store_true", help="answer as one line of JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        with in_one_line():
            answer, waiting = self._resume(options)
        if options["json"]:
            self.stdout.write(json.dumps(answer | {"backlog": waiting.as_json()}))
            return
        figures = waiting.as_json()
        lines = [f"{figures[name]:>8} {meaning}" for name, meaning in BACKLOG if figures[name]]
        if answer["dry_run"]:
            state = "Sending is paused." if answer["paused"] else "Sending is not paused."
            head = f"{state} This waits:" if lines else f"{state} Nothing waits."
        else:
            head = f"Sending goes on. Skipped: {counted(answer['skipped'], 'message')}."
            head += " This had waited:" if lines else ""
        self.stdout.write("\n".join([head, *lines]))

    def _resume(self, options: dict[str, Any]) -> tuple[dict[str, Any], Backlog]:
        if options["dry_run"]:
            paused = pause_in_force() is not None
            return {"dry_run": True, "paused": paused}, pauses.backlog(config=conf.current())
        parts = [BacklogPart(word) for word in options["skip"]]
        done = pauses.resume(by=getpass.getuser(), reason=options["reason"], skip=parts)
        return {"dry_run": False, "paused": False, "skipped": done.skipped}, done.backlog
