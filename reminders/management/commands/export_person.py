"""Writes everything that is known of one person as JSON."""

import getpass
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from reminders.management.refusals import in_one_line
from reminders.operations import erasing
from reminders.operations.person_exports import export_person


class Command(BaseCommand):
    """It changes nothing; that somebody has asked is in the audit trail."""

    help = "Writes what is known of a person (reference or id) as JSON: addresses, work, messages, acts, opt-outs, audit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="reference or id of the person")

    def handle(self, *args: Any, **options: Any) -> None:
        with in_one_line():
            person = erasing.person_by(str(options["person"]))
            found = export_person(person.pk, by=getpass.getuser())
        self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
