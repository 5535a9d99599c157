"""`manage.py end_sessions NAME --reason ...`: the person is signed out everywhere."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts import second_factors, user_sessions
from accounts.errors import AccountError


class Command(BaseCommand):
    help = "Ends all sessions of a person, who is then signed in nowhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="by which the person signs in")
        parser.add_argument("--reason", required=True, help="kept in the audit trail")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            person = second_factors.person_named(options["name"])
            ended = user_sessions.end(person, by=getpass.getuser(), reason=options["reason"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from error
        except AccountError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Sessions of {options['name']} ended: {ended}.")
