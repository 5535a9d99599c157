"""Makes this package an application, so that Django finds its commands: `up`, `prepare`, `test` and `bench`."""

from django.apps import AppConfig


class DevstackConfig(AppConfig):
    name = "config.devstack"
    label = "devstack"
