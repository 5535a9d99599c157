"""`manage.py explain_reminder <id|reference>`: why a reminder came, will come, or will not."""

import dataclasses
import json
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assignments.models import Answer, Assignment
from reminders import conf
from reminders.insight.explain.answer import Explanation, GateResult, TimelineEntry
from reminders.insight.explain.explain import explain, find
from reminders.insight.explain.wording import moment


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
        self.stdout.write(f"#{answer.assignment_id} {answer.title}")
        self.stdout.write(
            f"{answer.status}, starts {moment(answer.scheduled_start)}, version {answer.version}, "
            f"reminder status {answer.reminder_status}, for {answer.to}: {Answer[answer.answer].label}"
        )
        self._part(answer.summary, [f"[{'pass' if g.passed else 'FAIL'}] {_gate(g)}" for g in answer.gates])
        self._part("What you can do:", [answer.advice] if answer.advice else [])
        self._part("Wrong at this moment:", answer.problems)
        self._part("Rules:", [f"{rule.name}: {rule.summary}" for rule in answer.rules])
        self._part("What happens next:", [_step(step) for step in answer.upcoming])
        self._part("What happened so far:", [_step(step) for step in answer.history])

    def _part(self, title: str, lines: Sequence[str]) -> None:
        if lines or title.endswith("."):
            self.stdout.write("\n".join(["", title, *(f"  {line}" for line in lines)]))


def _gate(gate: GateResult) -> str:
    return f"{gate.name}: {gate.observed}" + (f" ({gate.consequence})" if gate.consequence else "")


def _step(step: TimelineEntry) -> str:
    return f"{moment(step.at) if step.at else 'at any moment'}  {step.summary}"


def _plain(value: object) -> str:
    """An enum's word; an instant as the API writes it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert isinstance(value, Enum)
    return str(value.value)
