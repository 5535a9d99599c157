"""The page behind the link in a person's mail, in a real browser: without a script, by keyboard, on a phone."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from assignments import acts, services
from assignments.models import Act
from reminders.content import links
from reminders.content.links import Link
from tests import acting
from tests.browser import scene
from tests.browser.test_accessibility import PHONE, look_at
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def work(site):
    return AssignmentFactory(
        title="Replace water meter",
        scheduled_start=timezone.now() + timedelta(hours=3),
        location="Kastanienallee 12, back yard",
        notes="Ring twice.\nThe key is at number 14.",
        assignee__name="Ana Müller",
    )


def path_of(work, *, who=None):
    return f"/a/{links.token_of(Link(work.pk, who or work.assignee_id, 1))}"


def test_a_person_declines_on_a_phone_and_confirms_after_all_without_scripts(visit, work):
    page = visit("", path_of(work), java_script_enabled=False, viewport=PHONE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Replace water meter")
    page.get_by_label("Why you can't make it").fill("I am ill")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("You have said that you can't make it.")
    work.refresh_from_db()
    assert (work.answer, work.answer_note) == ("DECLINED", "I am ill")
    page.get_by_role("button", name="I can make it after all").click()
    expect(page.get_by_role("status")).to_contain_text("You have confirmed")
    work.refresh_from_db()
    assert (work.answer, work.answer_note) == ("CONFIRMED", "")


def test_a_crew_is_on_its_way_late_and_done_by_one_thumb_without_scripts(visit, site):
    work = AssignmentFactory(scheduled_start=timezone.now() + timedelta(minutes=50))
    page = visit("", path_of(work), java_script_enabled=False, viewport=PHONE)
    large = page.locator("button.large")
    told = page.get_by_role("status")
    for name in ("Yes, I will be there", "I'm on my way"):
        expect(large).to_have_text(name)
        box = large.bounding_box()
        assert box["height"] >= 60
        assert box["width"] >= 300
        large.click()
    expect(told).to_contain_text("You are on your way.")
    page.get_by_role("button", name="30 min").click()
    expect(told).to_contain_text("You will begin later:")
    for name, words in (("I have started", "This has begun."), ("I'm done", "This is done.")):
        expect(large).to_have_text(name)
        large.click()
        expect(told).to_contain_text(words)
    expect(page.get_by_role("button")).to_have_count(0)
    acted = list(Act.objects.values_list("act", "minutes"))
    assert acted == [
        ("confirm", None),
        ("on_my_way", None),
        ("late", 30),
        ("start", None),
        ("complete", None),
    ]


def test_the_address_is_told_to_nobody(visit, work):
    told = []
    page = visit("", "/a/made-up")
    page.on("request", lambda asked: told.append((asked.method, asked.headers.get("referer", ""))))
    page.goto(path_of(work))
    page.get_by_role("button", name="Yes, I will be there").click()
    expect(page.get_by_role("status")).to_contain_text("You have confirmed")
    assert "POST" in [method for method, _ in told]
    assert [referrer for _, referrer in told if "/a/" in referrer] == []


def test_everybody_can_use_it(visit, work, config):
    page = visit("", path_of(work))
    look_at(page, path_of(work))
    page.get_by_role("button", name="I can't make it", exact=True).click()
    look_at(page, path_of(work))
    look_at(page, "/a/made-up")
    late = AssignmentFactory(scheduled_start=timezone.now() + timedelta(minutes=50))
    acting.confirm(late)
    acts.on_my_way(late.pk, actor=acting.by_link(late))
    acts.run_late(late.pk, actor=acting.by_link(late), minutes=30)
    look_at(page, path_of(late))
    acting.start(late.pk)
    look_at(page, path_of(late))
    services.reassign(late.pk, assignee_id=None)
    look_at(page, path_of(late, who=late.assignee_id))
    poisoned = scene.poison(config)
    look_at(page, path_of(poisoned))
    assert page.title() != "broken"
    assert page.evaluate("document.querySelectorAll('main img, script').length") == 0
