"""The Ops pages on a phone, in the languages with the longest words: nothing makes a page wider than the screen, and no
button, tab or heading is cut.
"""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = (
    "/ops/",
    "/ops/board",
    "/ops/day",
    "/ops/assignments",
    "/ops/people",
    "/ops/reminders",
    "/ops/forecast",
    "/ops/find?q=a",
    "/ops/simulator",
    "/ops/calendars",
    "/ops/queue",
    "/ops/switch",
    "/ops/audit",
    "/ops/import",
    "/ops/settings",
    "/ops/act/pause",
)
CUT = """() => [...document.querySelectorAll("h1, h2, h3, button, a.button, nav a, label, th, .pill")]
    .filter(one => one.checkVisibility() && one.clientWidth > 1 && one.scrollWidth > one.clientWidth)
    .map(one => one.textContent.trim().slice(0, 60))"""
"""The texts that do not fit into what shows them."""

HEADINGS = {"de": "Einsätze", "es": "Trabajos", "fr": "Missions"}


@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_no_page_is_wider_than_a_phone_and_no_text_is_cut(visit, stage, language):
    page = visit("olga", "/ops/assignments", viewport={"width": 390, "height": 844}, locale=language)
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("h1").inner_text() == HEADINGS[language]
    wide, cut = {}, {}
    for path in PAGES:
        answer = page.goto(path)
        assert answer.status == 200, path
        if folder := os.environ.get("SCREENSHOTS"):
            name = path.strip("/").replace("/", "-").partition("?")[0]
            page.screenshot(path=Path(folder) / f"{name}-{language}.png", full_page=True)
        if (more := page.evaluate("document.documentElement.scrollWidth - window.innerWidth")) > 0:
            wide[path] = more
        if texts := page.evaluate(CUT):
            cut[path] = texts
    assert (wide, cut) == ({}, {})
