"""A person shows that an address is theirs, by a link or by a code."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from assignments import contact_points
from assignments.contact_point import ContactPoint
from notifications.channels import registry
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Outcome
from reminders import conf
from reminders.content import verification_links
from reminders.models import Audit, CircuitBreaker, Reminder, Verification
from reminders.operations import pauses, verifications
from reminders.operations.verifications import NotVerifiable, TooOften
from tests.factories import AssigneeFactory
from tests.fakes.api_caller import ApiCaller, faults
from tests.fakes.memory_sms import MemorySms

pytestmark = pytest.mark.django_db

MAIL, PHONE = "ada@example.test", "+4930123456"


@pytest.fixture(autouse=True)
def config(clock, monkeypatch, settings) -> conf.ReminderConfig:
    settings.PUBLIC_URL = "https://reminders.example.test"
    with_sms = replace(conf.current(), channel="memory", further_channels=("sms",))
    monkeypatch.setattr(conf, "current", lambda: with_sms)
    return with_sms


@pytest.fixture
def channels(monkeypatch):
    known = {"memory": MemoryChannel(), "sms": MemorySms()}
    monkeypatch.setattr(registry, "get", known.__getitem__)
    return known


@pytest.fixture
def ada(clock):
    return AssigneeFactory(name="Ada", email=MAIL, phone=PHONE)


@pytest.fixture
def mail(ada):
    return contact_points.points_of(ada.pk)[0]


@pytest.fixture
def phone(ada):
    return contact_points.points_of(ada.pk)[1]


@pytest.fixture
def send(config, channels):
    def sent(point, **more):
        return verifications.send(point.person_id, point.pk, by="olga", config=config, **more)

    return sent


def path_in(message):
    (found,) = re.findall(r"https://reminders\.example\.test(/v/\S+)", message.text)
    return found


def code_in(message):
    (found,) = re.findall(r"\b\d{6}\b", message.text)
    return found


def verified(point):
    return ContactPoint.objects.get(pk=point.pk).verified_at is not None


def test_by_a_link_that_a_person_confirms(channels, send, mail):
    send(mail)
    (message,) = channels["memory"].messages
    assert (message.address, message.name) == (MAIL, "Ada")
    assert path_in(message) in message.html
    browser = Client(enforce_csrf_checks=True)
    page = browser.get(path_in(message))
    assert page.status_code == 200
    assert not verified(mail)  # A scanner has looked.
    for secret in (MAIL, "Ada"):
        assert secret not in page.content.decode()
    assert (page["Referrer-Policy"], page["Cache-Control"]) == ("no-referrer", "no-store")
    assert browser.post(path_in(message)).status_code == 303
    assert verified(mail)
    assert "Thank you" in browser.get(path_in(message)).content.decode()
    assert browser.post(path_in(message)).status_code == 303
    assert not Reminder.objects.exists()


def test_by_a_code_that_a_person_tells(channels, send, ada, phone):
    send(phone)
    (message,) = channels["sms"].messages
    assert "/v/" not in message.text
    code = code_in(message)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    with pytest.raises(ValidationError):
        verifications.enter_code(ada.pk, phone.pk, wrong)
    assert not verified(phone)
    verifications.enter_code(ada.pk, phone.pk, f"{code[:3]} {code[3:]}")
    assert verified(phone)
    assert code not in str(list(Verification.objects.values()))


def test_nobody_guesses_a_code(channels, send, ada, phone):
    send(phone)
    code = code_in(channels["sms"].messages[0])
    for number in range(verifications.MOST_GUESSES):
        with pytest.raises(ValidationError):
            verifications.enter_code(ada.pk, phone.pk, f"{(int(code) + 1 + number) % 1_000_000:06d}")
    with pytest.raises(ValidationError):
        verifications.enter_code(ada.pk, phone.pk, code)
    assert not verified(phone)


def test_a_link_and_a_code_are_good_for_a_day(channels, send, ada, mail, phone, clock):
    send(mail)
    send(phone)
    clock.advance(timedelta(hours=24))
    path = path_in(channels["memory"].messages[0])
    assert (Client().get(path).status_code, Client().post(path).status_code) == (404, 404)
    with pytest.raises(ValidationError):
        verifications.enter_code(ada.pk, phone.pk, code_in(channels["sms"].messages[0]))
    assert not ContactPoint.objects.exclude(verified_at=None).exists()


def test_another_address_is_not_verified_by_it(channels, send, mail):
    send(mail)
    contact_points.change_point(mail.pk, {"address": "evil@example.test"})
    assert Client().post(path_in(channels["memory"].messages[0])).status_code == 404
    assert not verified(mail)


def test_every_link_that_is_not_good_is_answered_alike(channels, send, mail):
    send(mail)
    good = path_in(channels["memory"].messages[0])
    contact_points.remove_point(mail.pk)
    unknown = f"/v/{verification_links.token_of(4711)}"
    answers = {
        (one.status_code, one.content)
        for path in (good, unknown, "/v/made-up", "/v/1-" + "0" * 32, good + "0")
        for one in (Client().get(path), Client().post(path))
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 404


def test_three_an_hour_go_to_a_contact_point_and_five_to_an_address(channels, send, mail, clock, config):
    for _ in range(3):
        send(mail)
    with pytest.raises(TooOften) as refused:
        send(mail)
    assert refused.value.wait == 3600
    for _ in range(2):
        send(contact_points.points_of(AssigneeFactory(email=MAIL.title()).pk)[0])
    with pytest.raises(TooOften):
        send(contact_points.points_of(AssigneeFactory(email=MAIL).pk)[0])
    clock.advance(timedelta(hours=1))
    send(mail)
    assert len(channels["memory"].messages) == 6


def test_nothing_is_sent_where_nothing_may_be(channels, send, mail, phone, config, settings):
    contact_points.opt_out(phone.pk)
    with pytest.raises(NotVerifiable, match="opted out"):
        send(phone)
    pauses.pause(by="olga", reason="storm")
    with pytest.raises(NotVerifiable, match="paused"):
        send(mail)
    pauses.resume(by="olga")
    CircuitBreaker.objects.create(
        channel="memory", until=ContactPoint.objects.get(pk=mail.pk).created_at + timedelta(1)
    )
    with pytest.raises(NotVerifiable, match="does not work"):
        send(mail)
    CircuitBreaker.objects.all().delete()
    settings.PUBLIC_URL = ""
    with pytest.raises(NotVerifiable, match="PUBLIC_URL"):
        send(mail)
    assert channels["memory"].attempts == []
    assert not Verification.objects.exists()


def test_how_it_ended_is_recorded_and_who_asked(channels, send, mail, ada):
    channels["memory"].answer_with(Outcome.REJECTED, RuntimeError("boom"))
    assert not verifications.was_sent(send(mail, reason="new number"))
    assert verifications.was_sent(send(mail))
    assert list(Verification.objects.order_by("id").values_list("outcome", "by")) == [
        ("rejected", "olga"),
        ("unknowable", "olga"),
    ]
    assert channels["memory"].timeouts == [verifications.DEADLINE] * 2
    first = Audit.objects.earliest("id")
    assert (first.action, first.reason) == ("send_verification", "new number")
    assert MAIL not in str(list(Verification.objects.values())) + str(list(Audit.objects.values()))


# --- the API and the page ---------------------------------------------------------------------------------------


def test_over_the_api(channels, ada, mail, phone):
    call = ApiCaller("read", "write")
    url = f"/api/people/{ada.pk}/contact-points/{phone.pk}/verify"
    sent = call.post(url, {})
    assert (sent.status_code, sent.json()["outcome"], sent.json()["used_at"]) == (202, "accepted", None)
    assert faults(call.post(url, {"code": "12"})) == [("code", "wrong_code")]
    used = call.post(url, {"code": code_in(channels["sms"].messages[0])})
    assert (used.status_code, used.json()["used_at"]) == (200, "2026-06-15T12:00:00Z")
    point = call.get(f"/api/people/{ada.pk}/contact-points/{phone.pk}").json()
    assert point["verified_at"] == "2026-06-15T12:00:00Z"
    assert call.post(f"/api/people/{ada.pk}/contact-points/4711/verify", {}).status_code == 404
    assert ApiCaller("read").post(url, {}).status_code == 403


def test_the_api_says_what_was_refused_and_when_to_come_again(channels, ada, mail):
    call = ApiCaller("read", "write")
    url = f"/api/people/{ada.pk}/contact-points/{mail.pk}/verify"
    channels["memory"].answer_with(Outcome.REJECTED)
    refused = call.post(url, {})
    assert (refused.status_code, faults(refused)) == (409, [(None, "not_verifiable")])
    call.post(url, {})
    call.post(url, {})
    throttled = call.post(url, {})
    assert (throttled.status_code, throttled["Retry-After"]) == (429, "3600")


def test_on_the_ops_page(channels, operator, ada, mail, phone):
    url = f"/ops/people/{ada.pk}"
    operator.post(f"{url}/verify", {"point": phone.pk, "reason": "she asked"})
    wrong = operator.post(f"{url}/code", {"point": phone.pk, "code": "x"})
    assert "is not the code" in wrong.content.decode()
    operator.post(f"{url}/code", {"point": phone.pk, "code": code_in(channels["sms"].messages[0])})
    assert verified(phone)
    channels["memory"].answer_with(Outcome.REJECTED)
    page = operator.post(f"{url}/verify", {"point": mail.pk, "reason": "x"}, follow=True)
    assert "the message was not accepted" in page.content.decode()
