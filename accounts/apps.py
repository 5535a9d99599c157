"""The application `accounts`."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    # Tables, migrations, content types and permissions of existing databases carry this label, also while an earlier
    # release runs beside this one (docs/decisions/0014).
    label = "access"
    verbose_name = "API access"

    def ready(self) -> None:
        """Listens to django-allauth."""
        from accounts import receivers

        receivers.connect()
