"""Signing in as people do: by password, with a second step, with a passkey; and what they see of their account."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth import get_user_model
from playwright.sync_api import Page, expect

from accounts import sign_in as sign_in_limits
from reminders.management.page_visit import forms_of
from reminders.models import Audit
from tests.browser.test_accessibility import look_at

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "a-long-password-of-olga"


@pytest.fixture
def olga(site, monkeypatch):
    monkeypatch.setattr(sign_in_limits, "_empty_until", {})
    user = get_user_model().objects.get(username="olga")
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(page: Page, name: str = "olga", password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def heading_after(page: Page, door: str, password: str) -> str:
    """Of the page that the browser of this page gets for a wrong password; it draws neither this nor the form."""
    shown = page.request.get(door)
    name = "csrfmiddlewaretoken"
    token = next(form.hidden[name] for form in forms_of(shown.text()) if name in form.hidden)
    sent = {name: token, "username": "olga", "password": password}
    answer = page.request.post(shown.url, form=sent, headers={"Referer": shown.url})
    return re.findall("<h1[^>]*>([^<]+)</h1>", answer.text())[0].strip()


def code(secret: str, steps: int = 0) -> str:
    """What an authenticator app shows for this key (RFC 6238), so many steps of 30 seconds from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


@contextmanager
def authenticator(page: Page) -> Iterator[None]:
    """A device that keeps passkeys, and whose owner always agrees (WebAuthn 3, 11: virtual authenticators)."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield
    session.detach()


def trail(*actions: str) -> list[tuple[str, str, object]]:
    rows = Audit.objects.filter(action__in=actions).order_by("pk")
    return [(row.actor, row.action, row.after) for row in rows]


def test_by_password_to_where_somebody_wanted_to_go(visit, olga):
    page = visit("", "/ops/settings")
    expect(page).to_have_url("/account/sign-in?next=/ops/settings")
    sign_in(page, password="wrong")
    expect(page.get_by_text("The username and/or password you specified are not correct.")).to_be_visible()
    sign_in(page)
    expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
    sign_out(page)
    page.goto("/admin/")
    expect(page).to_have_url("/account/sign-in?next=%2Fadmin%2F")
    assert trail("sign_in", "fail_sign_in") == [
        ("somebody", "fail_sign_in", {"name": "olga"}),
        ("olga", "sign_in", {"with": ["password"]}),
    ]


def test_an_authenticator_app_and_recovery_codes(visit, olga):
    page = visit("", "/account/")
    sign_in(page)
    page.get_by_role("link", name="Add an authenticator app").click()
    secret = page.locator(".secret").inner_text()
    box = page.locator(".qr svg").bounding_box()
    assert box
    assert box["width"] > 100
    page.get_by_label("Authenticator code").fill(code(secret, -1))
    page.get_by_role("button", name="Add").click()
    shown = page.locator(".codes code")
    expect(shown).to_have_count(10)
    codes = shown.all_inner_texts()
    assert len(set(codes)) == 10
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("Authenticator app", exact=True)).to_be_visible()

    def second_step(given: str) -> Page:
        other = visit("", "/ops/settings")
        sign_in(other)
        expect(other.get_by_role("heading", name="Second step")).to_be_visible()
        other.goto("/ops/settings")  # The password alone opens nothing.
        expect(other).to_have_url("/account/sign-in?next=/ops/settings")
        other.goto("/account/sign-in/second-step")
        other.get_by_label("Code").fill(given)
        other.get_by_role("button", name="Sign in", exact=True).click()
        return other

    at_once = code(secret)
    expect(second_step(at_once).get_by_role("heading", name="Your settings")).to_be_visible()
    expect(
        second_step(at_once).get_by_text("Incorrect code.")
    ).to_be_visible()  # Nobody reads it over a shoulder.
    expect(second_step(codes[0]).get_by_role("heading", name="Your settings")).to_be_visible()
    expect(second_step(codes[0]).get_by_text("Incorrect code.")).to_be_visible()
    stored = Authenticator.objects.get(user=olga, type="totp")
    assert secret not in str(stored.data)
    assert [after for _, _, after in trail("sign_in")] == [
        {"with": ["password"]},
        {"with": ["password", "totp"]},
        {"with": ["password", "recovery_codes"]},
    ]
    assert [after for _, _, after in trail("add_second_factor")] == [
        {"name": "olga", "factor": "totp"},
        {"name": "olga", "factor": "recovery_codes"},
    ]
    assert Audit.objects.filter(action="fail_sign_in", reason="wrong code of the second factor").count() == 2


def test_a_passkey_signs_in_alone_and_as_a_second_step(visit, olga):
    page = visit("", "/account/")
    sign_in(page)
    with authenticator(page):
        page.get_by_role("link", name="Add a passkey").click()
        page.get_by_label("Name of the passkey").fill("Laptop")
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_role("link", name="I have kept them").click()
        expect(page.get_by_text("Passkey: Laptop")).to_be_visible()
        sign_out(page)
        page.goto("/ops/settings")
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
        page.goto("/account/sign-in?next=/ops/settings")
        expect(page.get_by_role("heading", name="Your settings")).to_be_visible()  # still signed in
        sign_out(page)
        page.goto("/ops/settings")
        sign_in(page)
        page.get_by_role("button", name="Use a passkey or security key").click()
        expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
        page.goto("/account/")
        page.get_by_role("link", name=re.compile("Remove.*Laptop")).click()
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_text("your password alone signs you in")).to_be_visible()
    assert [after for _, _, after in trail("sign_in")] == [
        {"with": ["password"]},
        {"with": ["webauthn"]},
        {"with": ["password", "webauthn"]},
    ]
    assert not Authenticator.objects.exists()
    assert [after["factor"] for _, _, after in trail("remove_second_factor")] == [
        "webauthn",
        "recovery_codes",
    ]


def test_a_passkey_that_this_site_does_not_know_is_refused(visit, olga):
    page = visit("", "/account/")
    sign_in(page)
    with authenticator(page):
        page.get_by_role("link", name="Add a passkey").click()
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        Authenticator.objects.all().delete()
        page.context.clear_cookies()
        page.goto("/account/sign-in")
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_text("Incorrect code.")).to_be_visible()


def test_a_second_factor_is_asked_of_operators_before_anything_else(visit, olga, settings):
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    page = visit("", "/ops/settings")
    sign_in(page)
    expect(page.get_by_text("Set up a second factor to go on.")).to_be_visible()
    for path in ("/ops/", "/ops/act/pause", "/admin/"):
        page.goto(path)
        expect(page).to_have_url("/account/")
    with authenticator(page):
        page.get_by_role("link", name="Add a passkey").click()
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_role("link", name="I have kept them").click()
        page.goto("/ops/settings")
        expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
    viewer = visit("vera", "/ops/settings")
    expect(viewer.get_by_role("heading", name="Your settings")).to_be_visible()


def test_a_session_is_seen_and_ended_elsewhere(visit, olga):
    here, there = visit("", "/account/"), visit("", "/account/")
    for page in (here, there):
        sign_in(page)
        expect(page).to_have_url("/account/")
    here.reload()
    rows = here.locator("[aria-labelledby=sessions] li")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Chrome on Linux")
    here.get_by_role("button", name=re.compile("End.*Chrome")).click()
    expect(here.get_by_text("Sessions ended: 1.")).to_be_visible()
    expect(rows).to_have_count(1)
    there.goto("/ops/")
    expect(there).to_have_url("/account/sign-in?next=/ops/")
    here.goto("/ops/settings")
    expect(here.get_by_role("heading", name="Your settings")).to_be_visible()


def test_thirty_wrong_passwords_are_refused_at_every_door(visit, olga):
    page = visit("", "/account/sign-in")
    found = []
    for number in range(30):
        door = ("/account/sign-in", "/admin/login/", "/admin/")[number % 3]
        if number in {0, 1, 2, 5, 6, 7}:  # Each door is drawn before and after the limit.
            page.goto(door)
            with page.expect_navigation():
                sign_in(page, password=f"guess {number}")
            found.append(page.get_by_role("heading").first.inner_text())
        else:
            found.append(heading_after(page, door, password=f"guess {number}"))
    assert found == ["Sign in"] * 5 + ["Too many attempts"] * 25
    page.goto("/account/sign-in")
    sign_in(page)
    expect(page.get_by_role("heading", name="Too many attempts")).to_be_visible()


def test_everybody_can_use_the_pages_of_sign_in_and_account(visit, olga):
    page = visit("", "/account/sign-in")
    look_at(page, "/account/sign-in")
    page.goto("/ops/settings")
    sign_in(page)
    expect(page.get_by_role("heading", name="Your settings")).to_be_visible()
    for path in ("/account/", "/account/app/add", "/account/passkeys/add", "/account/password"):
        look_at(page, path)
