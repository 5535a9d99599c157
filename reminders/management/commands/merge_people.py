"""Merges a person who was entered twice into one."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from assignments.services import Refused
from reminders import conf
from reminders.operations import merging


class Command(BaseCommand):
    """Without --yes it shows what would move, and moves nothing."""

    help = "Merges the person GONE into the person KEPT (ids). Without --yes it only shows what would move."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kept", type=int, help="the id of the person who stays")
        parser.add_argument("gone", type=int, help="the id of the person who was entered twice")
        parser.add_argument("--reason", default="", help="kept in the audit trail; needed with --yes")
        parser.add_argument("--by", default="command line", help="who does it, for the audit trail")
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, *args: Any, **options: Any) -> None:
        kept, gone = options["kept"], options["gone"]
        try:
            if options["yes"]:
                plan = merging.merge(
                    kept, gone, by=options["by"], reason=options["reason"], config=conf.current()
                )
            else:
                plan = merging.plan_merge(kept, gone)
        except ValidationError as refusal:
            raise CommandError(" ".join(refusal.messages)) from refusal
        except Refused as refusal:
            raise CommandError(f"Nothing was done: {refusal}.") from refusal
        moved = plan.merge
        self.stdout.write(
            f"Person {gone} {'was' if options['yes'] else 'would be'} merged into person {kept}:"
        )
        for name, number in (
            ("assignments", len(moved.assignments)),
            ("addresses", len(moved.points)),
            ("addresses that both have", len(moved.known)),
            ("teams that they supervise", len(moved.teams)),
            ("reminder rules", len(plan.rules)),
            ("opt-outs", len(plan.opt_outs)),
        ):
            self.stdout.write(f"  {name}: {number}")
        if not options["yes"]:
            self.stdout.write("Nothing was done. With --yes and --reason it is.")
