"""What operators and viewers come for, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from assignments.models import Assignment
from reminders.models import Audit, Pause, Reminder
from tests.browser import scene

pytestmark = pytest.mark.django_db(transaction=True)


def give_reason(page: Page, button: str, reason: str) -> None:
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=button).click()


def test_the_reason_of_a_missing_reminder_is_two_clicks_away(visit, stage):
    page = visit("vera", "/ops/")
    page.get_by_role("link", name=re.compile("no contact")).click()
    page.get_by_role("link", name=stage.unreachable.title).click()
    expect(page.locator(".answer")).to_have_text(
        re.compile("The reminder failed: there is nobody to write to, or no usable address")
    )


def test_a_reference_leads_straight_to_the_answer(visit, stage):
    page = visit("vera", "/ops/")
    page.get_by_role("searchbox").fill("W-1004")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(stage.coming.title)
    expect(page.locator(".answer")).to_contain_text("will be sent")


def test_an_operator_pauses_looks_at_the_backlog_and_resumes(visit, stage):
    page = visit("olga", "/ops/")
    page.get_by_role("link", name="Pause all sending…").click()
    give_reason(page, "Pause all sending", "the mail server moves")
    banner = page.get_by_role("region", name="Sending is paused")
    expect(banner).to_contain_text("by olga")
    expect(banner).to_contain_text("the mail server moves")
    Reminder.objects.filter(assignment=stage.coming, kind="REMINDER").update(
        due_at=stage.sent.created_at, next_attempt_at=stage.sent.created_at
    )
    for path in ("/ops/assignments", "/ops/reminders", "/ops/queue", "/ops/doctor", "/ops/audit", "/admin/"):
        page.goto(path)
        expect(banner).to_contain_text("the mail server moves")
    page.goto("/ops/")
    banner.get_by_role("link", name="Resume…").click()
    useful = page.get_by_role("row").filter(has=page.get_by_text("reminders that are still useful"))
    expect(useful).to_contain_text("1")
    give_reason(page, "Resume sending", "it is back")
    expect(page.get_by_text("Sending goes on.")).to_be_visible()
    expect(banner).to_have_count(0)
    assert Pause.objects.get().ended_by == "olga"


def test_an_operator_gives_the_work_to_somebody_else(visit, stage):
    page = visit("olga", f"/ops/assignments/{stage.sent.pk}")
    page.get_by_role("link", name="Give it to somebody else…").click()
    page.get_by_label("Who gets it").select_option(label=f"Priya Sharma (#{stage.coming.assignee_id})")
    page.get_by_role("button", name="Show what would happen").click()
    row = page.get_by_role("row").filter(has_text=stage.sent.title)
    expect(row).to_contain_text(
        "Jonas Brandt has been told of it, and hears after 60 s that it is no longer theirs."
    )
    expect(row).to_contain_text("The reminder to Priya Sharma leaves at once.")
    assert Assignment.objects.get(pk=stage.sent.pk).assignee_id == stage.sent.assignee_id
    give_reason(page, "Give it to Priya Sharma", "Jonas is ill")
    expect(page.get_by_text("1 given to Priya Sharma.")).to_be_visible()
    expect(page).to_have_url(re.compile(f"/ops/assignments/{stage.sent.pk}$"))
    assert Assignment.objects.get(pk=stage.sent.pk).assignee_id == stage.coming.assignee_id
    assert Audit.objects.get().action == "reassign"


def test_an_operator_repairs_what_is_out_of_sync(visit, stage):
    page = visit("olga", "/ops/")
    page.get_by_role("link", name="Repair what is out of sync…").click()
    table = page.get_by_role("region", name="Affected assignments")
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table).to_contain_text(stage.out_of_sync.title)
    page.get_by_role("button", name="Reset reminder status").click()  # The browser asks for the reason.
    assert not Audit.objects.filter(action="reset").exists()
    give_reason(page, "Reset reminder status", "restored from a backup")
    expect(page.get_by_text("1 reset.")).to_be_visible()
    assert Assignment.objects.get(pk=stage.out_of_sync.pk).reminder_status == "NONE"
    page.locator("header").get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Audit trail").click()
    expect(page.locator(".trail")).to_contain_text("restored from a backup")


def test_every_state_is_shown_as_a_pill(visit, stage):
    """MARKED once took on the style of the toolbar below the list."""
    page = visit("olga", "/ops/reminders?show=all")
    styles = page.locator("td .pill").evaluate_all(
        "pills => pills.map(pill => getComputedStyle(pill).display)"
    )
    assert len(styles) > 10
    assert set(styles) == {"inline-block"}
    expect(page.locator(".pill.marked")).to_have_text("Marked")


def test_people_of_marked_rows_are_reminded_at_once_after_a_look(visit, stage):
    page = visit("olga", "/ops/reminders?show=unknown")
    page.get_by_label("select all shown").check()
    page.get_by_role("button", name="Remind now…").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("@example.test, at once")
    give_reason(page, "Remind now", "she says nothing came")
    expect(page).to_have_url(re.compile(r"/ops/reminders\?show=unknown$"))
    rows = Reminder.objects.filter(assignment=stage.unknown.pk, version=1).order_by("id")
    assert [row.rule for row in rows] == ["default", "default:now:1"]


def test_the_page_renews_itself_and_keeps_what_is_open(visit, stage, monkeypatch):
    page = visit("vera", "/ops/")
    page.get_by_text("Show as a table").click()
    with page.expect_response("**/ops/live"):
        page.evaluate("document.body.dispatchEvent(new Event('visible-again'))")
    expect(page.locator("#chart-table")).to_have_attribute("open", "")
    expect(page.locator("#tile-overdue .value")).to_have_text("1")


def test_a_lost_server_is_said_and_forgotten_when_it_is_back(visit, stage):
    page = visit("vera", "/ops/")
    lost = page.get_by_text("The server or its database does not answer.")
    page.route("**/ops/live", lambda route: route.abort())
    page.evaluate("document.body.dispatchEvent(new Event('visible-again'))")
    expect(lost).to_be_visible()
    page.unroute("**/ops/live")
    page.evaluate("document.body.dispatchEvent(new Event('visible-again'))")
    expect(lost).to_be_hidden()


def test_a_login_that_is_over_leads_to_the_login(visit, stage):
    page = visit("vera", "/ops/")
    page.context.clear_cookies()
    page.evaluate("document.body.dispatchEvent(new Event('visible-again'))")
    expect(page).to_have_url(re.compile(r"/account/sign-in\?next=/ops/$"))


def test_everything_is_reached_by_keyboard(visit, stage):
    page = visit("olga", "/ops/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#tile-overdue")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/ops/assignments.*overdue"))


def test_the_search_and_the_menus_are_used_by_keyboard(visit, stage):
    page = visit("olga", "/ops/assignments")
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("a/b")
    expect(page.locator("#find")).to_have_value("a/b")
    more = page.locator("header").get_by_text("More", exact=True)
    more.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Audit trail")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Audit trail")).to_be_hidden()
    expect(more).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("Priya")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Priya Sharma")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_phone_has_all_pages_in_a_menu(visit, stage, scripts):
    page = visit("olga", "/ops/", viewport={"width": 390, "height": 844}, java_script_enabled=scripts)
    expect(page.get_by_role("link", name="Pause all sending…")).to_be_visible()
    expect(page.get_by_role("link", name="People", exact=True)).to_be_hidden()
    page.get_by_text("Menu", exact=True).click()
    for name in ("People", "Audit trail", "Admin"):
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    page.get_by_role("link", name="People", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("People")


def test_a_viewer_sees_everything_and_is_offered_nothing_to_change(visit, stage):
    page = visit("vera", "/ops/")
    for path in (
        "/ops/", "/ops/board", "/ops/assignments", "/ops/reminders", "/ops/switch", "/ops/queue", "/ops/audit",
        f"/ops/assignments/{stage.unreachable.pk}",
    ):  # fmt: skip
        page.goto(path)
        expect(page.locator("a[href*='/ops/act/'], [formaction], input[type=checkbox]")).to_have_count(0)
    page.goto("/ops/act/pause")
    expect(page.get_by_role("heading", level=1)).to_have_text("Only operators may do this")
    # Past the page, with a token of the viewer's own.
    status = page.evaluate(
        """async () => {
            const token = document.querySelector('[name=csrfmiddlewaretoken]').value;
            const body = new URLSearchParams({csrfmiddlewaretoken: token, confirmed: '1', reason: 'x'});
            return (await fetch('/ops/act/pause', {method: 'POST', body})).status;
        }"""
    )
    assert status == 403
    assert not Pause.objects.exists()


def test_markup_stays_text_on_every_page(visit, config):
    work = scene.poison(config)
    page = visit("olga", "/ops/")
    for path in (
        "/ops/", "/ops/board?show=everybody",
        "/ops/assignments", "/ops/reminders?show=all", "/ops/switch", "/ops/queue", "/ops/doctor",
        "/ops/audit", f"/ops/assignments/{work.pk}", f"/ops/act/reset?ids={work.pk}", "/ops/act/resume",
        "/ops/assignments?q=<script>document.title='broken'</script>", "/ops/<script>",
    ):  # fmt: skip
        page.goto(path)
        expect(page.locator(".spinner")).to_have_count(0)
        assert page.title() != "broken", path
        assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0, path
        assert "49" not in page.locator("h1").inner_text(), path


def test_somebody_without_a_role_or_a_login_is_told_so(visit, site):
    page = visit("guest", "/ops/")
    expect(page.get_by_role("heading", level=1)).to_have_text("No access")
    page = visit("", "/ops/doctor")
    expect(page).to_have_url(re.compile(r"/account/sign-in\?next=/ops/doctor"))
