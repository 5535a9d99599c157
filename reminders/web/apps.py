"""An application of its own, so that Django finds its admin, templates, template tags and static files."""

from django.apps import AppConfig


class RemindersWebConfig(AppConfig):
    name = "reminders.web"
    label = "reminders_web"
