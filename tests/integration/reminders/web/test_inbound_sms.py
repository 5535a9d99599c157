"""What the gateway posts: only with its signature, once, and quietly where it is about nothing that we know."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.sign_in_failures import Failures
from assignments import contact_points
from notifications.channels.sms.signature import HEADER
from reminders.ledger import counters
from reminders.models import DeliveryEvent, SmsReply
from reminders.web.inbound import sms as inbound
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.sms_gateway import signed
from tests.sms_stage import ANN, SITE, SmsStage, counted, sms_stage

pytestmark = pytest.mark.django_db
REPLIES = f"{SITE}/api/inbound/sms"


@pytest.fixture
def stage(clock) -> Iterator[SmsStage]:
    with sms_stage() as found:
        yield found


@pytest.fixture(autouse=True)
def _nothing_forged_yet(monkeypatch) -> None:
    monkeypatch.setattr(inbound, "forged", Failures())


@pytest.fixture
def sent(stage):
    """One message that was accepted."""
    AssignmentFactory(soon=True, assignee=AssigneeFactory(email="", phone=ANN))
    stage.tick()
    return stage.gateway.taken[0]


def callbacks(callback: str, outcome: str) -> float:
    return counted(counters.SMS_CALLBACKS, f"callback={callback},outcome={outcome}")


def test_what_became_of_a_message_is_kept_once(stage, sent):
    for status in ("sending", "sent", "delivered", "delivered"):
        assert stage.status(sent, status).status == 204
    event = DeliveryEvent.objects.get()
    assert (event.kind, event.source, event.external_id) == ("delivered", "sms", f"{sent.sid}:delivered")
    assert (callbacks("status", "taken"), callbacks("status", "repeated")) == (3, 1)
    assert counted(counters.DELIVERY_EVENTS, "channel=sms,kind=delivered") == 1


def test_a_number_that_takes_no_sms_at_all_is_failing_and_the_next_point_is_tried(stage, sent):
    person = contact_points.people_at("sms", ANN)[0]
    contact_points.add_point(person.pk, "email", "ann@example.test")
    assert stage.status(sent, "undelivered", error=30006).status == 204
    event = DeliveryEvent.objects.get()
    assert (event.kind, event.permanent, event.detail) == ("bounced", True, "undelivered, error 30006")
    assert contact_points.points_of(person.pk)[0].failing_since == NOON
    stage.tick()
    assert [one.address for one in stage.mail.messages] == ["ann@example.test"]


def test_a_gateway_that_tells_of_it_before_the_message_is_recorded_as_sent_is_heard(stage):
    person = AssigneeFactory(email="", phone=ANN)
    contact_points.add_point(person.pk, "email", "ann@example.test")
    AssignmentFactory(soon=True, assignee=person)
    send = stage.sms.send_announcing

    def sent_and_failed(*args, **kwargs):
        delivery = send(*args, **kwargs)
        assert stage.status(stage.gateway.taken[-1], "failed", error=30006).status == 204
        return delivery

    stage.sms.send_announcing = sent_and_failed
    stage.tick()
    assert [one.split()[1] for one in stage.ways()] == ["SENT", "PLANNED"]
    stage.tick()
    assert [one.address for one in stage.mail.messages] == ["ann@example.test"]
    assert len(stage.gateway.taken) == 1


def test_a_phone_that_is_switched_off_is_not_failing(stage, sent):
    assert stage.status(sent, "undelivered", error=30003).status == 204
    event = DeliveryEvent.objects.get()
    assert (event.kind, event.permanent) == ("bounced", False)
    person = contact_points.people_at("sms", ANN)[0]
    assert contact_points.points_of(person.pk)[0].failing_since is None


@pytest.mark.parametrize("order", [("delivered", "failed"), ("failed", "delivered")])
def test_events_are_taken_in_any_order(stage, sent, order):
    for status in order:
        stage.status(sent, status)
    assert sorted(one.kind for one in DeliveryEvent.objects.all()) == ["bounced", "delivered"]


@pytest.mark.parametrize("token", ["", "1-aaaaaaaaaaaaaaaa", "999999-aaaaaaaaaaaaaaaa", "x"])
def test_a_message_that_is_not_known_is_ignored_quietly(stage, sent, token):
    url = f"{SITE}/api/inbound/sms-status?tracking={token}"
    assert stage.post(url, stage.gateway.status(sent, "delivered")).status == 204
    assert callbacks("status", "unknown") == 1
    assert not DeliveryEvent.objects.exists()


def test_a_message_without_an_id_is_ignored(stage, sent):
    assert stage.post(sent.callback, {"MessageStatus": "delivered"}).status == 204
    assert callbacks("status", "invalid") == 1
    assert not DeliveryEvent.objects.exists()


def forged(stage: SmsStage, url: str, fields: dict[str, str], **headers: str) -> None:
    """It is refused before anything is read, and counted."""
    with CaptureQueriesContext(connection) as queries:
        assert stage.post(url, fields, **headers).status == 403
    read = [one["sql"] for one in queries if "reminders_counter" not in one["sql"]]
    assert [sql for sql in read if not sql.startswith(("SAVEPOINT", "RELEASE"))] == []


@pytest.mark.parametrize(
    "signature",
    ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", signed(REPLIES, {"MessageSid": "SM1"}, token="another")],
)
def test_a_request_without_a_valid_signature_is_refused(stage, sent, signature):
    forged(stage, REPLIES, stage.gateway.reply(ANN, "STOP"), **{HEADER: signature})
    forged(stage, sent.callback, stage.gateway.status(sent, "failed", error=30006), **{HEADER: signature})
    assert (callbacks("reply", "forged"), callbacks("status", "forged")) == (1, 1)
    assert not DeliveryEvent.objects.exists()
    assert not SmsReply.objects.exists()


def test_a_flood_of_forged_requests_is_no_flood_of_writes(stage, monkeypatch):
    fields = stage.gateway.reply(ANN, "STOP")
    for _ in range(9):
        forged(stage, REPLIES, fields, **{HEADER: "x"})
    assert callbacks("reply", "forged") == 1
    inbound.report_the_rest()
    assert callbacks("reply", "forged") == 9


def test_the_signature_of_one_request_opens_no_other(stage, sent):
    fields = stage.gateway.status(sent, "delivered")
    signature = signed(sent.callback, fields)
    forged(stage, sent.callback, {**fields, "MessageStatus": "failed"}, **{HEADER: signature})
    forged(stage, sent.callback, {**fields, "More": "1"}, **{HEADER: signature})
    forged(stage, f"{sent.callback}&more=1", fields, **{HEADER: signature})
    forged(stage, REPLIES, fields, **{HEADER: signature})


def test_the_host_that_a_request_names_decides_nothing(stage, sent, settings):
    settings.ALLOWED_HOSTS = ["*"]
    fields = stage.gateway.reply(ANN, "STOP")
    elsewhere = signed("http://evil.example/api/inbound/sms", fields)
    forged(stage, REPLIES, fields, Host="evil.example", **{HEADER: elsewhere})
    assert stage.post(REPLIES, fields, Host="other.example").status == 200


def test_a_body_that_is_no_form_or_too_long_is_refused(stage, sent):
    fields = {**stage.gateway.reply(ANN, "x" * inbound.MOST_OCTETS)}
    forged(stage, REPLIES, fields)
    forged(stage, REPLIES, {f"p{number}": "1" for number in range(inbound.MOST_PARAMETERS + 1)})
    answer = stage.client.post(
        "/api/inbound/sms", "{}", content_type="application/json", headers={HEADER: signed(REPLIES, {})}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(("name", "value"), [("SMS_URL", ""), ("PUBLIC_URL", "")])
def test_without_a_gateway_or_an_address_of_our_own_nothing_is_taken(stage, sent, settings, name, value):
    fields = stage.gateway.reply(ANN, "STOP")
    setattr(settings, name, value)
    forged(stage, REPLIES, fields)


@pytest.mark.parametrize("path", ["/api/inbound/sms", "/api/inbound/sms-status"])
def test_only_posts_are_taken(stage, path):
    assert stage.client.get(path).status_code == 405


def test_no_cookie_and_no_form_token_are_needed(stage, sent):
    stage.client = Client(enforce_csrf_checks=True)
    assert stage.status(sent, "delivered").status == 204


def test_a_number_that_nobody_has_is_ignored_quietly(stage):
    answer = stage.reply("STOP", number="+4915199999999")
    assert (answer.status, answer.content_type, answer.messages) == (200, "text/xml; charset=utf-8", [])
    assert callbacks("reply", "unknown") == 1
    assert not SmsReply.objects.exists()


def test_what_has_no_sender_or_id_is_ignored(stage):
    assert stage.reply("STOP", number="ACME").messages == []
    assert callbacks("reply", "invalid") == 1
