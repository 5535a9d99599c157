"""The Django application; it has no models."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from notifications.channels import registry

        registry.import_checks()
