"""`manage.py create_api_token NAME --scopes read,write,ops`: prints the token once, and nothing else."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts import tokens
from accounts.limits import teams_named
from accounts.models import MAX_LIFETIME_DAYS, SCOPES


class Command(BaseCommand):
    help = "Creates an API token and prints it once, alone on standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="who will use it")
        parser.add_argument("--scopes", required=True, help="some of " + ",".join(SCOPES))
        parser.add_argument(
            "--days",
            type=int,
            default=None,
            help=f"lifetime, 1 to {MAX_LIFETIME_DAYS}; default: until it is revoked",
        )
        parser.add_argument(
            "--team",
            action="append",
            metavar="NAME",
            help="a team that the token is limited to; may be repeated; default: it sees everything",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        try:
            teams = None if options["team"] is None else teams_named(options["team"])
            _, secret = tokens.issue(
                options["name"], scopes=scopes, days=options["days"], by=getpass.getuser(), teams=teams
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(secret)
