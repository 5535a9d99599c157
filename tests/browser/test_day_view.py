"""The Day view in a browser: blocks are moved by pointer and by keyboard, the preview says what it means, and back."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from assignments.models import Assignment
from tests.browser.test_accessibility import look_at
from tests.factories import AssigneeFactory, AssignmentFactory

DAY = datetime(2035, 6, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADDRESS = "/ops/day?date=2035-06-15"
DESK = {"width": 1440, "height": 900}


@pytest.fixture
def office(site):
    """Ada and Ben with work, and work that nobody has."""
    ada, ben = (AssigneeFactory(name=name, time_zone="UTC") for name in ("Ada", "Ben"))
    AssignmentFactory(
        title="Pump", assignee=ada, scheduled_start=DAY + 9 * HOUR, scheduled_end=DAY + 11 * HOUR
    )
    AssignmentFactory(
        title="Lift", assignee=ben, scheduled_start=DAY + 14 * HOUR, scheduled_end=DAY + 15 * HOUR
    )
    AssignmentFactory(title="Roof", assignee=None, scheduled_start=DAY + 10 * HOUR)
    return ada, ben


def opened(visit, name: str = "olga") -> Page:
    page = visit(name, "/ops/")
    page.set_viewport_size(DESK)
    page.goto(ADDRESS)
    return page


def block(page: Page, title: str):
    return page.locator(".block").filter(has=page.locator("bdi", has_text=title))


def drag(page: Page, title: str, *, hours: float, to: str, drop: bool = True) -> None:
    """Takes a block in its middle, and lets it go so many hours later in the row of somebody."""
    box = block(page, title).bounding_box()
    row = page.locator(".person-row").filter(has_text=to).locator(".track").bounding_box()
    assert box is not None
    assert row is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 10, y)
    page.mouse.move(x + hours * row["width"] / 24, row["y"] + row["height"] / 2, steps=4)
    if drop:
        page.mouse.up()


def confirm(page: Page, button: str) -> None:
    page.get_by_label("Reason").fill("Ada is ill")
    page.get_by_role("button", name=button, exact=True).click()


def test_a_block_is_dragged_to_another_time_and_person(visit, office):
    _, ben = office
    page = opened(visit)
    drag(page, "Pump", hours=2, to="Ben")
    expect(page.get_by_text("1 assignment to Fri 15 Jun 2035, 11:00 UTC, given to Ben")).to_be_visible()
    line = page.get_by_text("The reminder to Ben leaves in")
    expect(line.locator("time[title='2035-06-15 10:30:00 UTC']")).to_be_visible()
    assert Assignment.objects.get(title="Pump").scheduled_start == DAY + 9 * HOUR
    confirm(page, "Move")
    expect(page).to_have_url(re.compile(rf"/ops/day\?date=2035-06-15#person-{ben.pk}$"))
    expect(page.get_by_text("1 moved and given to Ben.")).to_be_visible()
    moved = Assignment.objects.get(title="Pump")
    assert (moved.assignee, moved.scheduled_start) == (ben, DAY + 11 * HOUR)
    assert moved.scheduled_end == DAY + 13 * HOUR
    expect(page.locator(f"#person-{ben.pk} .block")).to_have_count(2)


def test_a_block_that_only_changes_hands_is_given_away(visit, office):
    page = opened(visit)
    drag(page, "Roof", hours=0, to="Ada")
    expect(page).to_have_url(re.compile("/ops/act/reassign"))
    confirm(page, "Give it to Ada")
    expect(page.locator("#nobody .block")).to_have_count(0)


def test_a_block_follows_a_pointer_that_left_it_at_once(visit, office):
    page = opened(visit)
    box = block(page, "Pump").bounding_box()
    row = page.locator(".person-row").filter(has_text="Ben").locator(".track").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 10, row["y"] + row["height"] / 2)
    page.mouse.up()
    expect(page.get_by_text("1 assignment to Ben")).to_be_visible()


def test_a_block_that_is_taken_back_goes_nowhere(visit, office):
    page = opened(visit)
    drag(page, "Pump", hours=2, to="Ben", drop=False)
    expect(block(page, "Pump")).to_have_class(re.compile("moving"))
    page.keyboard.press("Escape")
    expect(block(page, "Pump")).not_to_have_class(re.compile("moving"))
    page.mouse.up()
    expect(page).to_have_url(re.compile(re.escape(ADDRESS) + "$"))
    drag(page, "Pump", hours=0.05, to="Ada")  # Less than half a step: it stays.
    expect(block(page, "Pump")).not_to_have_class(re.compile("moving"))
    expect(page).to_have_url(re.compile(re.escape(ADDRESS) + "$"))


def test_a_block_is_moved_by_keyboard(visit, office):
    page = opened(visit)
    skips = page.get_by_role("link", name="Skip to the work")
    while not skips.evaluate("one => one === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(block(page, "Pump")).to_be_focused()  # The first that comes.
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(block(page, "Pump")).to_be_focused()  # One tab stop.
    way = [
        ("ArrowUp", "Roof"),
        ("ArrowDown", "Pump"),
        ("ArrowLeft", "Ada"),
        ("Control+End", "Lift"),
        ("Home", "Ben"),
    ]
    for key, leads_to in [*way, ("ArrowUp", "Pump")]:
        page.keyboard.press(key)
        expect(page.locator(":focus")).to_contain_text(leads_to)
    for key in ("Space", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
    said = page.locator("[data-day-said]")
    expect(said).to_have_text("Fri 09:15, Ben. Enter shows what would happen, Escape takes it back.")
    page.keyboard.press("Escape")
    expect(said).to_have_text("")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(said).to_have_text(re.compile("09:15, nobody"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("given to nobody, for now")).to_be_visible()
    confirm(page, "Move")
    expect(page).to_have_url(re.compile("#nobody$"))
    moved = Assignment.objects.get(title="Pump")
    assert (moved.assignee, moved.scheduled_start) == (None, DAY + 9 * HOUR + timedelta(minutes=15))


def test_enter_on_a_block_that_has_not_moved_shows_its_page(visit, office):
    page = opened(visit)
    block(page, "Pump").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/ops/assignments/\d+$"))


def test_a_viewer_moves_nothing(visit, office):
    page = opened(visit, "vera")
    block(page, "Pump").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".moving")).to_have_count(0)
    drag(page, "Pump", hours=2, to="Ben")
    expect(page).to_have_url(re.compile(r"/ops/(day|assignments)"))
    assert Assignment.objects.get(title="Pump").scheduled_start == DAY + 9 * HOUR


def test_blocks_are_where_their_hours_are(visit, office):
    page = opened(visit)
    track = page.locator(".person-row").filter(has_text="Ada").locator(".track").bounding_box()
    pump = block(page, "Pump").bounding_box()
    assert track is not None
    assert pump is not None
    assert abs((pump["x"] - track["x"]) / track["width"] * 24 - 9) < 0.1
    assert abs(pump["width"] / track["width"] * 24 - 2) < 0.1


def test_on_a_phone_it_is_a_list_by_person(visit, office):
    ada, _ = office
    AssignmentFactory(title="Door", assignee=ada, scheduled_start=DAY + 10 * HOUR)
    AssigneeFactory(name="Cid")
    page = visit("olga", "/ops/")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(ADDRESS)
    mine = page.locator(f"#person-{ada.pk}")
    expect(mine).to_contain_text("2 at the same time")
    expect(block(page, "Door")).to_contain_text("at the same time as “Pump”")
    texts = mine.locator(".block").all_inner_texts()
    assert [" ".join(text.split())[:17] for text in texts] == ["09:00-11:00 Pump ", "10:00 Door not to"]
    expect(page.get_by_role("heading", name="Cid")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_without_scripts_each_block_is_a_link_by_which_it_can_be_moved(visit, office):
    page = visit("olga", ADDRESS, java_script_enabled=False)
    block(page, "Pump").click()
    page.get_by_role("link", name="Move…").click()
    expect(page.get_by_label("New start")).to_have_value("2035-06-15T09:00")


def test_everybody_can_use_it(visit, office, stage):
    page = opened(visit)
    for path in (ADDRESS, f"{ADDRESS}&days=3", f"{ADDRESS}&days=7", "/ops/day"):
        look_at(page, path)
    page.set_viewport_size(DESK)
    page.goto(ADDRESS)
    expect(page.get_by_role("navigation", name="Pages").get_by_role("link", name="Day")).to_be_visible()
