"""What is demanded of people who sign in, what superusers do for them, and what of it is in the audit trail."""

import io
import time
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import roles, sign_in, sign_in_failures, user_sessions
from accounts.adapters import FactorAdapter
from accounts.models import ApiToken
from reminders.models import Audit
from tests.logins import signed_in, staff

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-password-of-olga"


@pytest.fixture(autouse=True)
def _nothing_remembered(settings, monkeypatch):
    settings.TRUSTED_PROXY_COUNT = 0
    monkeypatch.setattr(sign_in, "_empty_until", {})
    monkeypatch.setattr(sign_in_failures, "failures", sign_in_failures.Failures())


@pytest.fixture
def olga():
    return staff("olga", roles.OPERATORS, password=PASSWORD)


@pytest.fixture
def root():
    return get_user_model().objects.create_superuser("root", password="a-password-of-root")


def enter(client: Client | None = None, password: str = PASSWORD, **values) -> Client:
    browser = client or Client()
    browser.post("/account/sign-in", {"username": "olga", "password": password}, **values)
    return browser


def with_app(user) -> str:
    """Gives somebody an authenticator app; its key."""
    secret = generate_totp_secret()
    Authenticator.objects.create(user=user, type="totp", data={"secret": FactorAdapter().encrypt(secret)})
    return secret


def code(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def command(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def lines(action: str) -> list[tuple[str, str, dict[str, object]]]:
    found = Audit.objects.filter(action=action).order_by("pk")
    return [(one.actor, one.reason, one.after) for one in found]


def test_operators_without_a_factor_are_led_to_one_and_the_api_refuses_their_session(olga, settings):
    token = ApiToken.issue("planning", scopes=["ops"], days=None)[1]
    browser, viewer = signed_in(olga), signed_in(staff("vera", roles.VIEWERS))
    permitted = staff("paul", roles.VIEWERS)
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    for path in ("/ops/", "/admin/", "/admin/password_change/done/", "/"):
        answer = browser.get(path)
        assert (answer.status_code, answer["Location"]) == (302, "/account/"), path
    assert browser.post("/ops/act/pause", {"confirmed": "1"})["Location"] == "/account/"
    assert browser.get("/ops/live", headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    refused = browser.get("/api/assignments")
    assert (refused.status_code, "second factor" in refused.content.decode()) == (403, True)
    assert browser.get("/account/").status_code == 200
    assert b"Set up a second factor to go on." in browser.get("/account/").content
    by_token = Client(headers={"Authorization": f"Bearer {token}"})
    paused = by_token.post("/api/admin/reminders/pause", {"reason": "x"}, content_type="application/json")
    assert paused.status_code == 200
    assert viewer.get("/ops/settings").status_code == 200
    assert signed_in(permitted).get("/ops/settings").status_code == 200
    with_app(olga)
    assert browser.get("/ops/settings").status_code == 200
    assert browser.get("/api/assignments").status_code == 200
    Authenticator.objects.all().delete()
    RecoveryCodes.activate(olga)
    assert browser.get("/ops/settings").status_code == 302, "recovery codes alone are no factor"


def test_codes_are_limited_for_an_account_wherever_they_come_from(olga, clock):
    secret = with_app(olga)
    found = []
    for number in range(8):
        browser = enter(REMOTE_ADDR=f"198.51.100.{number}")  # The password is right each time.
        address = {"REMOTE_ADDR": f"198.51.100.{number}"}
        found.append(browser.post("/account/sign-in/second-step", {"code": "000000"}, **address).status_code)
    assert found == [200] * 5 + [429] * 3
    assert [reason for _, reason, _ in lines("fail_sign_in")] == ["wrong code of the second factor"] * 5 + [
        "refused: too many failures before"
    ]
    browser = enter()
    assert browser.post("/account/sign-in/second-step", {"code": code(secret)}).status_code == 429
    clock.advance(timedelta(seconds=61))
    sign_in._empty_until.clear()
    assert browser.post("/account/sign-in/second-step", {"code": code(secret)})["Location"] == "/ops/"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/account/confirm", "password"),
        ("/account/password", "oldpassword"),
        ("/admin/password_change/", "oldpassword"),
    ],
)
def test_passwords_are_limited_wherever_they_are_asked(olga, path, field):
    browser = enter()
    values = {"password1": "another-long-one", "password2": "another-long-one"}
    found = [browser.post(path, {**values, field: f"guess {n}"}).status_code for n in range(30)]
    assert found == [200] * 5 + [429] * 25
    assert (
        enter(password="guess").post("/account/sign-in", {"username": "olga", "password": "x"}).status_code
        == 429
    )
    olga.refresh_from_db()
    assert olga.check_password(PASSWORD)


def test_somebody_who_is_signed_in_does_not_refill_what_others_may_guess(olga):
    mallory = Client()
    staff("mallory", roles.VIEWERS, password="a-password-of-mallory")
    mallory.post("/account/sign-in", {"username": "mallory", "password": "a-password-of-mallory"})
    found = [
        mallory.post("/account/sign-in", {"username": "olga", "password": f"guess {n}"}).status_code
        for n in range(7)
    ]
    assert found == [200] * 5 + [429] * 2
    assert mallory.get("/ops/settings").status_code == 200


def test_a_wrong_name_a_wrong_password_and_an_account_that_may_not_sign_in_get_the_same_answer(olga):
    get_user_model().objects.create_user("guest", password="a-password-of-guest")
    staff("left", roles.VIEWERS, password="a-password-of-left", is_active=False)
    tries = [
        ("olga", "wrong"),
        ("nobody", "wrong"),
        ("guest", "a-password-of-guest"),
        ("left", "a-password-of-left"),
    ]
    found = set()
    for name, password in tries:
        answer = Client().post("/account/sign-in", {"username": name, "password": password})
        errors = answer.context["form"].errors.as_json()
        found.add((answer.status_code, errors))
    assert len(found) == 1
    assert {after["name"] for _, _, after in lines("fail_sign_in")} == {"olga", "guest", "left"}
    assert Audit.objects.filter(action="sign_in").count() == 0


def test_a_changed_password_ends_other_sessions_and_is_recorded(olga):
    here, there = enter(), enter()
    new = "another-long-one"
    changed = here.post("/account/password", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert (changed.status_code, changed["Location"]) == (302, "/account/")
    assert (here.get("/ops/settings").status_code, there.get("/ops/settings").status_code) == (200, 302)
    assert lines("change_password") == [("olga", "", {"name": "olga"})]


def test_a_right_old_password_with_a_bad_new_one_is_no_failure(olga):
    browser = enter()
    for _ in range(8):
        answer = browser.post(
            "/account/password", {"oldpassword": PASSWORD, "password1": "a", "password2": "b"}
        )
        assert answer.status_code == 200
    assert lines("fail_sign_in") == []


def test_factors_are_changed_within_a_quarter_of_an_hour_after_who_somebody_is_was_confirmed(olga):
    browser = enter()
    assert browser.get("/account/app/add").status_code == 200
    session = browser.session
    session["account_authentication_methods"][0]["at"] -= 901
    session.save()
    asked = browser.get("/account/app/add")
    assert asked["Location"] == "/account/confirm?next=%2Faccount%2Fapp%2Fadd"
    confirmed = browser.post("/account/confirm?next=/account/app/add", {"password": PASSWORD})
    assert confirmed["Location"] == "/account/app/add"
    assert browser.get("/account/app/add").status_code == 200


def test_keys_of_factors_survive_another_secret_key(olga, settings):
    secret = with_app(olga)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-key-" * 5
    held = Authenticator.objects.get(user=olga)
    assert TOTP(held).validate_code(code(secret))
    assert secret not in str(held.data)


def test_a_lost_factor_is_reset_by_a_command_with_a_reason(olga):
    with_app(olga)
    RecoveryCodes.activate(olga)
    assert command("reset_second_factor", "olga", "--reason", "telephone lost") == (
        "olga: removed recovery_codes, totp.\n"
    )
    assert command("reset_second_factor", "olga", "--reason", "again") == "olga has none.\n"
    ((_, reason, after),) = lines("reset_second_factors")
    assert (reason, after) == ("telephone lost", {"name": "olga", "factors": []})
    for words in (("reset_second_factor", "nobody"), ("end_sessions", "nobody")):
        with pytest.raises(CommandError, match="nobody has the name 'nobody'"):
            command(*words, "--reason", "x")
    with pytest.raises(CommandError, match="a reason is needed"):
        command("reset_second_factor", "olga", "--reason", " ")


def test_a_superuser_resets_factors_and_ends_sessions_and_an_operator_does_not(olga, root):
    with_app(olga)
    old, boss = (
        signed_in(olga),
        signed_in(root),
    )  # The first is like a session of a release that did not list them.
    chosen = {"_selected_action": str(olga.pk)}
    for action in ("reset_factors", "end_sessions"):
        asked = boss.post("/admin/auth/user/", {**chosen, "action": action})
        assert b"olga" in asked.content
        boss.post(
            "/admin/auth/user/", {**chosen, "action": action, "confirmed": "1", "reason": "telephone lost"}
        )
    assert not Authenticator.objects.filter(user=olga).exists()
    assert old.get("/ops/settings").status_code == 302
    assert boss.get("/ops/settings").status_code == 200
    assert [lines(one)[0][:2] for one in ("reset_second_factors", "end_sessions")] == [
        ("root", "telephone lost")
    ] * 2
    assert signed_in(olga).get("/admin/auth/user/").status_code == 403


def test_nobody_ends_a_session_of_somebody_else(olga):
    mine, other = enter(), Client()
    staff("vera", roles.VIEWERS, password="a-password-of-vera")
    other.post("/account/sign-in", {"username": "vera", "password": "a-password-of-vera"})
    hers = UserSession.objects.get(user__username="vera")
    assert mine.post("/account/sessions/end", {"session": str(hers.pk)}).status_code == 302
    assert other.get("/ops/settings").status_code == 200
    for wrong in ("x", "1" * 30, "-1"):
        assert mine.post("/account/sessions/end", {"session": wrong}).status_code == 404


def test_sessions_that_are_over_are_removed(olga):
    browser = enter()
    enter()
    key = browser.session.session_key
    Session.objects.filter(session_key=key).update(expire_date=timezone.now() - timedelta(days=2))
    user_sessions.prune()
    assert Session.objects.count() == UserSession.objects.count() == 1


def test_there_is_no_way_to_make_an_account_and_no_mail(olga, mailoutbox):
    for path in ("/account/signup/", "/account/password/reset/", "/accounts/signup/", "/account/email/"):
        assert Client().get(path).status_code == 404
    browser = enter()
    with_app(olga)
    browser.post("/account/app/remove")
    assert mailoutbox == []
    assert not Authenticator.objects.exists()


def test_the_admin_shows_no_table_of_secrets(root):
    page = signed_in(root).get("/admin/").content.decode()
    for words in ("Authenticators", "Social", "Email addresses", "User sessions"):
        assert words not in page
