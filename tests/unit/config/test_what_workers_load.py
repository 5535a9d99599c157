"""A worker loads no page: it starts sooner, and each of its processes is smaller."""

import gc
import subprocess
import sys
from functools import cache

import pytest
from celery.signals import worker_before_create_process
from django.core import checks

from config.celery import OF_PAGES
from tests.starter import run_code

START = """
import sys
from config.celery import app
app.loader.import_default_modules()
app.loader.init_worker()
app.amqp.queues.select(sys.argv[1])
from celery.signals import worker_init
worker_init.send(sender=type("Worker", (), {"app": app}))
"""
PAGES = """
print(*[name for name in sys.modules if name.startswith("reminders.web.") and ".templatetags" not in name])
print(*[name for name in ("requests", "rest_framework.serializers", "markdown") if name in sys.modules])
"""
TEXTS = """
from django.template import engines
loaders = [engine.engine.template_loaders[0] for engine in engines._engines.values()]
print(*[name for loader in loaders for name in loader.get_template_cache if "/reminder." in name])
"""

COLLECTOR = """
import gc
print(gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() > 100_000)
"""


def started(queue: str, then: str) -> subprocess.CompletedProcess[str]:
    """A worker of this queue up to where it would start its pool."""
    return subprocess.run(
        [sys.executable, "-c", START + then, queue],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@cache
def looked_at(queue: str) -> subprocess.CompletedProcess[str]:
    """A line of the pages that it has loaded, one of what they need, one of its texts, and one of its garbage collector."""
    return started(queue, PAGES + TEXTS + COLLECTOR)


@pytest.mark.parametrize("queue", ["reminders", "reminders.scan"])
def test_a_worker_loads_no_page_and_checks_its_settings(queue):
    """The template engine loads the tags of pages; that is all."""
    ended = looked_at(queue)
    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert ended.stdout.splitlines()[:2] == ["reminders.web.apps", ""]


@pytest.mark.parametrize(
    ("queue", "loaded"),
    [
        ("reminders", ["reminders/mail/reminder.txt", "reminders/mail/reminder.html"]),
        ("reminders.scan", []),
    ],
)
def test_a_worker_that_delivers_has_its_texts_before_its_pool_starts_and_a_scanner_has_none(queue, loaded):
    ended = looked_at(queue)
    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert ended.stdout.splitlines()[2].split() == loaded


def test_a_process_that_has_started_looks_for_garbage_seldom_and_in_nothing_that_it_has_imported():
    assert looked_at("reminders").stdout.splitlines()[3] == "True (20000, 10, 10) True"


@pytest.mark.parametrize("setting", ["REMINDER_LEAD_MINUTES=soon", "TIME_ZONE=Nowhere/Here"])
def test_a_worker_with_bad_settings_ends(setting, monkeypatch):
    name, _, value = setting.partition("=")
    monkeypatch.setenv(name, value)
    ended = run_code(START, "reminders")
    assert ended.returncode == 1
    assert name in ended.stderr


def test_what_is_loaded_before_the_pool_begins_is_shared_with_it():
    gc.unfreeze()
    worker_before_create_process.send(sender=None)
    assert gc.get_freeze_count() > 100_000


def test_the_pages_of_the_admin_hold_to_its_checks():
    """They are registered with the addresses; `manage.py check` may look at them before."""
    from config import urls

    assert urls.urlpatterns
    assert checks.run_checks(tags=OF_PAGES) == []
