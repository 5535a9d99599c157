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

ROWS = """() => new Set([...document.querySelectorAll(".top-row > *, .top-row > .who > *")]
    .filter(one => one.checkVisibility() && one.clientHeight > 1)
    .map(one => Math.round((one.getBoundingClientRect().top + one.getBoundingClientRect().bottom) / 20))).size"""
"""How many rows the head has on a desk."""
HINT_FITS = """() => {
    const field = document.querySelector("#find"), style = getComputedStyle(field);
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return pen.measureText(field.placeholder).width <= room;
}"""
"""Whether the field for searches shows all of its hint."""

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
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate("window.scrollTo(0, 0)")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(
            path=Path(folder) / f"head-{language}.png", clip={"x": 0, "y": 0, "width": 1440, "height": 200}
        )
    assert (page.evaluate(ROWS), page.evaluate(HINT_FITS)) == (1, True)
