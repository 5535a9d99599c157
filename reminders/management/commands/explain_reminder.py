"""`manage.py explain_reminder <id|reference>`: why a reminder came, will come, or will not."""

import dataclasses
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assignments.models import Assignment
from reminders import conf
from reminders.explain import Explanation, explain, find


class Command(BaseCommand):
    help = "Says why a reminder came, will come, or will not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("assignment", help="the id or the reference of an assignment")
        parser.add_argument("--json", action="store_true", help="the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            answer = explain(find(options["assignment"]), config=conf.current())
        except Assignment.DoesNotExist as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(dataclasses.asdict(answer), default=_plain, indent=2))
        else:
            self._tell(answer)

    def _tell(self, answer: Explanation) -> None:
        start = answer.scheduled_start.isoformat(sep=" ", timespec="seconds")
        self.stdout.write(f"#{answer.assignment_id} {answer.title}")
        self.stdout.write(
            f"{answer.status}, starts {start}, version {answer.version}, reminder status {answer.reminder_status}"
        )
        self.stdout.write("")
        self.stdout.write(answer.says)
        for story in answer.stories:
            self.stdout.write("")
            whom = story.recipient or "nobody"
            self.stdout.write(
                f"{story.kind} of version {story.version} to {whom} by {story.channel}: {story.state}, {story.says}"
            )
            for gate in story.gates:
                self.stdout.write(f"  [{'pass' if gate.passed else 'FAIL'}] {gate.name}: {gate.seen}")
            for attempt in story.tries:
                at = attempt.started_at.isoformat(sep=" ", timespec="seconds")
                more = " ".join(part for part in (attempt.code, attempt.detail) if part)
                self.stdout.write(f"  attempt {attempt.number} at {at}: {attempt.outcome} {more}".rstrip())


def _plain(value: object) -> str:
    return getattr(value, "value", None) or str(value)
