"""`manage.py create_api_token NAME --scopes read,write,ops [--days N]`: prints the token once, alone."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from config.access import tokens
from config.access.models import SCOPES


class Command(BaseCommand):
    help = "Makes an API token and prints it once, alone on standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="who will use it")
        parser.add_argument("--scopes", required=True, help="some of " + ",".join(SCOPES))
        parser.add_argument("--days", type=int, default=None, help="how long it is valid; without: for ever")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["days"]
        if days is not None and not 1 <= days <= 3650:
            raise CommandError(f"--days is {days}: a whole number from 1 to 3650 is needed")
        scopes = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        try:
            _, secret = tokens.issue(options["name"], scopes=scopes, days=days, by=getpass.getuser())
        except ValueError as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(secret)
