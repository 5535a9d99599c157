"""`manage.py update_translations`: brings the catalogues of translated texts up to date with their sources."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Extracts the texts marked for translation into the .po files, and compiles those into .mo files."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="changes nothing; fails if anything is missing"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            from config.devstack import translations
        except ImportError as missing:
            raise CommandError(f"{missing}: it is among the packages for development") from missing
        if not options["check"]:
            for catalogue in translations.CATALOGUES:
                for path in translations.update(catalogue):
                    self.stdout.write(f"written: {path.relative_to(translations.ROOT)}")
        wrong = list(translations.all_problems())
        for line in wrong:
            self.stderr.write(line)
        if options["check"] and wrong:
            raise CommandError(f"{len(wrong)} problems in the catalogues")
