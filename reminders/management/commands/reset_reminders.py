"""`manage.py reset_reminders [--ids ...|--future] --reason ...`: reminds people again whose reminder is out of sync."""

import getpass
import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reminders import conf
from reminders.management.instants import EXAMPLE, instant
from reminders.management.progress import progress
from reminders.management.refusals import in_one_line
from reminders.operations import resets
from reminders.operations.plans import WORDS, Selection, Skipped
from reminders.operations.resets import ResetPlan


class Command(BaseCommand):
    help = (
        "Sets the reminder status back to NONE and plans anew. Without --ids or --future only what is really out of "
        "sync: the status says SENT, and no message was accepted for the current plan."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument("--ids", nargs="+", type=_id, metavar="ID", help="these assignments")
        scope.add_argument(
            "--future",
            action="store_true",
            help="every future assignment that is SENT; its people get a second reminder",
        )
        for name in ("--starts-after", "--starts-before"):
            parser.add_argument(
                name, type=instant, metavar="INSTANT", help=f"narrows all but --ids down, {EXAMPLE}"
            )
        parser.add_argument("--reason", required=True, help="kept in the audit trail")
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
        parser.add_argument("--json", action="store_true", help="answer as one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        ids = options["ids"]
        window = {name: options[name] for name in ("starts_after", "starts_before")}
        if ids is not None and any(window.values()):
            raise CommandError(
                "--ids stand alone: leave --starts-after and --starts-before out", returncode=2
            )
        selection = Selection(ids=None if ids is None else tuple(ids), future=options["future"], **window)
        with in_one_line():
            plan = resets.plan_reset(selection, config=conf.current())
            skipped, reset = plan.skipped, tuple(target.id for target in plan.targets)
            if not options["dry_run"]:
                total, hidden = len(plan.targets), options["json"]
                with progress(
                    "resetting", stream=self.stderr, unit="assignments", total=total, hidden=hidden
                ) as bar:
                    done = resets.run_reset(
                        plan, by=getpass.getuser(), reason=options["reason"], watch=bar.advance
                    )
                skipped, reset = done.skipped, done.ids
        answer = {
            "dry_run": options["dry_run"],
            "reset": list(reset),
            "people_nudged_again": plan.people_again,
            "skipped": [{"id": one.id, "why": one.why.value} for one in skipped],
        }
        if options["json"]:
            self.stdout.write(json.dumps(answer))
        else:
            self.stdout.write(_in_words(plan, reset, skipped, dry_run=options["dry_run"]))


def _id(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) < 2**63:
        raise ArgumentTypeError(f"{text[:40]!r} is not the number of an assignment")
    return int(text)


def _in_words(plan: ResetPlan, reset: tuple[int, ...], skipped: tuple[Skipped, ...], *, dry_run: bool) -> str:
    asked = len(plan.targets) + len(plan.skipped)
    if dry_run:
        first = (
            f"{len(reset)} of {asked} would be reset; {plan.people_again} people would get a second reminder."
        )
    else:
        first = f"{len(reset)} of {asked} reset; {plan.people_again} people will get a second reminder."
    left = [f"  assignment {one.id} is left alone: {WORDS[one.why]}" for one in skipped]
    return "\n".join([first, *left])
