"""An operator makes an escalation rule in the admin: a preview first, then it is explained step by step."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from assignments import teams
from reminders.delivery import scan
from reminders.models import ReminderRule
from tests.browser.test_accessibility import PHONE, look_at
from tests.factories import AssigneeFactory, AssignmentFactory

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/reminders/reminderrule/"


@pytest.fixture
def work(site):
    """Work in two hours, of a team with a supervisor."""
    boss = AssigneeFactory(name="Rosa Keller", email="rosa@example.test", time_zone="UTC")
    team = teams.add_team(name="North", supervisors=[boss.pk])
    start = timezone.now() + timedelta(hours=2)
    return AssignmentFactory(
        title="Check the boiler", team_id=team.pk, scheduled_start=start, assignee__name="Jonas Brandt"
    )


def fill(page: Page) -> None:
    page.get_by_label("Name:").fill("Nobody has answered")
    page.get_by_label("Audience:").select_option("supervisors")
    page.get_by_label("Trigger:").select_option("unanswered")
    page.get_by_label("Minutes:", exact=True).fill("60")
    page.get_by_label("Repeat minutes:").fill("20")
    page.get_by_label("Repeat times:").fill("2")


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def test_a_rule_for_supervisors_is_previewed_saved_and_explained(visit, work, config):
    page = visit("olga", f"{LIST}add/")
    fill(page)
    save(page)
    preview = page.get_by_role("region", name="Preview")
    expect(preview).to_contain_text("3 messages more, 0 fewer, 0 moved")
    expect(preview).to_contain_text("The rule would apply to 1 assignment")
    expect(preview.get_by_role("row").filter(has_text="Check the boiler").first).to_contain_text(
        "Rosa Keller"
    )
    assert not ReminderRule.objects.exists()

    save(page)
    expect(page.get_by_text("was added successfully")).to_be_visible()
    progress = page.get_by_role("status").filter(has_text="follow the last change of rules")
    expect(progress).to_contain_text("0 of about 1 assignments")
    made = ReminderRule.objects.get()
    assert (made.audience, made.trigger, made.repeat_minutes, made.repeat_times) == (
        "supervisors",
        "unanswered",
        20,
        2,
    )
    scan.scan(trigger="cli", config=config)
    page.goto(LIST)
    expect(page.get_by_role("link", name="Nobody has answered")).to_be_visible()
    expect(page.get_by_text("follow the last change")).to_have_count(0)

    page.goto(f"/ops/assignments/{work.pk}")
    rules = page.get_by_role("region", name="Rules")
    expect(rules).to_contain_text("Nobody has answered tells Rosa Keller")
    expect(rules).to_contain_text(
        "then every 20 minutes, 2 more times at most, unless the assignee has answered by then"
    )
    expect(page.get_by_text("repeat 2), unless the assignee has answered by then")).to_be_visible()


def test_what_a_rule_does_not_take_is_said_at_its_field(visit, work):
    page = visit("olga", f"{LIST}add/")
    fill(page)
    page.get_by_label("Audience:").select_option("assignee")
    save(page)
    for said in (
        "unanswered: for the audience assignee one of before_start, at_local_time is needed",
        "a reminder to an assignee is not repeated",
    ):
        expect(page.get_by_text(said)).to_be_visible()
    assert not ReminderRule.objects.exists()


def test_everybody_can_read_its_steps_on_a_desk_and_on_a_phone(visit, work, config):
    page = visit("olga", f"{LIST}add/")
    fill(page)
    save(page)
    expect(page.get_by_role("region", name="Preview")).to_be_visible()
    save(page)
    expect(page.get_by_text("was added successfully")).to_be_visible()
    made = ReminderRule.objects.get()
    scan.scan(trigger="cli", config=config)
    for path in (f"/ops/assignments/{work.pk}", f"/ops/reminders?show=all&rule={made.pk}"):
        look_at(page, path)
    page.set_viewport_size(PHONE)
    page.goto("/ops/reminders?show=all")
    page.get_by_label("Rule").select_option(label="Nobody has answered")
    expect(page.get_by_role("row").filter(has_text="Rosa Keller")).to_have_count(1)
