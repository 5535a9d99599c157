"""The page behind the link in a person's mail, in a real browser: without a script, by keyboard, on a phone."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from assignments import acts, services
from assignments.models import Act, Assignment
from reminders.content import links
from reminders.content.links import Link
from tests import acting
from tests.browser import scene
from tests.browser.axe import AXE, faults
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


def states() -> dict[str, str]:
    """The address of the page in each state, and how the large act is called there."""
    now, minute = timezone.now(), timedelta(minutes=1)
    large = {}

    def made(before: timedelta, button: str) -> Assignment:
        work = AssignmentFactory(
            title="Replace water meter in the Donaudampfschifffahrtsgesellschaft building",
            scheduled_start=now + before,
            scheduled_end=now + before + timedelta(hours=2),
            location="Kastanienallee12HinterhofLinksDritterStockBeiMüllerSchmidt",
            notes="Ring twice.",
        )
        large[path_of(work)] = button
        return work

    made(timedelta(days=3), "Yes, I will be there")
    made(50 * minute, "Yes, I will be there")
    acting.confirm(made(50 * minute, "I'm on my way"))
    acting.decline(made(50 * minute, "I can make it after all"), note="My son is ill, and so am I")
    on_their_way = acting.confirm(made(50 * minute, "I have started"))
    acts.on_my_way(on_their_way.pk, actor=acting.by_link(on_their_way), version=1, minutes=20)
    late = acting.confirm(made(50 * minute, "I'm on my way"))
    acts.run_late(late.pk, actor=acting.by_link(late), version=1, minutes=30)
    acts.run_late(late.pk, actor=acting.by_link(late), version=1, minutes=60)
    acting.start(made(5 * minute, "I'm done").pk)
    done = acting.start(made(5 * minute, "").pk)
    acting.complete(done.pk)
    services.cancel(made(50 * minute, "").pk)
    services.reschedule(made(50 * minute, "Yes, I will be there").pk, start=now + 300 * minute)
    overdue = made(50 * minute, "I have started")
    past = {
        "scheduled_start": now - 45 * minute,
        "overdue_at": now - 15 * minute,
        "reminder_status": "OVERDUE",
    }
    Assignment.objects.filter(pk=overdue.pk).update(**past)
    given_away = made(50 * minute, "")
    services.reassign(given_away.pk, assignee_id=None)
    return large


def test_every_state_fits_a_small_phone_in_light_and_dark(visit, site):
    """Readable, as wide as the window, each button as high as a thumb, and the next act large."""
    page = visit("", "/a/none", viewport={"width": 360, "height": 740})
    for path, button in states().items():
        page.goto(path)
        page.evaluate(AXE)
        for scheme, rules in (("light", None), ("dark", [])):
            page.emulate_media(color_scheme=scheme)
            assert faults(page, rules) == [], (path, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        large = page.locator("button.large")
        assert large.all_inner_texts() == ([button] if button else []), path
        heights = [one.bounding_box()["height"] for one in page.get_by_role("button").all()]
        assert all(height >= 44 for height in heights), heights
        assert all(one.bounding_box()["height"] >= 60 for one in large.all())


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
    expect(page.get_by_role("status")).to_contain_text("You have said that you can't make it.")
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
