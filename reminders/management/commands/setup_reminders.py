"""`manage.py setup_reminders`: beat entries and roles, as the settings want them; run it as often as you like."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from assignments.transactions import sqlstate
from reminders import conf, roles, schedule


class Command(BaseCommand):
    help = (
        "Makes or corrects the beat entries (interval, queue, expiry; never whether they are switched on) "
        "and the groups of viewers and operators."
    )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            done = [*schedule.set_up(conf.current()), *roles.set_up()]
        except roles.NotMigrated as trouble:
            raise CommandError(str(trouble)) from trouble
        except DatabaseError as trouble:
            raise CommandError(
                f"the database does not do it ({type(trouble).__name__} {sqlstate(trouble)}): is it migrated?"
            ) from trouble
        if options["verbosity"]:
            self.stdout.write("\n".join(done) or "Beat entries and roles are as they should be.")
