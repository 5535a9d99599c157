"""`manage.py setup_reminders`: beat entries and roles, as the settings want them; run it as often as you like."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts import roles
from reminders import conf
from reminders.delivery import beat_schedule
from reminders.management.refusals import in_one_line


class Command(BaseCommand):
    help = (
        "Makes or corrects the beat entries (interval, queue, expiry; never whether they are switched on) "
        "and the groups of viewers and operators."
    )

    def handle(self, *_: Any, **options: Any) -> None:
        with in_one_line():
            done = [*beat_schedule.set_up(conf.current()), *roles.set_up()]
        if options["verbosity"]:
            self.stdout.write("\n".join(done) or "Beat entries and roles are as they should be.")
