"""The board in a browser: it renews itself, and leads to what can be done and back."""

import re

import pytest
from playwright.sync_api import expect

from assignments import acts
from tests import acting

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_has_been_spoken_to_leaves_the_board_by_itself_and_the_filters_stay(visit, stage):
    page = visit("olga", "/ops/board?hours=2")
    line = page.locator(f"#work-{stage.unreachable.pk}")
    expect(line).to_be_visible()
    acts.confirm(stage.unreachable.pk, actor=acting.OLGA)
    page.evaluate(
        "document.body.dispatchEvent(new Event('visible-again'))"
    )  # As when somebody looks at the page again.
    expect(line).to_have_count(0)
    expect(page.locator(f"#work-{stage.unknown.pk}")).to_be_visible()
    expect(page.locator("#connection-lost")).to_be_hidden()
    page.locator("select[name=show]").select_option("everybody")  # Sends the form by itself.
    expect(page).to_have_url(re.compile(r"hours=2&show=everybody"))
    expect(line).to_be_visible()


def test_an_operator_confirms_for_somebody_from_the_board(visit, stage):
    page = visit("olga", "/ops/board")
    page.locator(f"#act-confirm-{stage.unreachable.pk}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm for the assignee")
    page.get_by_label("Reason").fill("called, comes")
    page.get_by_role("button", name="Confirm for the assignee").click()
    expect(page).to_have_url(re.compile(r"/ops/board$"))
    expect(page.locator(f"#work-{stage.unreachable.pk}")).to_have_count(0)
