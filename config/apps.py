"""Makes `config` an application, so that error reports and traces start in each process."""

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register

from config import checks, telemetry


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import celery  # noqa: F401 - shared_task needs the application (Celery, "First steps with Django")

        register(checks.check_secret_key, deploy=True)
        telemetry.start(sentry_dsn=settings.SENTRY_DSN, traces_to=settings.OTEL_EXPORTER_OTLP_ENDPOINT)
