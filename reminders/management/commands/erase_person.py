"""`manage.py erase_person PERSON --reason ...`: erases what is known of a person, by reference or id."""

import getpass
import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reminders.management.progress import progress
from reminders.management.refusals import in_one_line
from reminders.operations import erasing
from reminders.operations.erasing import ErasurePlan, ErasureState


class Command(BaseCommand):
    help = (
        "Erases what is known of a person (a reference or an id): name, addresses, notes, tokens go; figures and history "
        "stay under a pseudonym. Shows what goes and what stays, and asks before it acts. Nothing brings it back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("person", help="reference or id of the person")
        parser.add_argument("--reason", default="", help="kept in the audit trail; name nobody in it")
        parser.add_argument("--by", default="", help="who does it, for the audit trail; default: your login")
        parser.add_argument(
            "--dry-run", action="store_true", help="only show what would go and what would stay"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--json", action="store_true", help="answer as one line of JSON")
        parser.add_argument(
            "--lift",
            action="store_true",
            help="of somebody who was erased: let whoever comes with the former reference and addresses be entered as "
            "somebody new",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with in_one_line():
            person = erasing.person_by(options["person"])
            by = options["by"] or getpass.getuser()
            if options["lift"]:
                self._lift(person.pk, by=by, options=options)
                return
            if person.erased_at is None:
                plan = erasing.plan_erasure(person.pk, seconds=None)
                if options["dry_run"]:
                    self._answer(options, plan.as_json(), _planned(plan))
                    return
                if plan.refusal:
                    raise CommandError(plan.refusal)
                self._ask(plan, options)
            elif options["dry_run"]:
                done = erasing.state_of(person.merged_into_id or person.pk)
                self._answer(options, done.as_json(), _done(done))
                return
            reason = options["reason"] or ("goes on" if person.erased_at else "")
            with progress("erasing", stream=self.stderr, unit="steps", hidden=options["json"]) as bar:
                done = erasing.erase(
                    person.pk,
                    by=by,
                    reason=reason,
                    seconds=None,
                    progress=lambda table: bar.advance(about=table),
                )
        self._answer(options, done.as_json(), _done(done))

    def _ask(self, plan: ErasurePlan, options: dict[str, Any]) -> None:
        """Shows the plan and waits for the id of the person, unless --yes says so."""
        if options["yes"]:
            return
        if options["json"] or not sys.stdin.isatty():
            raise CommandError("nobody can be asked here: --yes erases without asking", returncode=2)
        self.stdout.write(_planned(plan))
        self.stdout.write(f"Nothing brings it back. Type {plan.person.pk} to erase this person: ", ending="")
        self.stdout.flush()
        if input().strip() != str(plan.person.pk):
            raise CommandError("nothing was done")

    def _lift(self, person_id: int, *, by: str, options: dict[str, Any]) -> None:
        number = erasing.allow_again(person_id, by=by, reason=options["reason"])
        words = (
            f"{number} references and addresses of person {person_id} may be entered again, as somebody new."
        )
        self._answer(options, {"person": person_id, "lifted": number}, words)

    def _answer(self, options: dict[str, Any], answer: dict[str, object], words: str) -> None:
        self.stdout.write(json.dumps(answer) if options["json"] else words)


def _planned(plan: ErasurePlan) -> str:
    lines = [f"Person {plan.person.pk} becomes {plan.pseudonym}."]
    for title, rows, words in (
        ("Goes", plan.goes, _words),
        ("Stays, under the pseudonym", plan.stays, _words),
        ("Texts that name them, by table", plan.texts, str),
    ):
        lines += [f"{title}:", *(f"  {words(name)}: {number:,}" for name, number in rows.items() if number)]
        if not any(rows.values()):
            lines.append("  nothing")
    if plan.login:
        lines.append(
            "An account that signs in has an e-mail address of theirs. It stays: remove it in the admin."
        )
    if plan.refusal:
        lines.append(f"It cannot be done now: {plan.refusal}.")
    return "\n".join(lines)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _done(done: ErasureState) -> str:
    lines = [f"Person {done.person} is {done.pseudonym} since {done.erased_at:%Y-%m-%d %H:%M:%S} UTC."]
    lines += ["Texts that named them, by table:", *(f"  {name}: {n:,}" for name, n in done.texts.items())]
    if not done.texts:
        lines.append("  none")
    if not done.finished:
        lines.append("Some texts are still to be looked at: the scanner goes on, or this command again.")
    return "\n".join(lines)
