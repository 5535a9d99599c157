"""The API's description to read and to try: served from here, whole, without asking any other host."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_call_is_there_and_can_be_opened(visit):
    """`visit` fails for whatever is asked of another host."""
    page = visit("", "/api/docs")
    calls = page.locator(".opblock-summary")
    expect(calls.first).to_be_visible()
    paths = page.request.get("/api/schema?format=json").json()["paths"]
    assert calls.count() == sum(
        len(of_path.keys() & {"get", "post", "put", "patch", "delete"}) for of_path in paths.values()
    )
    page.get_by_role("button", name="put /api/assignments/by-reference/{reference}").first.click()
    expect(page.get_by_role("button", name="Try it out")).to_be_visible()
    expect(page.locator(".parameter__name", has_text="If-Match").first).to_be_visible()

    shown = page.locator(".swagger-ui")
    light = shown.evaluate("one => getComputedStyle(one).backgroundColor")
    page.emulate_media(color_scheme="dark")
    expect(shown).not_to_have_css("background-color", light)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
