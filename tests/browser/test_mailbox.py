"""The mailbox of the local system in a real browser: links work, and nothing of a hostile mail does anything."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from playwright.sync_api import expect

from assignments.models import Status
from config.devstack.mail_sink import Folder
from notifications.channels.email import mime
from notifications.message import Message
from reminders.content import links
from reminders.content.links import Link
from tests.browser.test_accessibility import PHONE, look_at
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = """\
<base href="https://evil.example/">
<script>document.title = 'broken'; parent.document.title = 'broken'; top.location = '/ops/'</script>
<meta http-equiv="refresh" content="0; url=https://evil.example/">
<img src="https://evil.example/pixel.png" onerror="top.document.title = 'broken'">
<img src="/static/ops/icon.svg?pixel">
<link rel="stylesheet" href="https://evil.example/style.css">
<iframe src="https://evil.example/"></iframe><object data="https://evil.example/"></object>
<a id="script" href="javascript:top.document.title = 'broken'">run</a>
<a id="top" href="/ops/queue" target="_top">leave</a>
<form action="/ops/act/pause" method="post"><button id="send">send</button></form>
<svg onload="top.document.title = 'broken'"></svg>
<p style="color: green">the end</p>
"""


@pytest.fixture
def folder(site, settings, tmp_path):
    settings.MAIL_SINK_DIR = tmp_path / "mail"
    settings.PUBLIC_URL = site
    return Folder(settings.MAIL_SINK_DIR)


def store(folder, **more):
    values = {
        "message_id": "1@example.test",
        "address": "ana@example.test",
        "name": "Ana Müller",
        "subject": "Reminder: Replace water meter, Mon 15 Jun, 12:30",
        "text": "Hello Ana,\n\nReplace water meter starts in 30 minutes.\n",
        "html": "",
        "language": "en",
        **more,
    }
    content = mime.serialized(
        Message(**values), sender_header="From: Assignment reminders <r@localhost>\r\n", at=datetime.now(UTC)
    )
    return folder.store(content, sender="r@localhost", recipients=["ana@example.test"]).stem


def reminder(folder):
    work = AssignmentFactory(
        title="Replace water meter", scheduled_start=timezone.now() + timedelta(minutes=20)
    )
    link = links.url_of(Link(work.pk, work.assignee_id, 1))
    name = store(
        folder,
        text=f"Hello Ana,\n\nReplace water meter starts in 20 minutes.\n\nConfirm it here:\n{link}\n",
        html=f'<!doctype html><body style="color:#1d5fa8"><p>Hello Ana</p><a href="{link}">Confirm</a></body>',
    )
    return work, name


def test_a_mail_is_three_taps_from_the_overview_and_its_link_one_more(visit, folder):
    work, _ = reminder(folder)
    page = visit("olga", "/ops/", viewport=PHONE)
    page.locator("header").get_by_text("Menu", exact=True).click()
    page.get_by_role("link", name="Mailbox").click()
    page.get_by_role("link", name="Reminder: Replace water meter").click()
    page.locator("pre").get_by_role("link").click()
    page.get_by_role("button", name="I have started").click()
    expect(page.get_by_role("status")).to_contain_text("This has begun.")
    work.refresh_from_db()
    assert work.status == Status.IN_PROGRESS


def test_a_link_of_the_html_part_opens_a_window_in_which_its_page_works(visit, folder):
    work, name = reminder(folder)
    page = visit("olga", f"/ops/mailbox/{name}")
    with page.expect_popup() as opened:
        page.frame_locator("iframe").get_by_role("link", name="Confirm").click()
    opened.value.get_by_role("button", name="Yes, I will be there").click()
    expect(opened.value.get_by_role("status")).to_contain_text("You have confirmed")
    expect(page).to_have_url(re.compile(rf"/ops/mailbox/{name}$"))
    work.refresh_from_db()
    assert work.answer == "CONFIRMED"


@pytest.mark.parametrize("alone", [False, True], ids=["in its frame", "opened by itself"])
def test_a_hostile_mail_runs_nothing_loads_nothing_and_leads_nowhere(contexts, site, folder, client, alone):
    name = store(folder, html=HOSTILE, subject=HOSTILE, text=HOSTILE, name=HOSTILE)
    client.force_login(get_user_model().objects.get(username="olga"))
    context = contexts.take(base_url=site, locale="en-GB")
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}])
    loaded = []

    def load(route):  # what a policy forbids does not come here
        loaded.append(route.request.url.removeprefix(site))
        route.continue_() if route.request.url.startswith(site) else route.abort()

    context.route("**", load)
    page = context.new_page()
    windows = context.pages
    page.on("dialog", lambda dialog: loaded.append(f"dialog {dialog.message}"))
    path = f"/ops/mailbox/{name}/html" if alone else f"/ops/mailbox/{name}"
    page.goto(path)
    part = page if alone else page.frame_locator("iframe")
    expect(part.get_by_text("the end")).to_have_css("color", "rgb(0, 128, 0)")
    title = page.title()
    assert title != "broken"
    part.locator("#send").click()
    part.locator("#script").click()
    if not alone:
        part.locator("#top").click()
    expect(part.get_by_text("the end")).to_be_visible()
    assert page.url == site + path
    assert (page.title(), context.pages) == (title, windows)
    own = {url for url in loaded if url.startswith("/static/ops/") and "pixel" not in url}
    assert set(loaded) - own == {path, f"/ops/mailbox/{name}/html"}


def test_everybody_can_use_the_mailbox(visit, folder):
    page = visit("olga", "/ops/")
    look_at(page, "/ops/mailbox")
    _, name = reminder(folder)
    store(folder, subject="Überlänge " * 30, name="x" * 200, text="x" * 500 + "\n" + HOSTILE)
    for path in ("/ops/mailbox", f"/ops/mailbox/{name}", "/ops/mailbox/nothing"):
        look_at(page, path)
