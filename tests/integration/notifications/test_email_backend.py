"""The e-mail channel and Django's own mail functions, over our transport and over other backends."""

import smtplib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage as ParsedMail
from typing import ClassVar

import pytest
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection, send_mail
from django.core.mail.backends.base import BaseEmailBackend
from pytest_django.fixtures import Settings

from notifications.channels import registry
from notifications.channels.email.backend import EmailBackend, NotDelivered
from notifications.channels.email.channel import EmailChannel
from notifications.message import Calendar, CalendarMethod, Delivery, Message, Outcome, Subject
from tests.fakes.smtp_faults import Fault
from tests.fakes.smtp_server import SmtpServer

PLENTY = timedelta(seconds=60)
MESSAGE = Message(
    message_id="7d4b@example.com",
    address="ann@example.com",
    name="Ann Bölton",
    subject="Reminder: pump at 09:00",
    text="Hello Ann",
    html="<p>Hello Ann</p>",
    language="en",
    headers={"List-Unsubscribe": "<https://example.com/u>"},
)


@pytest.fixture
def server(settings: Settings) -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        settings.EMAIL_BACKEND = "notifications.channels.email.backend.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_TIMEOUT = 60
        settings.DEFAULT_FROM_EMAIL = "Assignment reminders <reminders@example.com>"
        yield server
        get_connection().close()


def arrived(server: SmtpServer) -> list[ParsedMail]:
    mails = [message_from_bytes(each.content, policy=policy.default) for each in server.accepted]
    return [each for each in mails if isinstance(each, ParsedMail)]


class TestChannel:
    def test_a_message_arrives_whole(self, server: SmtpServer) -> None:
        channel = registry.get("email")
        delivery = channel.send(MESSAGE, timeout=PLENTY)
        assert delivery == Delivery(Outcome.ACCEPTED, "250", "2.0.0 accepted")
        [accepted] = server.accepted
        assert accepted.sender == "reminders@example.com"
        assert accepted.recipients == ("ann@example.com",)
        assert accepted.message_id == "7d4b@example.com"
        [parsed] = arrived(server)
        assert parsed["From"] == "Assignment reminders <reminders@example.com>"
        assert parsed["To"].addresses[0].display_name == "Ann Bölton"
        assert parsed["Subject"] == "Reminder: pump at 09:00"
        assert parsed["List-Unsubscribe"] == "<https://example.com/u>"
        assert [part.get_content() for part in parsed.iter_parts()] == ["Hello Ann", "<p>Hello Ann</p>"]

    def test_a_calendar_goes_through_django_too(self, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        mail.outbox = []
        text = "BEGIN:VCALENDAR\r\nSUMMARY:Prüfen\r\nEND:VCALENDAR\r\n"
        calendar = Calendar(method=CalendarMethod.PUBLISH, text=text)
        assert EmailChannel().send(replace(MESSAGE, calendar=calendar), timeout=PLENTY).accepted
        content = mail.outbox[0].message().as_bytes()
        parsed = message_from_bytes(content, policy=policy.default)
        assert isinstance(parsed, ParsedMail)
        (file,) = parsed.iter_attachments()
        assert file.get_payload(decode=True) == text.encode()
        assert (file.get_content_type(), file.get_filename()) == ("text/calendar", "appointment.ics")
        assert file["Content-Type"].params["method"] == "PUBLISH"

    def test_answers_go_where_the_message_says(self, server: SmtpServer, settings: Settings) -> None:
        settings.EMAIL_REPLY_TO = "office@example.com"
        for message in (MESSAGE, replace(MESSAGE, reply_to="north@example.com")):
            assert registry.get("email").send(message, timeout=PLENTY).accepted
        assert [one["Reply-To"] for one in arrived(server)] == ["office@example.com", "north@example.com"]

    def test_a_repeat_carries_the_same_message_id_over_the_same_connection(self, server: SmtpServer) -> None:
        channel = registry.get("email")
        server.plan(Fault("dot", "answer", "451 again", times=1))
        assert channel.send(MESSAGE, timeout=PLENTY).outcome is Outcome.REFUSED_FOR_NOW
        assert channel.send(MESSAGE, timeout=PLENTY).accepted
        assert channel.send(MESSAGE, timeout=PLENTY).accepted
        assert [each.message_id for each in server.accepted] == ["7d4b@example.com"] * 2
        assert server.connections == 1

    def test_each_thread_has_its_own_connection(self, server: SmtpServer) -> None:
        channel = registry.get("email")
        deliveries: list[Delivery] = []

        def work() -> None:
            deliveries.extend(channel.send(MESSAGE, timeout=PLENTY) for _ in range(5))
            channel.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [delivery.accepted for delivery in deliveries] == [True] * 20
        assert server.connections == 4

    def test_close_says_goodbye_and_the_next_send_connects_anew(self, server: SmtpServer) -> None:
        channel = registry.get("email")
        assert channel.send(MESSAGE, timeout=PLENTY).accepted
        channel.close()
        assert server.commands[-1].upper() == "QUIT"
        assert channel.send(MESSAGE, timeout=PLENTY).accepted
        assert server.connections == 2

    @pytest.mark.parametrize(
        "address",
        ["ann", "ann@example.com\r\nRCPT TO:<eve@example.com>", "ann@example.com,eve@example.com", ""],
    )
    def test_what_is_no_address_never_reaches_the_connection(self, server: SmtpServer, address: str) -> None:
        message = Message("1@example.com", address, "", "s", "t")
        delivery = EmailChannel().send(message, timeout=PLENTY)
        assert delivery == Delivery(
            Outcome.REJECTED, "address", "not one valid e-mail address", subject=Subject.RECIPIENT
        )
        assert server.connections == 0


class Foreign(BaseEmailBackend):
    """Any other backend. It does what the test says."""

    at_open: ClassVar[Exception | None] = None
    at_send: ClassVar[Exception | None] = None
    at_close: ClassVar[Exception | None] = None
    answer: ClassVar[int | None] = 1
    sent: ClassVar[list[EmailMessage]] = []

    def open(self) -> bool:
        if self.at_open:
            raise self.at_open
        return True

    def close(self) -> None:
        if self.at_close:
            raise self.at_close

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        self.sent.extend(email_messages)
        if self.at_send:
            raise self.at_send
        return self.answer  # type: ignore[return-value]


class TestTracking:
    TRACKED = replace(MESSAGE, tracking="17-abcdefgh")

    def test_a_message_with_a_token_has_a_return_path_and_a_header_of_its_own(
        self, server: SmtpServer, settings: Settings
    ) -> None:
        settings.BOUNCE_ADDRESS = "bounces@example.org"
        for message in (self.TRACKED, MESSAGE):
            assert registry.get("email").send(message, timeout=PLENTY).accepted
        assert [each.sender for each in server.accepted] == [
            "bounces+17-abcdefgh@example.org",
            "reminders@example.com",
        ]
        tracked, untracked = arrived(server)
        assert (tracked["X-Reminder-Token"], untracked["X-Reminder-Token"]) == ("17-abcdefgh", None)
        assert {each["From"] for each in (tracked, untracked)} == {
            "Assignment reminders <reminders@example.com>"
        }

    def test_without_an_address_for_bounces_the_header_alone_names_the_message(
        self, server: SmtpServer
    ) -> None:
        assert registry.get("email").send(self.TRACKED, timeout=PLENTY).accepted
        assert server.accepted[0].sender == "reminders@example.com"
        assert arrived(server)[0]["X-Reminder-Token"] == "17-abcdefgh"

    def test_the_server_is_asked_whether_it_takes_the_address_for_bounces(
        self, server: SmtpServer, settings: Settings
    ) -> None:
        settings.BOUNCE_ADDRESS = "bounces@example.org"
        answer = registry.get("email").probe(None, timeout=PLENTY)
        assert answer is not None
        assert answer.accepted
        assert any("<bounces@example.org>" in command for command in server.commands)

    @pytest.mark.parametrize(
        ("provider", "header", "value"),
        [
            ("postmark", "X-PM-Metadata-reminder", "17-abcdefgh"),
            ("mailgun", "X-Mailgun-Variables", '{"reminder": "17-abcdefgh"}'),
            ("sendgrid", "X-SMTPAPI", '{"unique_args": {"reminder": "17-abcdefgh"}}'),
            ("sparkpost", "X-MSYS-API", '{"metadata": {"reminder": "17-abcdefgh"}}'),
        ],
    )
    def test_a_provider_gets_the_token_in_the_header_that_it_keeps(
        self, server: SmtpServer, settings: Settings, provider: str, header: str, value: str
    ) -> None:
        settings.ANYMAIL_PROVIDER = provider
        assert registry.get("email").send(self.TRACKED, timeout=PLENTY).accepted
        assert arrived(server)[0][header] == value

    def test_other_backends_of_django_use_the_return_path_as_well(self, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        settings.DEFAULT_FROM_EMAIL = "Assignment reminders <reminders@example.com>"
        settings.BOUNCE_ADDRESS = "bounces@example.org"
        mail.outbox = []
        assert EmailChannel().send(self.TRACKED, timeout=PLENTY).accepted
        [sent] = mail.outbox
        parsed = sent.message()
        assert sent.from_email == "bounces+17-abcdefgh@example.org"
        assert parsed["From"] == "Assignment reminders <reminders@example.com>"
        assert parsed["X-Reminder-Token"] == "17-abcdefgh"


class TestOtherBackends:
    @pytest.fixture
    def foreign(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> type[Foreign]:
        settings.EMAIL_BACKEND = f"{__name__}.Foreign"
        monkeypatch.setattr(Foreign, "sent", [])
        return Foreign

    def test_a_message_goes_through_django(self, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        settings.DEFAULT_FROM_EMAIL = "Assignment reminders <reminders@example.com>"
        mail.outbox = []
        assert EmailChannel().send(MESSAGE, timeout=PLENTY) == Delivery(Outcome.ACCEPTED, "backend")
        [sent] = mail.outbox
        assert isinstance(sent, EmailMultiAlternatives)
        assert (sent.to, sent.subject, sent.body) == (
            ['"Ann Bölton" <ann@example.com>'],
            "Reminder: pump at 09:00",
            "Hello Ann",
        )
        assert [tuple(each) for each in sent.alternatives] == [("<p>Hello Ann</p>", "text/html")]
        parsed = sent.message()
        assert parsed["Message-ID"] == "<7d4b@example.com>"
        assert parsed["List-Unsubscribe"] == "<https://example.com/u>"
        assert parsed["Auto-Submitted"] == "auto-generated"

    def test_answers_go_where_the_message_says(self, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        settings.EMAIL_REPLY_TO = "office@example.com"
        mail.outbox = []
        for message in (MESSAGE, replace(MESSAGE, reply_to="north@example.com")):
            assert EmailChannel().send(message, timeout=PLENTY).accepted
        assert [one.message()["Reply-To"] for one in mail.outbox] == [
            "office@example.com",
            "north@example.com",
        ]

    def test_an_exception_after_the_backend_was_called_is_unknowable(
        self, foreign: type[Foreign], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(foreign, "at_send", RuntimeError("no luck with ann@example.com"))
        assert EmailChannel().send(MESSAGE, timeout=PLENTY) == Delivery(
            Outcome.UNKNOWABLE, "backend", "RuntimeError: no luck with <address>"
        )

    def test_a_backend_that_cannot_connect_is_a_channel_down(
        self, foreign: type[Foreign], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(foreign, "at_open", ConnectionRefusedError(111, "Connection refused"))
        delivery = EmailChannel().send(MESSAGE, timeout=PLENTY)
        assert (delivery.outcome, delivery.code) == (Outcome.CHANNEL_DOWN, "connect")
        assert foreign.sent == []

    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [(1, Outcome.ACCEPTED), (0, Outcome.REFUSED_FOR_NOW), (None, Outcome.UNKNOWABLE)],
    )
    def test_what_it_counts_decides(
        self, foreign: type[Foreign], monkeypatch: pytest.MonkeyPatch, answer: int | None, outcome: Outcome
    ) -> None:
        monkeypatch.setattr(foreign, "answer", answer)
        assert EmailChannel().send(MESSAGE, timeout=PLENTY).outcome is outcome

    def test_trouble_at_closing_changes_nothing(
        self, foreign: type[Foreign], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(foreign, "at_close", smtplib.SMTPServerDisconnected("gone"))
        assert EmailChannel().send(MESSAGE, timeout=PLENTY).accepted

    def test_a_connection_end_in_the_subject_is_no_header(self, foreign: type[Foreign]) -> None:
        message = Message("1@example.com", "ann@example.com", "A\r\nB", "s\r\nBcc: eve@example.com", "t")
        assert EmailChannel().send(message, timeout=PLENTY).accepted
        [sent] = foreign.sent
        assert sent.message()["Subject"] == "s Bcc: eve@example.com"
        assert sent.recipients() == ['"A B" <ann@example.com>']


class TestDjangosMail:
    def test_send_mail_reaches_each_recipient_once(self, server: SmtpServer) -> None:
        assert send_mail("Hi", "Text\n.dot", None, ["Ann <ann@example.com>", "bob@example.com"]) == 1
        assert server.count() == {"ann@example.com": 1, "bob@example.com": 1}
        assert [each.get_content() for each in arrived(server)] == ["Text\r\n.dot\r\n"] * 2

    def test_attachments_copies_and_other_alphabets_survive(self, server: SmtpServer) -> None:
        message = EmailMultiAlternatives(
            "Пример", "Привет", "Jörg <j@bücher.example>", ["ann@example.com"], bcc=["eve@example.com"]
        )
        message.attach_alternative("<p>Привет</p>", "text/html")
        message.attach("a.bin", b"\0\1\2", "application/octet-stream")
        assert message.send() == 1
        assert server.count() == {"ann@example.com": 1, "eve@example.com": 1}
        assert server.accepted[0].sender == "j@xn--bcher-kva.example"
        first, second = arrived(server)
        assert first["Subject"] == "Пример"
        assert first["Bcc"] is None
        assert [part.get_content() for part in first.iter_attachments()] == [b"\0\1\2"]
        assert first.as_bytes() == second.as_bytes()

    def test_all_mails_share_one_connection(self, server: SmtpServer) -> None:
        for _ in range(3):
            send_mail("Hi", "Text", None, ["ann@example.com"])
        with get_connection() as connection:
            assert connection.send_messages([EmailMessage("Hi", "Text", None, ["ann@example.com"])] * 2) == 2
        assert server.connections == 1
        assert server.commands[-1].upper() == "QUIT"

    def test_a_mail_that_is_sent_again_keeps_its_message_id(self, server: SmtpServer) -> None:
        message = EmailMessage("Hi", "Text", None, ["ann@example.com"])
        own = EmailMessage(
            "Hi", "Text", None, ["ann@example.com"], headers={"message-id": "<own@example.com>"}
        )
        assert [message.send(), message.send(), own.send()] == [1, 1, 1]
        first, second, third = (each.message_id for each in server.accepted)
        assert first == second
        assert first.endswith("@example.com")
        assert third == "own@example.com"

    def test_a_refusal_is_raised_with_its_delivery(self, server: SmtpServer) -> None:
        server.plan(Fault("rcpt", "answer", "550 no such user", recipient="bob@example.com"))
        with pytest.raises(NotDelivered, match=r"rejected \(550\): no such user") as caught:
            send_mail("Hi", "Text", None, ["ann@example.com", "bob@example.com"])
        assert caught.value.delivery == Delivery(Outcome.REJECTED, "550", "no such user", phase="rcpt")
        assert isinstance(caught.value, smtplib.SMTPException)
        assert server.count() == {"ann@example.com": 1}

    def test_failing_silently_counts_only_what_was_accepted(self, server: SmtpServer) -> None:
        server.plan(Fault("rcpt", "answer", "550 no such user", recipient="bob@example.com"))
        mails = [EmailMessage("Hi", "Text", None, [f"{name}@example.com"]) for name in ("bob", "ann")]
        assert get_connection(fail_silently=True).send_messages(mails) == 1
        assert server.count() == {"ann@example.com": 1}

    def test_a_mail_to_nobody_is_not_sent(self, server: SmtpServer) -> None:
        assert EmailMessage("Hi", "Text").send() == 0
        assert get_connection().send_messages([EmailMessage("Hi", "Text")]) == 0
        assert server.connections == 0

    @pytest.mark.parametrize(
        ("sender", "recipient"), [("nobody", "ann@example.com"), ("a@example.com", "not an address")]
    )
    def test_a_malformed_address_is_refused(self, server: SmtpServer, sender: str, recipient: str) -> None:
        with pytest.raises(NotDelivered, match="valid addresses"):
            send_mail("Hi", "Text", sender, [recipient])
        assert server.connections == 0

    def test_open_tells_what_is_wrong(self, server: SmtpServer) -> None:
        connection = get_connection()
        assert connection.open() is True
        connection.close()
        server.plan(Fault("connect", "answer", "554 closed today"))
        with pytest.raises(NotDelivered, match=r"channel_refused \(554\): closed today"):
            connection.open()
        assert get_connection(fail_silently=True).open() is None

    def test_arguments_win_over_settings(self, server: SmtpServer) -> None:
        backend = EmailBackend(
            host="mail.example.com", port=2525, username="u", password="p", use_tls=True, timeout=3
        )
        assert (backend.server.host, backend.server.port) == ("mail.example.com", 2525)
        assert (backend.server.username, backend.server.password) == ("u", "p")
        assert (backend.server.starttls, backend.server.implicit_tls) == (True, False)
        assert backend.timeout == timedelta(seconds=3)
        assert EmailBackend().timeout == timedelta(seconds=60)
        with pytest.raises(ValueError, match="exclude each other"):
            EmailBackend(use_tls=True, use_ssl=True)

    def test_a_send_ends_even_where_no_timeout_is_set(self, server: SmtpServer, settings: Settings) -> None:
        settings.EMAIL_TIMEOUT = None
        assert EmailBackend().timeout == timedelta(seconds=10)
