"""`manage.py prepare`: migrates and sets up what the processes need, here and in production; idempotent."""

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
from config.devstack import application_role
from config.devstack.state import write_private

OPS = "ops"


class Command(BaseCommand):
    help = "Migrates, sets up beat entries and roles; with --static and --login also what a single machine needs."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--static", action="store_true", help="collect static files if they changed")
        parser.add_argument(
            "--login", metavar="FILE", help="create an Ops login if there is no staff user yet"
        )
        parser.add_argument("--require-empty", action="store_true", help="refuse a database with assignments")

    def handle(self, *_: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        if settings.DATABASE_URL:
            application_role.set_up(settings.DATABASE_URL)
        if options["require_empty"] and Assignment.objects.exists():
            raise CommandError(
                "the database that DATABASE_URL names has assignments already: --demo needs an empty one, so that "
                "sample reminders never mix with real ones"
            )
        call_command("setup_reminders")
        if options["static"]:
            collect_static()
        if options["login"]:
            self.stdout.write(json.dumps({"login": ops_login(Path(options["login"]))}))


def collect_static() -> None:
    """Collect static files if one was added, removed or changed since the last time."""
    digest_file = Path(settings.STATE_DIR) / "static.digest"
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            digest.update(f"{name} {storage.size(name)} {storage.get_modified_time(name)}\n".encode())
    if (
        digest_file.exists()
        and digest_file.read_text() == digest.hexdigest()
        and Path(settings.STATIC_ROOT).is_dir()
    ):
        return
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    digest_file.write_text(digest.hexdigest())


def ops_login(password_file: Path) -> str | None:
    """The name of the login whose password is in the file, or None if people have their own logins.

    The login is created only if there is no staff user at all; the password is never printed.
    """
    users = get_user_model().objects
    if not users.filter(is_staff=True).exists():
        password = secrets.token_urlsafe(12)
        write_private(password_file, password)
        users.create_superuser(username=OPS, password=password)
        return OPS
    user = users.filter(username=OPS, is_active=True, is_staff=True).first()
    if user is not None and password_file.exists() and user.check_password(password_file.read_text().strip()):
        return OPS
    return None
