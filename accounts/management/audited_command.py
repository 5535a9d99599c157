"""A command that does one thing to what it is given, with a reason for the audit trail."""

import getpass
from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.errors import AccountError


class AuditedCommand(BaseCommand):
    """`given` is the name of its argument and what that is."""

    given: ClassVar[tuple[str, str]]

    def act(self, given: str, *, by: str, reason: str) -> str:
        """Does it; returns what was done. Raises ValidationError or AccountError."""
        raise NotImplementedError

    def add_arguments(self, parser: ArgumentParser) -> None:
        name, meaning = self.given
        parser.add_argument(name, help=meaning)
        parser.add_argument("--reason", required=True, help="kept in the audit trail")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            done = self.act(options[self.given[0]], by=getpass.getuser(), reason=options["reason"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from error
        except AccountError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(done)
