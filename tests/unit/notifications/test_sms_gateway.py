"""Which addresses of gateways SMS_URL may hold, and what the checks refuse."""

import pytest
from django.core import checks
from pytest_django.fixtures import Settings

from config.environment import Environment
from notifications.channels.sms.checks import sms_in_service
from notifications.channels.sms.gateway import Gateway, NotAGateway, parse

TOKEN = "s3cr3t-t0k3n"
LOGIN = f"AC0123:{TOKEN}"


def test_an_address_names_account_host_and_sender() -> None:
    assert parse(f"twilio://{LOGIN}@api.twilio.com?from=+4930123456") == Gateway(
        tls=True,
        host="api.twilio.com",
        port=443,
        path="",
        account="AC0123",
        token=TOKEN,
        sender="+4930123456",
    )
    plain = parse(f"twilio+http://{LOGIN}@127.0.0.1:8080?from=12345&plain=allowed")
    assert (plain.tls, plain.port, plain.sender, plain.plain_allowed) == (False, 8080, "12345", True)
    assert plain.host_header == "127.0.0.1:8080"
    assert plain.messages_path == "/2010-04-01/Accounts/AC0123/Messages.json"


def test_a_compatible_gateway_may_have_a_path_before_the_resource() -> None:
    found = parse(f"twilio://{LOGIN}@space.example.com/api/laml/?service=MG99")
    assert found.messages_path == "/api/laml/2010-04-01/Accounts/AC0123/Messages.json"
    assert (found.sender, found.service, found.host_header) == ("", "MG99", "space.example.com")


@pytest.mark.parametrize("written", ["+4930123456", "%2B4930123456"])
def test_a_plus_is_a_plus(written: str) -> None:
    assert parse(f"twilio://{LOGIN}@h.example?from={written}").sender == "+4930123456"


def test_a_token_may_hold_what_is_percent_encoded() -> None:
    assert parse("twilio://AC1:a%2Fb%40c@h.example?from=ACME").token == "a/b@c"


@pytest.mark.parametrize(
    ("sender", "takes"), [("+4930123456", True), ("12345", True), ("ACME", False), ("ACME%20Ltd", False)]
)
def test_nobody_can_reply_to_a_name(sender: str, takes: bool) -> None:
    assert parse(f"twilio://{LOGIN}@h.example?from={sender}").takes_replies is takes


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        (f"https://{LOGIN}@h.example?from=+4930123456", "an address like twilio://ACCOUNT:TOKEN@HOST"),
        (f"twilio://{LOGIN}@h.example:0?from=+4930123456", "an address like"),
        (f"twilio://{LOGIN}@h.example:x?from=+4930123456", "an address like"),
        (f"twilio://{LOGIN}@[::1?from=+4930123456", "an address like"),
        (f"twilio://{LOGIN}@?from=+4930123456", "the name of a host"),
        ("twilio://h.example?from=+4930123456", "the account's id"),
        ("twilio://AC1@h.example?from=+4930123456", "the account's token"),
        (f"twilio://{LOGIN}@h.example/a b?from=+4930123456", "no path but"),
        (f"twilio://{LOGIN}@h.example", "either from=SENDER or service=MG..."),
        (f"twilio://{LOGIN}@h.example?from=+4930123456&service=MG1", "either from="),
        (f"twilio://{LOGIN}@h.example?from=4930123456789", "from=+4930123456"),
        (f"twilio://{LOGIN}@h.example?from=A%0AB", "from=+4930123456"),
        (f"twilio://{LOGIN}@h.example?service=XX1", "service=MG..."),
        (f"twilio://{LOGIN}@h.example?from=+4930123456&to=1", "no other option"),
        (f"twilio://{LOGIN}@h.example?from=+4930123456&from=+4930123456", "once"),
        (f"twilio+http://{LOGIN}@h.example?from=+4930123456&plain=yes", "plain=allowed"),
    ],
)
def test_what_is_no_address_is_refused_with_the_form_that_is_needed(text: str, needed: str) -> None:
    with pytest.raises(NotAGateway) as refusal:
        parse(text)
    assert needed in str(refusal.value)
    assert TOKEN not in str(refusal.value)


def test_the_settings_refuse_it_without_showing_it() -> None:
    env = Environment({"SMS_URL": f"twilio://{LOGIN}@h.example"})
    assert env.address("SMS_URL", "", of=parse) == ""
    assert env.problems == ["SMS_URL is (hidden): either from=SENDER or service=MG... is needed"]


def test_a_token_is_never_shown() -> None:
    assert TOKEN not in repr(parse(f"twilio://{LOGIN}@h.example?from=ACME"))


@pytest.mark.parametrize(
    ("url", "public_url", "found"),
    [
        ("", "", []),
        (f"twilio://{LOGIN}@h.example?from=ACME", "https://r.example.org", []),
        (f"twilio://{LOGIN}@h.example?from=ACME", "", ["notifications.W001"]),
        (f"twilio+http://{LOGIN}@h.example?from=ACME", "https://r.example.org", ["notifications.E006"]),
        (f"twilio+http://{LOGIN}@h.example?from=ACME&plain=allowed", "https://r.example.org", []),
        (f"twilio+http://{LOGIN}@127.0.0.1:80?from=ACME", "https://r.example.org", []),
        (f"twilio+http://{LOGIN}@[::1]:80?from=ACME", "https://r.example.org", []),
        (f"twilio+http://{LOGIN}@localhost?from=ACME", "https://r.example.org", []),
    ],
)
def test_a_system_in_service_sends_no_token_in_the_clear(
    settings: Settings, url: str, public_url: str, found: list[str]
) -> None:
    settings.SMS_URL, settings.PUBLIC_URL = url, public_url
    assert [one.id for one in sms_in_service(None)] == found


def test_a_wrong_address_in_the_settings_is_refused_by_the_registered_check(settings: Settings) -> None:
    settings.SMS_URL = f"twilio://{LOGIN}@h.example"
    assert [one.id for one in checks.run_checks(tags=["notifications"])] == ["notifications.E007"]
    assert sms_in_service(None) == []
