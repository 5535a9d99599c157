"""An operator writes what people read, sees it while typing, and brings a former version back."""

import pytest
from playwright.sync_api import Page, expect

from reminders.models import MessageTemplate
from tests.browser.test_accessibility import look_at

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_operator_writes_a_text_and_brings_a_former_one_back(visit, site):
    page: Page = visit("olga", "/ops/templates")
    look_at(page, "/ops/templates")
    page.get_by_role("button", name="Begin with the built-in text").click()
    frame = page.frame_locator("iframe[name=html-part]")
    expect(frame.get_by_text("Hello Ana Müller,")).to_be_visible()
    text = page.get_by_label("Text", exact=True)
    text.fill("Dear {{ name }}, {{ tittle }}\n{{ time_line }}")
    expect(page.get_by_text("line 1, column 18: tittle: these messages have no such value")).to_be_visible()
    text.fill("Dear {{ name }}, {{ title }}\n{{ time_line }}")
    expect(frame.get_by_text("Dear Ana Müller, Repair the lift")).to_be_visible()
    expect(page.get_by_text("column 18")).to_have_count(0)
    page.get_by_label("Note (optional)").fill("friendlier")
    page.get_by_role("button", name="Save and use").click()
    expect(page.get_by_text("Version 1 is in use now.")).to_be_visible()
    expect(frame.get_by_text("Dear Ana Müller, Repair the lift")).to_be_visible()
    text.fill("{{ time_line }}")
    page.get_by_role("button", name="Save and use").click()
    expect(page.get_by_text("Version 2 is in use now.")).to_be_visible()
    look_at(page, page.url)
    page.get_by_role("link", name="Version 1").click()
    expect(page.locator(".difference del")).to_have_text(["- Dear {{ name }}, {{ title }}"])
    look_at(page, page.url)
    page.get_by_role("button", name="Use this text again").click()
    expect(page.get_by_text("The text of version 1 is in use again, as version 3.")).to_be_visible()
    assert MessageTemplate.objects.get().active_number == 3
