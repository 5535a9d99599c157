"""Changing plans in a browser: marked rows, a new time, new work."""

import re
from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import expect

from assignments.models import Assignment
from tests.factories import AssigneeFactory, AssignmentFactory


def test_the_acts_of_a_list_wait_for_marks_and_stay_in_view(visit, stage):
    page = visit("olga", "/ops/assignments?when=any&show=none")
    bar = page.get_by_role("group", name="Actions on the selected rows")
    move = bar.get_by_role("button", name="Move…")
    expect(move).to_be_disabled()
    expect(bar).to_be_in_viewport()
    page.get_by_role("checkbox", name=re.compile("^Select ")).first.check()
    expect(bar.get_by_role("status")).to_have_text("1 selected")
    expect(move).to_be_enabled()
    page.get_by_label("select all shown").check()
    rows = page.locator("tbody tr").count()
    expect(bar.get_by_role("status")).to_have_text(f"{rows} selected")
    page.get_by_label("select all shown").uncheck()
    expect(move).to_be_disabled()


def test_the_bar_never_covers_what_has_the_focus(visit, stage):
    for _ in range(25):
        AssignmentFactory()
    page = visit("olga", "/ops/assignments?when=any")
    page.set_viewport_size({"width": 1280, "height": 500})
    page.get_by_role("checkbox", name=re.compile("^Select ")).first.focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate(
            """() => {
                const one = document.activeElement, box = one.getBoundingClientRect();
                const top = document.elementFromPoint(box.left + 4, box.top + box.height / 2);
                return one.contains(top) || Boolean(top?.contains(one));
            }"""
        ), page.evaluate("document.activeElement.outerHTML")


def test_marked_work_is_moved_by_an_offset(visit, stage):
    before = Assignment.objects.get(pk=stage.sent.pk).scheduled_start
    page = visit("olga", "/ops/assignments?q=W-1001")
    page.get_by_role("checkbox", name=re.compile("Select Replace water meter")).check()
    page.get_by_role("button", name="Move…").click()
    page.get_by_label("New start").fill((before + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_role("button", name="Show what would happen").click()
    row = page.get_by_role("row").filter(has_text=stage.sent.title)
    expect(row).to_contain_text("Jonas Brandt has been told of it, and hears after 60 s that it is moved.")
    page.get_by_label("Reason").fill("the valve is closed")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_text("1 moved.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/ops/assignments\?q=W-1001$"))
    after = Assignment.objects.get(pk=stage.sent.pk).scheduled_start
    assert after == (before + timedelta(hours=3)).replace(second=0)


def test_a_time_stays_the_same_instant_when_its_clocks_are_changed(visit, site):
    person = AssigneeFactory(name="Ada", time_zone="Australia/Sydney")
    work = AssignmentFactory(assignee=person, scheduled_start="2035-06-16T10:00:00Z")
    page = visit("olga", f"/ops/act/move?ids={work.pk}")
    both = page.get_by_text("= 2035-06-16 20:00 Sydney = 2035-06-16 10:00 UTC")
    expect(both).to_be_visible()
    page.get_by_label("the assignee's time (Sydney)").check()
    expect(page.get_by_label("New start")).to_have_value("2035-06-16T20:00")
    expect(both).to_be_visible()
    page.get_by_label("New start").fill("2035-06-16T22:00")
    expect(page.get_by_text("= 2035-06-16 22:00 Sydney = 2035-06-16 12:00 UTC")).to_be_visible()


def test_without_scripts_nothing_marked_is_said_by_the_server(visit, stage):
    page = visit("olga", "/ops/assignments?q=W-1001", java_script_enabled=False)
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_text("Nothing was selected: select assignments first.")).to_be_visible()


def test_new_work_is_looked_at_changed_and_made(visit, site):
    person = AssigneeFactory(name="Ada", time_zone="Australia/Sydney")
    AssignmentFactory(scheduled_start=timezone.now() + timedelta(days=2))
    page = visit("olga", "/ops/assignments?when=any")
    page.get_by_role("link", name="New assignment…").click()
    page.get_by_label("Title", exact=True).fill("Inspect the lift")
    page.get_by_label("Who does it").select_option(f"#{person.pk}")
    page.get_by_label("Start", exact=True).fill("2035-06-16T20:00")
    page.get_by_label("the assignee's time").check()
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.get_by_text("20:00 in Sydney (10:00 UTC here)")).to_be_visible()
    expect(page.get_by_text("The reminder to Ada leaves in")).to_be_visible()
    page.get_by_role("button", name="Change something").click()
    expect(page.get_by_label("Title", exact=True)).to_have_value("Inspect the lift")
    page.get_by_label("Title", exact=True).fill("Inspect both lifts")
    page.get_by_role("button", name="Show what would happen").click()
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("“Inspect both lifts” was made")).to_be_visible()
    assert Assignment.objects.filter(title="Inspect both lifts", assignee=person).count() == 1
