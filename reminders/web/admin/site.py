"""Registers the admin's pages. Only processes that answer requests load them, with their addresses."""

from django.contrib import admin


def register_pages() -> None:
    """Registers the pages of all applications, ours last, for they take the place of some; and names the site."""
    admin.autodiscover()
    for model in list(admin.site._registry):
        if model.__module__.startswith("allauth."):  # Secrets of second factors are among them.
            admin.site.unregister(model)

    from accounts import people_admin  # noqa: F401 - it takes the place of Django's own
    from reminders.web.admin import (  # noqa: F401 - they register themselves
        assignees,
        assignments,
        calendars,
        records,
        rules,
        schedule,
        teams,
        tools,
    )

    admin.site.site_header = admin.site.site_title = "Assignment reminders"
    admin.site.index_title = "Assignments, reminders and the records of the system"
