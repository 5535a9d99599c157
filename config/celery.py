"""The Celery application: `celery -A config worker` and `celery -A config beat` start here."""

import functools
import gc
import logging
import os
from typing import TYPE_CHECKING

from celery import Celery
from celery.signals import (
    beat_init,
    worker_before_create_process,
    worker_init,
    worker_process_init,
    worker_ready,
)

from config import broker_transport, supervision

if TYPE_CHECKING:
    from django.core.checks import CheckMessage

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Celery would run all system checks, those of addresses too, and so load every page into each worker.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

OF_PAGES = {"admin", "security", "staticfiles", "templates", "urls"}
"""Tags of the checks that load pages, or are about requests. `manage.py check` and the web processes run them."""

broker_transport.register()
app = Celery("reminders")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["reminders.delivery"])


@functools.cache
def run_checks() -> list["CheckMessage"]:
    """What Django's system checks find, but those of pages. They connect to nothing, and a fork need not repeat them."""
    from django.core import checks

    return checks.run_checks(tags=sorted(checks.registry.registry.tags_available() - OF_PAGES))


@worker_init.connect
@beat_init.connect
def refuse_bad_settings(**_: object) -> None:
    """Stops the process if a system check finds an error, as `manage.py` commands do.

    Only SystemExit ends a Celery process from a signal receiver; Celery logs any other exception and goes on.
    """
    from django.core.checks import ERROR

    from config.checks import check_pooler, check_secret_key

    problems = [
        problem
        for problem in [*run_checks(), *check_secret_key(None), *check_pooler(None)]
        if problem.level >= ERROR
    ]
    if problems:
        raise SystemExit("\n".join(str(problem) for problem in problems))


@worker_before_create_process.connect
def share_memory(**_: object) -> None:
    """What is loaded by now stays shared with the processes of the pool: their collector leaves it alone, and so does not
    write to it (`gc.freeze`, Python library reference).
    """
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def save_time(**_: object) -> None:
    """In the processes that send no line of the log looks up what no formatter shows."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


# A worker is ready when it takes messages, beat when it starts to send them.
worker_ready.connect(supervision.ready)
beat_init.connect(supervision.ready)
