"""Makes `config` an application, so that error reports and traces start in each process."""

import gc

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register

from config import checks, telemetry

OBJECTS_BEFORE_COLLECTION = 20_000
"""Python looks for cycles after so many new objects. A page or a slice of sends makes thousands, and all go without."""


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import celery  # noqa: F401 - shared_task needs the application (Celery, "First steps with Django")

        register(checks.check_secret_key, deploy=True)
        gc.freeze()
        gc.set_threshold(OBJECTS_BEFORE_COLLECTION, 10, 10)
        telemetry.start(sentry_dsn=settings.SENTRY_DSN, traces_to=settings.OTEL_EXPORTER_OTLP_ENDPOINT)
