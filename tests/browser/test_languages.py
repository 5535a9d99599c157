"""Mails and pages in every language on a phone: nothing is wider than the window, and no text is cut."""

from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.utils import timezone
from playwright.sync_api import Page

from assignments.contact_point import ContactPoint
from assignments.models import Assignment, Status
from reminders.content import links, opt_out_links, verification_links
from reminders.content.links import Link
from reminders.models import Verification
from tests.browser.contexts import Contexts
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.sample_mails import CLAIMS, mail

pytestmark = pytest.mark.django_db(transaction=True)

LANGUAGES = [code for code, _ in configured.LANGUAGES]
WIDTHS = (390, 320)
# Elements that hide what does not fit, and text that lies outside of the window.
CUT = """() => {
    const cut = [];
    if (document.documentElement.scrollWidth > window.innerWidth) cut.push("the page is too wide");
    for (const one of document.body.querySelectorAll("*")) {
        const style = getComputedStyle(one);
        const hides = style.overflowX !== "visible" || style.textOverflow === "ellipsis";
        if (hides && one.scrollWidth > one.clientWidth + 1) cut.push(`${one.tagName} hides: ${one.innerText}`);
        const box = one.getBoundingClientRect();
        if (box.width && one.innerText && (box.right > window.innerWidth + 1 || box.left < -1))
            cut.push(`${one.tagName} is outside: ${one.innerText}`);
        if (one.tagName === "BUTTON" || one.matches("a.main, a.other, a.button")) {
            if (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
                cut.push(`${one.tagName} is too small: ${one.innerText}`);
        }
    }
    return cut;
}"""


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


def check(page: Page, what: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(CUT) == [], (what, width)


@pytest.mark.parametrize(
    "body",
    [
        "<p style='width:60px;overflow:hidden;white-space:nowrap'>Einsatzbesprechung</p>",
        "<p style='white-space:nowrap'>" + "Einsatzbesprechung " * 9 + "</p>",
        "<p style='position:absolute;left:-40px'>Einsatzbesprechung</p>",
        "<button style='width:40px;white-space:nowrap'>Einsatzbesprechung</button>",
    ],
)
def test_the_check_finds_text_that_is_cut(reader, body):
    reader.set_viewport_size({"width": 390, "height": 800})
    reader.set_content(f"<!doctype html><body>{body}</body>")
    assert reader.evaluate(CUT) != []
    reader.set_content("<!doctype html><body><p>Einsatz</p><button>Einsatz</button></body>")
    assert reader.evaluate(CUT) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_mail_is_cut_on_a_phone(reader, organisation, language):
    for name in CLAIMS:
        reader.set_content(mail(name, language).html)
        check(reader, name)


def pages_of(language: str) -> list[str]:
    """The page behind a link in each of its states, and those that stop reminders and verify an address."""
    now = timezone.now()
    person = AssigneeFactory(name="Maximiliane Oberschelp-Habermann", language=language)

    def path(minutes: int = 180, **state: object) -> str:
        work = AssignmentFactory(
            scheduled_start=now + timedelta(minutes=minutes),
            title="Replace the water meter in the cellar",
            location="Kastanienallee 12, back yard",
            notes="Ring twice.",
            assignee=person,
        )
        Assignment.objects.filter(pk=work.pk).update(**state)
        return links.url_of(Link(work.pk, person.pk, 1))

    point = ContactPoint.objects.get(person=person, channel="email")
    verification = Verification.objects.create(
        contact_point=point,
        address_key=verification_links.address_key("email", point.address),
        by="olga",
        expires_at=now + timedelta(hours=1),
    )
    gone = AssignmentFactory(scheduled_start=now + timedelta(hours=3))
    return [
        path(),
        path(50, answer="CONFIRMED", answered_at=now),
        path(answer="CONFIRMED", answered_at=now, on_my_way_at=now, expected_start=now + timedelta(hours=4)),
        path(answer="DECLINED", answered_at=now, answer_note="ill"),
        path(-40, overdue_at=now, reminder_status="OVERDUE"),
        path(status=Status.CANCELLED),
        path(status=Status.IN_PROGRESS, started_at=now),
        path(status=Status.COMPLETED, started_at=now, completed_at=now),
        links.url_of(Link(gone.pk, person.pk, 1)),
        opt_out_links.url_of(person.pk, "default"),
        verification_links.url_of(verification.pk),
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_behind_a_link_is_cut_on_a_phone(contexts, site, settings, language):
    settings.PUBLIC_URL = site
    # For the link that is nobody's: the browser asks for it.
    page = contexts.take(base_url=site, locale=language).new_page()
    for path in [f"{site}/a/1-2-3.invented", *pages_of(language)]:
        page.goto(path)
        assert page.locator("html").get_attribute("lang") == language
        check(page, path)
