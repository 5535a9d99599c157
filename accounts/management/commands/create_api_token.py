"""`manage.py create_api_token NAME --scopes read,write,ops [--days N]`: prints the token once, and nothing else."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts import tokens
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

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        try:
            _, secret = tokens.issue(
                options["name"], scopes=scopes, days=options["days"], by=getpass.getuser()
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(secret)
