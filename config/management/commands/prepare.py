"""`manage.py prepare`: makes a database and a folder ready for the processes; run it as often as you like."""

import argparse
import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from assignments.models import Assignment
from config.embedded import write_private

OPS = "ops"


class Command(BaseCommand):
    help = "Migrates, makes beat entries and roles; with --static and --login also what one machine needs."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--static", action="store_true", help="collect static files if they changed")
        parser.add_argument("--login", metavar="FILE", help="make an Ops login if nobody can log in yet")
        parser.add_argument("--require-empty", action="store_true", help="refuse a database with assignments")

    def handle(self, *_: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        if options["require_empty"] and Assignment.objects.exists():
            raise CommandError(
                "the database that DATABASE_URL names has assignments already: --demo wants an empty one, so that "
                "sample reminders never mix with real ones"
            )
        call_command("setup_reminders")
        if options["static"]:
            collect_static()
        if options["login"]:
            self.stdout.write(json.dumps({"login": ops_login(Path(options["login"]))}))


def collect_static() -> None:
    """Collect when a file was added, removed or changed since the last time."""
    known = Path(settings.STATE_DIR) / "static.digest"
    seen = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            seen.update(f"{name} {storage.size(name)} {storage.get_modified_time(name)}\n".encode())
    if known.exists() and known.read_text() == seen.hexdigest() and Path(settings.STATIC_ROOT).is_dir():
        return
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    known.write_text(seen.hexdigest())


def ops_login(password_file: Path) -> str | None:
    """The name of the login whose password is in the file, or None where people have their own logins.

    The login is made only if there is no staff user at all; the password is never printed.
    """
    users = get_user_model().objects
    if not users.filter(is_staff=True).exists():
        password = secrets.token_urlsafe(12)
        write_private(password_file, password)
        users.create_superuser(username=OPS, password=password)
        return OPS
    ours = users.filter(username=OPS, is_active=True, is_staff=True).first()
    if ours is not None and password_file.exists() and ours.check_password(password_file.read_text().strip()):
        return OPS
    return None
