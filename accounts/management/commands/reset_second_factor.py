"""`manage.py reset_second_factor NAME --reason ...`: for somebody who has lost it."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts import second_factors
from accounts.errors import AccountError


class Command(BaseCommand):
    help = "Takes all second factors, passkeys and recovery codes from a person, who then signs in by password alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="by which the person signs in")
        parser.add_argument("--reason", required=True, help="kept in the audit trail")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            person = second_factors.person_named(options["name"])
            kinds = second_factors.reset(person, by=getpass.getuser(), reason=options["reason"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from error
        except AccountError as error:
            raise CommandError(str(error)) from error
        removed = ", ".join(kinds)
        self.stdout.write(
            f"{options['name']}: removed {removed}." if kinds else f"{options['name']} has none."
        )
