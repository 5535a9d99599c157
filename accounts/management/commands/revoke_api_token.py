"""`manage.py revoke_api_token NAME-OR-PREFIX --reason ...`: the token is refused from now on."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts import tokens
from accounts.errors import AccountError


class Command(BaseCommand):
    help = "Revokes an API token: it is refused from now on. The record of what was done with it stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("token", help="its name, its prefix (art_...), or the whole token")
        parser.add_argument("--reason", required=True, help="kept in the audit trail")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            token = tokens.find(options["token"])
            revoked = tokens.revoke([token.pk], by=getpass.getuser(), reason=options["reason"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from error
        except AccountError as error:
            raise CommandError(str(error)) from error
        result = "is revoked: it is refused from now on" if revoked else "had been revoked before"
        self.stdout.write(f"Token {token.name} ({token.prefix}...) {result}.")
