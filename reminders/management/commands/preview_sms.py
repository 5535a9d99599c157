"""`manage.py preview_sms <id|reference>`: the text that the assignee would get by SMS now, and what it takes."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assignments.clock import database_now
from assignments.models import Assignment
from reminders.insight.explain.explain import find
from reminders.insight.sms_preview import preview
from reminders.insight.template_use import text_name


class Command(BaseCommand):
    help = "Shows the reminder of an assignment as an SMS: text, encoding, segments. Sends nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("assignment", help="the id or the reference of an assignment")
        parser.add_argument("--json", action="store_true", help="the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            work = find(options["assignment"])
        except Assignment.DoesNotExist as error:
            raise CommandError(str(error)) from error
        shown = preview(work, now=database_now())
        if shown is None:
            raise CommandError(f"nobody is assigned to assignment {work.pk}: assign somebody first")
        if options["json"]:
            self.stdout.write(json.dumps(asdict(shown)))
        else:
            segments = f"{shown.segments} segment{'' if shown.segments == 1 else 's'}"
            facts = [shown.encoding, f"{shown.units} characters", segments]
            if shown.template_version is not None:
                facts.append(text_name(shown.template_version, shown.template_fault))
            self.stdout.write(f"{', '.join(facts)}\n\n{shown.text}")
