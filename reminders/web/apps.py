"""An application of its own, so that Django finds its templates, template tags and static files."""

from django.apps import AppConfig


class RemindersWebConfig(AppConfig):
    name = "reminders.web"
    label = "reminders_web"

    def ready(self) -> None:
        """Registers the admin's pages, and names the site."""
        from django.contrib import admin

        from reminders.web.admin import (  # noqa: F401 - they register themselves
            assignees,
            assignments,
            records,
            rules,
            schedule,
            teams,
            tools,
        )

        admin.site.site_header = admin.site.site_title = "Assignment reminders"
        admin.site.index_title = "Assignments, reminders and the records of the system"
