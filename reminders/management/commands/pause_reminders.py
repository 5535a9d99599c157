"""`manage.py pause_reminders --reason ... [--minutes N]`: holds all sending; planning and marking go on."""

import getpass
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from assignments.clock import database_now
from reminders.insight.explain.wording import moment
from reminders.management.refusals import in_one_line
from reminders.operations import pauses

LONGEST_MINUTES = 7 * 24 * 60


class Command(BaseCommand):
    help = "Holds all sending until somebody resumes, or for some minutes. Work is still planned and marked OVERDUE."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="kept in the audit trail and shown to everybody")
        parser.add_argument(
            "--minutes", type=_minutes, help="sending goes on by itself after so many minutes"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        with in_one_line():
            until = None
            if options["minutes"]:
                until = database_now() + timedelta(minutes=options["minutes"])
            pauses.pause(by=getpass.getuser(), reason=options["reason"], until=until)
        ends = f"until {moment(until)}" if until else "until somebody resumes: `manage.py resume_reminders`"
        self.stdout.write(f"Sending is paused {ends}.")


def _minutes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= LONGEST_MINUTES:
        raise ArgumentTypeError(f"{text[:40]!r}: a whole number from 1 to {LONGEST_MINUTES} is needed")
    return int(text)
