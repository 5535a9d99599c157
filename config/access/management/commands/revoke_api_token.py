"""`manage.py revoke_api_token NAME-OR-PREFIX --reason ...`: the token is refused from now on."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.access import tokens
from reminders.management.refusals import in_one_line


class Command(BaseCommand):
    help = "Revokes an API token: it is refused from now on. What was done with it stays on record."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("token", help="its name, its prefix (art_...), or the whole token that was found")
        parser.add_argument("--reason", required=True, help="kept in the audit trail")

    def handle(self, *_: Any, **options: Any) -> None:
        with in_one_line():
            token = tokens.find(options["token"])
            revoked = tokens.revoke([token.pk], by=getpass.getuser(), reason=options["reason"])
        said = "is revoked: it is refused from now on" if revoked else "had been revoked before"
        self.stdout.write(f"Token {token.name} ({token.prefix}...) {said}.")
