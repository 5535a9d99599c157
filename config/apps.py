"""Makes `config` an application, so that `manage.py up`, `test` and `bench` are found."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
