"""Chat services through Apprise: what it took, what it refused, and what nobody can know; and where it may connect to."""

import logging
import socket
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from notifications.channels.chat.addresses import stored_chat_url
from notifications.channels.chat.channel import ChatChannel
from notifications.channels.chat.checks import chat_settings
from notifications.message import Contact, Delivery, Message, Outcome, Subject
from tests.fakes.http_sink import HttpSink, answer

OK = answer("200 OK", "Content-Type: application/json", "Content-Length: 2", body=b"{}")


@pytest.fixture(autouse=True)
def services(settings):
    settings.CHAT_SCHEMES = ("ntfy", "json")
    settings.CHAT_ALLOW_PRIVATE = True


def send(sink_or_url: HttpSink | str, *, seconds: float = 5.0) -> Delivery:
    url = sink_or_url if isinstance(sink_or_url, str) else f"ntfy://127.0.0.1:{sink_or_url.port}/crew"
    message = Message(message_id="1@x", address=url, name="", subject="Job at 09:00", text="Where: Berlin")
    return ChatChannel().send(message, timeout=timedelta(seconds=seconds))


def status(line: str, *headers: str) -> bytes:
    return answer(line, "Content-Length: 2", *headers, body=b"{}")


def test_a_message_that_the_service_takes_is_accepted():
    with HttpSink(answers=[OK]) as sink:
        assert send(sink).outcome is Outcome.ACCEPTED
        (heard,) = sink.heard
    assert b"Where: Berlin" in heard.body
    assert b"Job at 09:00" in heard.body or "Job at 09:00" in str(heard.headers)


@pytest.mark.parametrize(
    ("line", "outcome", "subject"),
    [
        ("401 Unauthorized", Outcome.REJECTED, Subject.RECIPIENT),
        ("404 Not Found", Outcome.REJECTED, Subject.RECIPIENT),
        ("413 Content Too Large", Outcome.REJECTED, Subject.MESSAGE),
        ("500 Internal Server Error", Outcome.REFUSED_FOR_NOW, Subject.RECIPIENT),
        ("503 Service Unavailable", Outcome.REFUSED_FOR_NOW, Subject.RECIPIENT),
    ],
)
def test_a_refusal_is_judged_by_its_status(line, outcome, subject):
    with HttpSink(answers=[status(line)]) as sink:
        delivery = send(sink)
    assert (delivery.outcome, delivery.subject, delivery.code) == (outcome, subject, line[:3])


def test_a_service_that_is_sent_too_much_says_for_how_long():
    with HttpSink(answers=[status("429 Too Many Requests", "Retry-After: 40")]) as sink:
        delivery = send(sink)
    assert (delivery.outcome, delivery.retry_after) == (Outcome.REFUSED_FOR_NOW, timedelta(seconds=40))


def test_nobody_listens():
    with HttpSink() as sink:
        port = sink.port
    delivery = send(f"ntfy://127.0.0.1:{port}/crew")
    assert (delivery.outcome, delivery.code) == (Outcome.REFUSED_FOR_NOW, "connect")


@pytest.mark.parametrize("stop_at", ["silence", "answer"])
def test_what_has_gone_out_and_is_not_answered_is_unknowable(stop_at):
    with HttpSink(stop_at=stop_at) as sink:
        delivery = send(sink, seconds=2.0)
    assert (delivery.outcome, delivery.phase) == (Outcome.UNKNOWABLE, "response")


@pytest.fixture
def private_name(monkeypatch) -> str:
    """A name that a name server answers with the loopback address."""
    plain = socket.getaddrinfo

    def answering(host, *args, **more):
        return plain("127.0.0.1" if host == "chat.example.test" else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answering)
    return "chat.example.test"


def test_no_connection_is_made_to_a_private_address_whatever_its_name(settings, private_name):
    settings.CHAT_ALLOW_PRIVATE = False
    with HttpSink(answers=[OK]) as sink:
        delivery = send(f"ntfy://{private_name}:{sink.port}/crew")
        assert (delivery.outcome, delivery.code) == (Outcome.REJECTED, "address")
        assert sink.connections == 0
        settings.CHAT_ALLOW_PRIVATE = True
        assert send(f"ntfy://{private_name}:{sink.port}/crew").outcome is Outcome.ACCEPTED


def test_a_redirect_to_a_private_address_is_not_followed(settings, private_name, monkeypatch):
    """The first address counts as public here, the second does not."""
    settings.CHAT_ALLOW_PRIVATE = False
    with HttpSink(answers=[OK]) as inner, HttpSink() as outer:
        outer.answers = [status("307 Temporary Redirect", f"Location: http://[::1]:{inner.port}/")]
        monkeypatch.setattr(
            "notifications.channels.chat.observed.is_public", lambda address: address == "127.0.0.1"
        )
        delivery = send(f"ntfy://{private_name}:{outer.port}/crew?redirect=yes")
        assert inner.connections == 0
    assert delivery.outcome is Outcome.REJECTED


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("slack://a/b/c", "ntfy, json:// is needed"),
        ("not a url", "ntfy, json:// is needed"),
        ("json://", "Apprise cannot read this address of json://"),
        ("ntfy://127.0.0.1/crew", "CHAT_ALLOW_PRIVATE=true allows it"),
        ("ntfy://localhost/crew", "CHAT_ALLOW_PRIVATE=true allows it"),
        ("json://[fd00::1]/x", "CHAT_ALLOW_PRIVATE=true allows it"),
        ("json://169.254.169.254/latest", "CHAT_ALLOW_PRIVATE=true allows it"),
    ],
)
def test_what_may_not_be_an_address_is_refused_without_repeating_it(settings, url, said):
    settings.CHAT_ALLOW_PRIVATE = False
    with pytest.raises(ValidationError) as refused:
        stored_chat_url(url)
    assert said in refused.value.message
    assert ChatChannel().address(Contact(name="", chat=url)) is None


def test_a_service_that_may_be_used_is_stored_as_it_was_given():
    url = "ntfy://ntfy.example.org/crew"
    assert stored_chat_url(url) == url
    assert ChatChannel().address(Contact(name="", chat=url)) == url


def test_without_schemes_there_is_no_chat(settings):
    settings.CHAT_SCHEMES = ()
    with pytest.raises(ValidationError, match="CHAT_SCHEMES names those that may"):
        stored_chat_url("ntfy://ntfy.example.org/crew")
    assert chat_settings(None) == []


def test_a_scheme_that_nobody_knows_is_refused_at_the_start(settings):
    settings.CHAT_SCHEMES = ("ntfy", "fax")
    (error,) = chat_settings(None)
    assert (error.id, error.msg) == (
        "notifications.E011",
        "CHAT_SCHEMES names fax: Apprise knows no such service.",
    )
    settings.CHAT_SCHEMES = ("ntfy", "ntfys", "slack")
    assert chat_settings(None) == []


def test_no_line_is_logged_that_names_the_address(caplog):
    logging.getLogger("apprise").disabled = False  # As a configuration of logging leaves it.
    with HttpSink(answers=[status("404 Not Found")]) as sink:
        send(f"ntfy://secret-user:secret-token@127.0.0.1:{sink.port}/secret-crew")
    logging.getLogger("apprise").disabled = False
    with pytest.raises(ValidationError):
        stored_chat_url("json://secret-user:secret-token@:nowhere/?secret")
    assert "secret" not in caplog.text
