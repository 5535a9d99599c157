"""The noun: what is to be done, by whom and when."""

from django.apps import AppConfig


class AssignmentsConfig(AppConfig):
    name = "assignments"
