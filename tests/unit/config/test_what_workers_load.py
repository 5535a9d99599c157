"""A worker loads no page: it starts sooner, and each of its processes is smaller."""

import gc
import subprocess
import sys

import pytest
from celery.signals import worker_before_create_process
from django.core import checks

from config.celery import OF_PAGES

START = """
import sys
from config.celery import app
app.loader.import_default_modules()
app.loader.init_worker()
from celery.signals import worker_init
worker_init.send(sender=app)
print(*[name for name in sys.modules if name.startswith("reminders.web.")])
"""


def test_a_worker_loads_no_page_and_checks_its_settings():
    ended = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert ended.stdout.split() == ["reminders.web.apps"]


@pytest.mark.parametrize("setting", ["REMINDER_LEAD_MINUTES=soon", "TIME_ZONE=Nowhere/Here"])
def test_a_worker_with_bad_settings_ends(setting, monkeypatch):
    name, _, value = setting.partition("=")
    monkeypatch.setenv(name, value)
    ended = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, timeout=120, check=False
    )
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
