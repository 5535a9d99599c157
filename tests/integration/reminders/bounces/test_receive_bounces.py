"""`manage.py receive_bounces`: what a mail server pipes to it is read to the end, and its exit code says what to do."""

import io
import sys
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from reminders.bounces import receiving
from reminders.models import DeliveryEvent
from tests.fakes import bounces

pytestmark = pytest.mark.django_db


@pytest.fixture
def pipe(monkeypatch, capsys):
    """Pipes a mail to the command; returns what it has left unread, and what it has written."""

    def run(content: bytes, *arguments: str) -> tuple[bytes, str]:
        stream = io.BytesIO(content)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
        call_command("receive_bounces", *arguments)
        return stream.read(), capsys.readouterr().out

    return run


def test_a_bounce_is_recorded(sent, pipe):
    assert pipe(bounces.dsn(to=sent.return_path)) == (b"", "")
    assert pipe(bounces.dsn(to=sent.return_path)) == (b"", "")
    assert len(sent.events()) == 1


def test_the_recipient_may_be_named(sent, pipe):
    pipe(bounces.qmail(to="nobody@localhost"), "--recipient", sent.return_path)
    assert len(sent.events()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"From: x\n\nwords\n", b"From: x\n\n" + b"x" * 10_000_000]
)
def test_any_other_mail_is_read_to_the_end_and_taken(pipe, content):
    assert pipe(content) == (b"", "")
    assert not DeliveryEvent.objects.exists()


def test_while_the_database_is_away_the_mail_server_is_to_try_again(pipe, monkeypatch):
    def away(*_, **__):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(receiving, "receive", away)
    with pytest.raises(CommandError) as refusal:
        pipe(bounces.dsn())
    assert refusal.value.returncode == 75
