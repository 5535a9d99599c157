"""A mailbox is read over a real IMAP conversation, also with a server that misbehaves."""

import ssl
import time
from datetime import timedelta
from pathlib import Path

import pytest

from notifications.bounces.bounded import MOST_OCTETS
from notifications.bounces.imap import MailboxAddress
from notifications.bounces.mailbox import Mailbox, MailboxFailed
from tests.fakes.imap_server import ImapServer

CERTIFICATE = Path(__file__).parents[2] / "loopback.pem"


def address_of(server: ImapServer, **changed: object) -> MailboxAddress:
    values = {"host": "127.0.0.1", "port": server.port, "user": server.user, "password": server.password}
    return MailboxAddress(**{**values, "tls": False, **changed})  # type: ignore[arg-type]


def visit(server: ImapServer, *, seconds: float = 10.0, **changed: object) -> Mailbox:
    return Mailbox(address_of(server, **changed), timeout=timedelta(seconds=seconds))


def test_new_messages_are_read_oldest_first_and_stay_new_until_they_are_finished() -> None:
    with ImapServer() as server:
        first, second = server.deliver(b"Subject: 1\r\n\r\n"), server.deliver(b"Subject: 2\r\n\r\n")
        for _ in range(2):
            with visit(server) as mailbox:
                uids = mailbox.new(limit=10)
                assert [mailbox.content(uid) for uid in uids] == [first.content, second.content]
                assert mailbox.new(limit=1) == uids[:1]
        with visit(server) as mailbox:
            mailbox.finish(uids[0], delete=False)
            assert mailbox.new(limit=10) == uids[1:]
            mailbox.finish(uids[1], delete=True)
            assert mailbox.new(limit=10) == []
            assert mailbox.content(uids[1]) is None
        assert server.messages == [first]
        assert server.commands[-1] == "LOGOUT"


def test_only_its_own_messages_are_removed_where_the_server_can_remove_single_ones() -> None:
    with ImapServer(capabilities=("IMAP4rev1",)) as server:
        message = server.deliver(b"Subject: 1\r\n\r\n")
        with visit(server) as mailbox:
            mailbox.finish(mailbox.new(limit=1)[0], delete=True)
            assert mailbox.new(limit=1) == []
        assert (message.flags, server.messages) == ({r"\Seen", r"\Deleted"}, [message])
        assert not [command for command in server.commands if "EXPUNGE" in command]


def test_no_more_of_a_message_is_asked_for_than_is_read() -> None:
    with ImapServer() as server, visit(server) as mailbox:
        server.deliver(b"x" * (MOST_OCTETS + 10_000))
        content = mailbox.content(mailbox.new(limit=1)[0])
        assert content == b"x" * MOST_OCTETS


@pytest.mark.parametrize("capabilities", [("IMAP4rev1",), ("IMAP4rev1", "AUTH=PLAIN")])
def test_user_password_and_folder_may_hold_any_character(capabilities: tuple[str, ...]) -> None:
    with ImapServer(user='a "b" c', password="p\\w d", folder="To do", capabilities=capabilities) as server:
        if "AUTH=PLAIN" not in capabilities:
            server.user, server.password = r"a \"b\" c", r"p\\w d"  # as they are quoted
        address = address_of(server, user='a "b" c', password="p\\w d", folder="To do")
        with Mailbox(address, timeout=timedelta(seconds=10)) as mailbox:
            assert mailbox.new(limit=1) == []


def test_passwords_beyond_ascii_need_a_server_that_takes_them() -> None:
    with ImapServer(password="pässword") as server, visit(server) as mailbox:
        assert mailbox.new(limit=1) == []
    with (
        ImapServer(password="pässword", capabilities=("IMAP4rev1",)) as server,
        pytest.raises(MailboxFailed, match="refuses user or password"),
    ):
        visit(server).__enter__()


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"password": "wrong"}, "login"), ({"folder": "none"}, "folder"), ({"port": 1}, "connect")],
)
def test_a_refusal_says_what_is_wrong_and_nothing_of_the_credentials(
    changed: dict[str, object], code: str
) -> None:
    with ImapServer() as server, pytest.raises(MailboxFailed) as refused:
        visit(server, **changed).__enter__()
    assert refused.value.code == code
    assert not {"wrong", "bounces", "secret", "127.0.0.1"} & set(str(refused.value).split())


def read_and_delete(server: ImapServer) -> None:
    with visit(server, seconds=0.5) as mailbox:
        uid = mailbox.new(limit=1)[0]
        mailbox.content(uid)
        mailbox.finish(uid, delete=True)


@pytest.mark.parametrize("fault", ["hang up", "silence", "drip", "huge", "endless"])
@pytest.mark.parametrize("command", ["GREETING", "AUTHENTICATE", "SEARCH", "FETCH", "STORE"])
def test_whatever_the_server_does_the_visit_ends_in_time(command: str, fault: str) -> None:
    begun = time.monotonic()
    with ImapServer(fail_at=command, fault=fault) as server:
        server.deliver(b"Subject: 1\r\n\r\n")
        with pytest.raises(MailboxFailed) as failed:
            read_and_delete(server)
        assert failed.value.code == ("connect" if command == "GREETING" else "answer")
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize(
    ("command", "code"), [("SELECT", "folder"), ("SEARCH", "answer"), ("STORE", "answer")]
)
def test_a_refused_command_is_a_failure(command: str, code: str) -> None:
    with ImapServer(fail_at=command) as server:
        server.deliver(b"Subject: 1\r\n\r\n")
        with pytest.raises(MailboxFailed) as failed, visit(server) as mailbox:
            mailbox.finish(mailbox.new(limit=1)[0], delete=False)
        assert failed.value.code == code


def test_nonsense_is_no_message() -> None:
    with ImapServer(fail_at="SEARCH", fault="nonsense") as server, visit(server) as mailbox:
        assert mailbox.new(limit=5) == []
    with ImapServer(fail_at="FETCH", fault="nonsense") as server, visit(server) as mailbox:
        server.deliver(b"Subject: 1\r\n\r\n")
        assert mailbox.content(mailbox.new(limit=1)[0]) is None


def test_the_certificate_is_verified() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with ImapServer(tls=context) as server:
        with pytest.raises(MailboxFailed) as refused:
            visit(server, tls=True).__enter__()
        assert (refused.value.code, "SSLCertVerificationError" in str(refused.value)) == ("connect", True)
        trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
        trusting.check_hostname = False
        with Mailbox(address_of(server, tls=True), timeout=timedelta(seconds=10), tls=trusting) as mailbox:
            assert mailbox.new(limit=1) == []
