"""`manage.py reminders_doctor [--json] [--send-to ADDRESS]`: the runbook's checklist; exit code 1 if anything failed."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reminders import conf
from reminders.insight.doctor import doctor, servers
from reminders.insight.doctor.check import Check, Level


class Command(BaseCommand):
    help = "Checks everything that reminders need, and says what is wrong and how to fix it."
    requires_system_checks = ()  # The doctor runs them itself, to say all else as well.

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="answer as one line of JSON")
        parser.add_argument(
            "--send-to", "--mail-to", metavar="ADDRESS", help="also send a test mail to this address"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        found = []
        for check in _checks(options["send_to"]):
            found.append(check)
            if not options["json"]:
                self.stdout.write(_in_words(check))
        failed = sum(check.level is Level.FAIL for check in found)
        if options["json"]:
            lines = [{"name": c.name, "level": c.level.value, "seen": c.seen, "fix": c.fix} for c in found]
            self.stdout.write(json.dumps({"ok": not failed, "checks": lines}, ensure_ascii=False))
        if failed:
            raise CommandError(f"{failed} of {len(found)} checks failed")


def _checks(send_to: str | None) -> Iterator[Check]:
    config = conf.current()
    yield from doctor.run_checks(config)
    if send_to:
        yield servers.send_test_mail(send_to, config)


def _in_words(check: Check) -> str:
    mark = {Level.PASS: "pass", Level.WARN: "WARN", Level.FAIL: "FAIL"}[check.level]
    line = f"{mark}  {check.name}: {check.seen}"
    return f"{line}\n      {check.fix}" if check.fix else line
