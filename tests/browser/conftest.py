"""A real browser before a real web server, which shows the scene."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from reminders.conf import ReminderConfig
from reminders.web.ops import maintenance
from tests.browser import scene
from tests.browser.contexts import PATIENCE_MS, Contexts
from tests.browser.scene import Scene

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
"""Any of them will do. The first has no windows, and takes less than half of the time of a processor."""
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    # What is drawn needs no way from one process to another.
    "--in-process-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # One process for all pages of a context.
    "--disable-site-isolation-trials",
    "--renderer-process-limit=1",
]


@pytest.fixture(scope="package")
def browser(django_db_setup: None) -> Iterator[Browser]:
    """One Chromium for the tests of this folder.

    While it runs, an event loop runs in this thread, and there Django keeps connections apart from those outside
    (`asgiref.local.Local`). So the test database is made before, and what was opened meanwhile is closed: it would be in
    the way when that database is removed.
    """
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    # Playwright keeps an event loop in this thread; the tests' own queries are not run by it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as playwright:
            launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            expect.set_options(timeout=PATIENCE_MS)
            yield launched
            launched.close()
            connections.close_all()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def site(live_server, settings, monkeypatch) -> str:
    monkeypatch.setattr(maintenance, "CANARY_TIMEOUT", timedelta(seconds=0.2))  # There is no worker here.
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    scene.logins()
    return str(live_server.url)


@pytest.fixture
def stage(site: str, config: ReminderConfig) -> Scene:
    """Work in every fate."""
    return scene.set_up(config)


@pytest.fixture(scope="package")
def reused(browser: Browser) -> Contexts:
    return Contexts(browser)


@pytest.fixture
def contexts(reused: Contexts) -> Iterator[Contexts]:
    yield reused
    reused.give_back()


@pytest.fixture
def visit(contexts: Contexts, site: str, client) -> Iterator[Callable[..., Page]]:
    """Opens a page of the site as somebody; what a page must never do is checked at the end."""
    wrong: list[str] = []

    def go(name: str, path: str, *, viewport: ViewportSize | None = None, **options) -> Page:
        context = contexts.take(**{"base_url": site, "locale": "en-GB", **options})
        if name:
            client.force_login(get_user_model().objects.get(username=name))
            cookie = client.cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": cookie, "url": site}])
        page = context.new_page()
        if viewport:
            page.set_viewport_size(viewport)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console",
            lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None,
        )
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(site) else wrong.append(f"asked {asked.url}"),
        )
        page.goto(path)
        return page

    yield go
    contexts.give_back()  # What the pages have still to say is heard.
    assert wrong == []
