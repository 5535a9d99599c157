"""axe-core finds no serious fault: on every page, in light and dark, on a desk and on a phone."""

from typing import Literal
from weakref import WeakSet

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from reminders.operations import pauses
from tests.browser import scene
from tests.browser.axe import AXE, OF_WIDTH, faults

pytestmark = pytest.mark.django_db(transaction=True)

DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 375, "height": 800}

LOOKS: tuple[tuple[Literal["light", "dark"], ViewportSize, list[str] | None], ...] = (
    ("light", DESK, None),
    ("dark", DESK, []),
    ("light", PHONE, OF_WIDTH),
)
"""What is asked beside the colours: everything, and then what may differ."""

has_axe: WeakSet[Page] = WeakSet()


def look_at(page: Page, path: str) -> None:
    """One page in light and dark on a desk, and on a phone."""
    if page not in has_axe:
        has_axe.add(page)
        page.add_init_script(AXE)  # Not as a script of the page: the policy would forbid it, as it should.
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESK)
    shown = page.goto(path)
    assert shown is not None
    assert shown.status < 500, path
    expect(page.locator(".spinner")).to_have_count(0)
    for scheme, size, rules in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        assert faults(page, rules) == [], (path, scheme, size)
        wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{path} is {wider} px wider than a window of {size['width']} px"


def test_everybody_can_use_every_page(visit, stage):
    pauses.pause(by="olga", reason="so that the banner is there")
    page = visit("olga", "/ops/")
    for path in (
        "/ops/", "/ops/board", "/ops/board?show=everybody", "/ops/forecast?days=0",
        "/ops/assignments", "/ops/assignments?q=none", "/ops/reminders?show=failed", "/ops/switch",
        "/ops/queue", "/ops/doctor", "/ops/audit", "/ops/simulator", f"/ops/assignments/{stage.unreachable.pk}",
        f"/ops/assignments/{stage.coming.pk}", "/ops/act/resume", "/ops/act/rescan",
        f"/ops/act/remind-now?ids={stage.sent.pk}", f"/ops/act/reset?ids={stage.sent.pk}",
        f"/ops/act/reassign?ids={stage.sent.pk}",
        f"/ops/act/reassign?ids={stage.sent.pk}&to=%23{stage.coming.assignee_id}",
        f"/ops/act/move?ids={stage.sent.pk}", f"/ops/act/move?ids={stage.sent.pk},{stage.coming.pk}",
        f"/ops/act/move?ids={stage.sent.pk}&start=2035-06-15T20:00&zone=assignee",
        f"/ops/act/cancel?ids={stage.sent.pk}", "/ops/assignments/new",
        f"/ops/act/reassign?ids={stage.sent.pk}&to=somebody", f"/ops/people/{stage.sent.assignee_id}",
        f"/ops/people/{stage.sent.assignee_id}/add", f"/ops/people/{stage.sent.assignee_id}/calendar",
        f"/ops/people/{stage.sent.assignee_id}/merge", f"/ops/people/{stage.sent.assignee_id}/erase",
        f"/ops/people/{stage.sent.assignee_id}/merge?other=%23{stage.coming.assignee_id}", "/ops/nothing",
    ):  # fmt: skip
        look_at(page, path)


def test_everybody_can_use_pages_about_a_mail_server_that_accepts_only_so_many(visit, stage, config):
    waiting, late = scene.slow_mail_server(config)
    page = visit("olga", "/ops/")
    expect(page.locator(".pace")).to_contain_text("accepts about 2 a minute")
    expect(page.locator(".pace")).to_contain_text("cannot leave in time")
    for path in ("/ops/", f"/ops/assignments/{waiting.pk}", f"/ops/assignments/{late.pk}", "/ops/simulator"):
        look_at(page, path)


def test_everybody_can_use_pages_without_data(visit, site):
    page = visit("olga", "/ops/")
    for path in (
        "/ops/",
        "/ops/board",
        "/ops/forecast",
        "/ops/assignments",
        "/ops/reminders",
        "/ops/audit",
        "/ops/switch",
        "/ops/act/pause",
    ):
        look_at(page, path)
