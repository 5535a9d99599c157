"""The Django application of the pages and the API: templates and static files."""

from django.apps import AppConfig


class RemindersWebConfig(AppConfig):
    name = "reminders.web"
    label = "reminders_web"
