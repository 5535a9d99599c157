"""Every kind of mail in a real browser: on a phone and on a desk, in light and dark, and where its buttons lead."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from reminders.content import links, opt_out_links
from reminders.content.links import Link
from reminders.ledger import opt_outs
from reminders.models import OptOut
from tests.browser.axe import AXE, OF_WIDTH, faults
from tests.browser.contexts import Contexts
from tests.browser.test_accessibility import PHONE, look_at
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.rule_factory import key, rule
from tests.sample_mails import CLAIMS, mail

pytestmark = pytest.mark.django_db(transaction=True)

WIDTHS = (320, 640)
BOXES = "all => all.map(one => one.getBoundingClientRect().toJSON())"
LEAST_TARGET = 44
"""Pixels; WCAG 2.2, success criterion 2.5.5."""


@pytest.fixture
def organisation(settings):
    settings.PUBLIC_URL = "https://reminders.example.test"
    settings.EMAIL_REPLY_TO = "planning@example.test"
    settings.ORGANISATION_NAME, settings.ORGANISATION_PHONE = "Care & Co", "+49 30 12-34"
    settings.MAP_URL = "https://maps.example.test/search?query={place}"


@pytest.fixture
def reader(contexts: Contexts) -> Page:
    """A window without network, as mail programs show a mail."""
    return contexts.take(locale="en-GB", offline=True).new_page()


def shown(page: Page, name: str, *, width: int, scheme: str) -> None:
    seen(page, width=width, scheme=scheme)
    page.set_content(mail(name).html)


def seen(page: Page, *, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})


@pytest.mark.parametrize("name", CLAIMS)
def test_everybody_can_read_a_mail(reader, organisation, name):
    reader.set_content(mail(name).html)
    reader.evaluate(AXE)
    rules: list[str] | None = None  # All of them at first.
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            seen(reader, width=width, scheme=scheme)
            assert faults(reader, rules) == [], (width, scheme)
            rules = [] if scheme == "light" else OF_WIDTH
            wider = reader.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wider <= 0, f"{wider} px wider than {width} px"
            for box in reader.locator("a.main, a.other").evaluate_all(BOXES):
                assert box["height"] >= LEAST_TARGET
                assert box["width"] >= LEAST_TARGET
                assert box["x"] + box["width"] <= width


@pytest.mark.parametrize(
    ("scheme", "ground", "text"),
    [
        ("light", "rgb(255, 255, 255)", "rgb(27, 32, 38)"),
        ("dark", "rgb(20, 24, 29)", "rgb(232, 235, 238)"),
    ],
)
def test_the_ground_and_the_text_follow_the_colours_of_the_reader(reader, organisation, scheme, ground, text):
    shown(reader, "reminder", width=640, scheme=scheme)
    expect(reader.locator("body")).to_have_css("background-color", ground)
    expect(reader.get_by_text("Ring twice.")).to_have_css("color", text)


def test_both_buttons_are_beside_each_other_where_there_is_room(reader, organisation):
    shown(reader, "reminder", width=640, scheme="light")
    yes, no = (
        reader.get_by_role("link", name=name).bounding_box()
        for name in ("Yes, I will be there", "I can't make it")
    )
    assert yes["y"] == no["y"]
    assert no["x"] >= yes["x"] + yes["width"] + 8


@pytest.mark.parametrize(
    ("button", "asked", "answer"),
    [
        ("Yes, I will be there", "Yes, I will be there", "CONFIRMED"),
        ("I can't make it", "I can't make it", "DECLINED"),
    ],
)
def test_a_button_of_the_mail_opens_the_page_at_its_act_and_changes_nothing_itself(
    visit, site, settings, reader, button, asked, answer
):
    settings.PUBLIC_URL = site
    work = AssignmentFactory(scheduled_start=timezone.now() + timedelta(minutes=50))
    link = links.url_of(Link(work.pk, work.assignee_id, 1))
    reader.set_content(mail("reminder").html)
    address = reader.get_by_role("link", name=button).get_attribute("href")
    fragment = address.partition("#")[2]
    page = visit("", f"{link}#{fragment}".removeprefix(site), viewport=PHONE, java_script_enabled=False)
    work.refresh_from_db()
    assert work.answer == ""
    asks = page.locator(":target")
    expect(asks).to_be_in_viewport()
    expect(asks).to_have_css("outline-style", "solid")
    asks.get_by_role("button", name=asked).click()
    expect(page.get_by_role("status")).to_contain_text("You have")
    work.refresh_from_db()
    assert work.answer == answer


def test_a_person_stops_reminders_and_gets_them_again_without_scripts(visit, site, settings):
    settings.PUBLIC_URL = site
    person = AssigneeFactory(name="Ana Müller")
    path = opt_out_links.url_of(person.pk, "default").removeprefix(site)
    page = visit("", path, viewport=PHONE, java_script_enabled=False)
    page.get_by_role("button", name="Stop these reminders").click()
    expect(page.get_by_role("status")).to_contain_text("You get no more reminders like this one.")
    page.get_by_role("button", name="Remind me again").click()
    expect(page.get_by_role("button", name="Stop these reminders")).to_be_visible()
    assert OptOut.objects.get().undone_at is not None


def test_everybody_can_use_the_page_that_stops_reminders(visit, site, settings, config):
    settings.PUBLIC_URL = site
    person, mandatory = AssigneeFactory(), rule(mandatory=True)
    path = opt_out_links.url_of(person.pk, "default").removeprefix(site)
    page = visit("", path)
    look_at(page, path)
    look_at(page, opt_out_links.url_of(person.pk, key(mandatory)).removeprefix(site))
    opt_outs.opt_out(person.pk, "default", via=OptOut.Via.PAGE, config=config)
    look_at(page, path)
