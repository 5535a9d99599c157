"""A dispatcher imports a table by page: is asked about dates, shown the first rows, told what is wrong."""

import pytest
from playwright.sync_api import Page, expect

from assignments.models import Assignment
from reminders.operations import table_uploads
from tests.browser.test_accessibility import PHONE, look_at
from tests.unit.assignments.imports import exports

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/ops/import"
HEADER, ROW = exports.GOOGLE.splitlines()
AMBIGUOUS = f"{HEADER}\n" + "".join(
    f"Care visit {n},0{n}/11/2026,09:00,,10:00,,,Hill Road {n},\n" for n in range(1, 8)
)


def choose(page: Page, text: str) -> None:
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "plan.csv", "mimeType": "text/csv", "buffer": text.encode()}
    )
    page.get_by_role("button", name="Show the first rows").click()


def test_a_dispatcher_imports_a_table(visit, site, monkeypatch):
    monkeypatch.setattr(table_uploads, "PART_ROWS", 3)
    page = visit("olga", PAGE)
    choose(page, AMBIGUOUS + "Boiler,32/11/2026,09:00,,,,,,\n")
    expect(page.get_by_text("Is the day first or the month?")).to_be_visible()
    page.get_by_role("button", name="Day first").click()
    rows = page.get_by_role("region", name="The first rows")
    expect(rows.get_by_role("row").filter(has_text="Care visit 7")).to_contain_text("7 Nov")
    expect(rows).to_contain_text("'32/11/2026' is not a date")
    page.get_by_role("button", name="Check every row").first.click()
    expect(page.get_by_text("7 of 8 rows can be imported, 1 cannot.")).to_be_visible()
    assert not Assignment.objects.exists()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the errors as a table").click()
    assert "Start Date" in download.value.path().read_text(encoding="utf-8-sig")
    look_at(page, page.url)
    page.get_by_role("button", name="Import 7 rows").click()
    expect(page.get_by_text("7 created, 0 updated, 0 unchanged, 1 not imported.")).to_be_visible()
    assert Assignment.objects.count() == 7


def test_it_goes_on_without_a_script_by_a_button(visit, site, monkeypatch):
    monkeypatch.setattr(table_uploads, "PART_ROWS", 3)
    monkeypatch.setattr("reminders.web.ops.table_import.BUDGET", table_uploads.timedelta(0))
    page = visit("olga", PAGE, java_script_enabled=False, viewport=PHONE)
    choose(page, AMBIGUOUS.replace("01/11", "21/11"))
    page.get_by_role("button", name="Check every row").first.click()
    for _ in range(2):
        expect(page.get_by_role("progressbar")).to_be_visible()
        page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("All 7 rows can be imported.")).to_be_visible()


def test_it_goes_on_by_itself_with_a_script(visit, site, monkeypatch):
    monkeypatch.setattr(table_uploads, "PART_ROWS", 1)
    monkeypatch.setattr("reminders.web.ops.table_import.BUDGET", table_uploads.timedelta(0))
    page = visit("olga", PAGE)
    choose(page, AMBIGUOUS.replace("01/11", "21/11"))
    page.get_by_role("button", name="Check every row").first.click()
    expect(page.get_by_text("All 7 rows can be imported.")).to_be_visible()


def test_everybody_can_use_its_pages(visit, site):
    page = visit("olga", PAGE)
    choose(page, AMBIGUOUS)
    expect(page.get_by_text("Is the day first or the month?")).to_be_visible()
    asked = page.url
    look_at(page, asked)
    page.get_by_label("Dates").select_option("day_first")
    page.get_by_label("Name", exact=True).fill("Calendar of the office")
    page.get_by_role("button", name="Save the mapping").click()
    expect(page.get_by_text("The mapping is saved as")).to_be_visible()
    look_at(page, asked)
    look_at(page, PAGE)
