"""Errors to Sentry, traces to an OpenTelemetry collector: off, and not imported, unless an address is set."""

import os
import re
from importlib.util import find_spec
from typing import Any

from config.logs import EACH, without_links

ADDRESS = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+")
HIDDEN = "(address)"
UNTRACED = "healthz,readyz,api/metrics,/a/,/c/,/u/,/v/"
"""Not traced: health checks, because they tell nothing, and assignee pages, because their URLs are secret."""


def is_missing(*modules: str) -> bool:
    """Whether any of these modules is not installed."""
    try:
        return any(find_spec(module) is None for module in modules)
    except ModuleNotFoundError:
        return True


def start(*, sentry_dsn: str, traces_to: str) -> None:
    """Starts what an address is set for. Settings have checked that the packages are installed."""
    if sentry_dsn:
        _report_errors(sentry_dsn)
        # A fork copies the sender's queue with the waiting thread of the parent, which nothing wakes in the child: its
        # next error would stay there. So a child, such as one of a worker, begins with a client of its own.
        os.register_at_fork(after_in_child=lambda: _report_errors(sentry_dsn))
    if traces_to:
        _trace()


def _report_errors(dsn: str) -> None:
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        send_default_pii=False,
        # Local variables and request bodies contain people's names and addresses.
        include_local_variables=False,
        max_request_body_size="never",
        before_send=lambda event, hint: without_addresses(event),
        before_breadcrumb=lambda crumb, hint: counted(crumb),
    )


def counted(crumb: Any) -> Any:
    """The same breadcrumb; of a record about many things it keeps how many they were, for a hundred breadcrumbs are kept."""
    each = crumb.get("data", {}).pop(EACH, None)
    if each is not None:
        crumb["data"]["count"] = len(each)
    return crumb


def without_addresses(event: Any) -> Any:
    """The same event, with every e-mail address and every link to an assignee page replaced."""
    match event:
        case str():
            return ADDRESS.sub(HIDDEN, without_links(event))
        case dict():
            return {name: without_addresses(value) for name, value in event.items()}
        case list() | tuple():
            return [without_addresses(value) for value in event]
        case _:
            return event


def _trace() -> None:
    """The exporter reads its address and options from OpenTelemetry's own variables."""
    os.environ.setdefault("OTEL_PYTHON_DJANGO_EXCLUDED_URLS", UNTRACED)
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_SERVICE_NAME", "assignment-reminders")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    for instrumentor in (DjangoInstrumentor, CeleryInstrumentor, PsycopgInstrumentor):
        instrumentor().instrument()
