"""What mail providers report by webhook, through django-anymail's own readers, at POST /api/inbound/email."""

import base64
import hashlib
import hmac
import json
import logging

import pytest
from anymail.signals import tracking as signal
from django.db import OperationalError
from django.test import Client

from notifications import providers
from reminders.bounces.tracking_events import on_tracking
from reminders.ledger import delivery_events
from reminders.models import DeliveryEvent

pytestmark = pytest.mark.django_db

SECRET = "provider:0123456789abcdef"
ADDRESS = "/api/inbound/email"


@pytest.fixture(autouse=True)
def _connected():
    signal.connect(on_tracking, dispatch_uid="reminders.tracking")
    yield
    signal.disconnect(on_tracking, dispatch_uid="reminders.tracking")


@pytest.fixture
def use(settings):
    def configure(provider: str, key: str = "") -> None:
        settings.ANYMAIL_PROVIDER = provider
        settings.ANYMAIL = providers.anymail_settings(provider, SECRET, key)

    return configure


def post(body: object, *, secret: str = SECRET) -> int:
    login = base64.b64encode(secret.encode()).decode()
    headers = {"Authorization": f"Basic {login}"} if secret else {}
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return Client().post(ADDRESS, content, content_type="application/json", headers=headers).status_code


def postmark(token: str, **values: object) -> dict[str, object]:
    return {
        "RecordType": "Bounce",
        "ID": 901542550,
        "Type": "HardBounce",
        "MessageID": "2706ee8a-737c-4285-b032-ccd317af53ed",
        "Metadata": {providers.METADATA: token},
        "Description": "The server was unable to deliver your message.",
        "Details": "smtp;550 5.1.1 <ada@example.net>... User unknown",
        "Email": "ada@example.net",
        "BouncedAt": "2026-06-15T11:59:00Z",
        **values,
    }


def test_a_bounce_is_recorded_once_and_plans_the_next_way(sent, use):
    use("postmark")
    for _ in range(2):
        assert post(postmark(sent.token)) == 200
    detail = "smtp;550 5.1.1 <address>... User unknown"
    assert sent.events() == [("bounced", True, "postmark", detail)]
    assert sent.is_failing()
    assert sent.ways() == ["email SENT", "sms PLANNED"]


def test_delivery_opening_and_complaint_are_recorded_in_any_order(sent, use):
    use("postmark")
    common = {"Details": None, "Description": None, "ID": None}
    opened = {"RecordType": "Open", "ReceivedAt": "2026-06-15T11:59:50Z"}
    delivered = {"RecordType": "Delivery", "DeliveredAt": "2026-06-15T11:59:10Z"}
    complained = {"RecordType": "SpamComplaint", "Type": "SpamComplaint"}
    for event in (opened, delivered, complained, delivered):
        assert post(postmark(sent.token, **{**common, **event})) == 200
    assert sorted(kind for kind, *_ in sent.events()) == ["complained", "delivered", "opened"]


@pytest.mark.parametrize(
    ("values", "permanent"),
    [
        ({"Details": "smtp;452 4.2.2 mailbox full", "Type": "SoftBounce"}, False),
        ({"Details": "", "Description": "unable to deliver", "Type": "SoftBounce"}, False),
        ({"Details": "", "Description": "unable to deliver", "Type": "HardBounce"}, True),
        ({"Details": "smtp;550 5.7.1 blocked by policy", "Type": "Blocked"}, False),
        ({"Details": "", "Type": "BadEmailAddress"}, True),
    ],
)
def test_only_what_is_about_the_address_is_permanent(sent, use, values, permanent):
    use("postmark")
    assert post(postmark(sent.token, **values)) == 200
    [(kind, found, _, _)] = sent.events()
    assert (kind, found, sent.is_failing()) == ("bounced", permanent, permanent)


@pytest.mark.filterwarnings("ignore:django-anymail has dropped official support")
def test_several_events_come_in_one_request(sent, use):
    use("sendgrid")
    events = [
        {"event": "processed", "timestamp": 1781524700, "sg_event_id": "a", "email": "ada@example.net"},
        {"event": "delivered", "timestamp": 1781524710, "sg_event_id": "b", "response": "250 OK"},
        {"event": "bounce", "timestamp": 1781524720, "sg_event_id": "c", "reason": "550 5.1.1 no such user"},
        {"event": "delivered", "timestamp": 1781524710, "sg_event_id": "d", providers.METADATA: "1-forged"},
    ]
    for event in events[:3]:
        event[providers.METADATA] = sent.token
    assert post(events) == 200
    assert sorted((kind, permanent) for kind, permanent, *_ in sent.events()) == [
        ("bounced", True),
        ("delivered", False),
    ]
    assert DeliveryEvent.objects.count() == 2


def test_signed_webhooks_must_have_a_good_signature(sent, use):
    use("mailgun", key="signing-key")

    def event(key: str) -> dict[str, object]:
        signed = hmac.new(key.encode(), b"1781524700" + b"t" * 50, hashlib.sha256).hexdigest()
        return {
            "signature": {"timestamp": "1781524700", "token": "t" * 50, "signature": signed},
            "event-data": {
                "event": "failed",
                "severity": "permanent",
                "reason": "bounce",
                "id": "x",
                "timestamp": 1781524700,
                "recipient": "ada@example.net",
                "user-variables": {providers.METADATA: sent.token},
                "delivery-status": {"code": 550, "message": "5.1.1 no such user"},
                "message": {"headers": {"message-id": "x@example.org"}},
            },
        }

    assert post(event("another key")) == 403
    assert not DeliveryEvent.objects.exists()
    assert post(event("signing-key")) == 200
    assert [kind for kind, *_ in sent.events()] == ["bounced"]


@pytest.mark.parametrize("secret", ["", "provider:wrong-0123456789", "other:0123456789abcdef"])
def test_who_does_not_know_the_secret_is_refused(sent, use, secret, caplog):
    use("postmark")
    assert post(postmark(sent.token), secret=secret) == 403
    assert not DeliveryEvent.objects.exists()
    assert not [record for record in caplog.records if "0123456789" in str(record.__dict__)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"RecordType": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"RecordType":"Bounce"}',
    ],
)
def test_what_cannot_be_read_is_refused_or_ignored(use, body):
    use("postmark")
    assert post(body) in (200, 400)
    assert not DeliveryEvent.objects.exists()


def test_a_bounce_that_is_quicker_than_the_record_of_its_message_is_to_be_sent_again(sent, use):
    use("postmark")
    sent.is_again_being_sent()
    assert post(postmark(sent.token)) == 503
    assert not DeliveryEvent.objects.exists()


def test_while_the_database_is_away_it_is_to_be_sent_again(sent, use, monkeypatch):
    use("postmark")

    def away(*_, **__):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(delivery_events, "record", away)
    assert post(postmark(sent.token)) == 503


def test_without_a_provider_there_is_nothing_at_this_address(sent):
    assert post(postmark(sent.token)) == 404
    assert not DeliveryEvent.objects.exists()


def test_only_posts_are_taken(use):
    use("postmark")
    assert Client().get(ADDRESS).status_code == 405
    assert Client().head(ADDRESS).status_code == 200


@pytest.mark.parametrize("token", ["1-aaaaaaaaaaaaaaaa", "", "x" * 1_000, None, ["list"]])
def test_a_forged_or_foreign_token_is_left_out_quietly(sent, use, token):
    use("postmark")
    assert post(postmark("", Metadata={providers.METADATA: token})) == 200
    assert post(postmark("", Metadata={})) == 200
    assert not DeliveryEvent.objects.exists()


def test_no_log_line_holds_an_address(sent, use, caplog):
    caplog.set_level(logging.DEBUG)
    use("postmark")
    post(postmark(sent.token))
    assert not [
        record for record in caplog.records if "example.net" in f"{record.getMessage()} {record.__dict__}"
    ]
