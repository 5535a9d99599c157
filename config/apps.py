"""Makes `config` an application: `manage.py up`, `test` and `bench` are found, and each process may report."""

from django.apps import AppConfig
from django.conf import settings

from config import telemetry


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        telemetry.start(sentry_dsn=settings.SENTRY_DSN, traces_to=settings.OTEL_EXPORTER_OTLP_ENDPOINT)
