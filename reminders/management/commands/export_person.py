"""Writes everything that is known of one person as JSON."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reminders.insight.person_export import person_export
from reminders.operations.contact_points import UnknownPerson, person_of


class Command(BaseCommand):
    """It reads, and changes nothing."""

    help = (
        "Writes what is known of a person (an id) as JSON: addresses, work, messages, acts, opt-outs, audit."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", type=int, help="the id of the person")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = person_of(options["person"])
        except UnknownPerson as refusal:
            raise CommandError(f"{refusal}") from refusal
        if found.merged_into_id is not None:
            raise CommandError(
                f"person {found.pk} was merged into person {found.merged_into_id}: ask for that one"
            )
        self.stdout.write(json.dumps(person_export(found), indent=2, ensure_ascii=False))
