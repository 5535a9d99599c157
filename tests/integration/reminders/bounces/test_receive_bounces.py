"""`manage.py receive_bounces`: what a mail server pipes to it is read to the end, and its exit code says what to do."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.conf import settings
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


def test_a_bounce_that_is_quicker_than_the_record_of_its_message_is_to_come_again(sent, pipe):
    sent.is_again_being_sent()
    with pytest.raises(CommandError) as refusal:
        pipe(bounces.dsn(to=sent.return_path))
    assert (refusal.value.returncode, sent.events()) == (75, [])


@pytest.mark.parametrize(
    ("environment", "code"),
    [({"DATABASE_URL": "postgres://u:p@127.0.0.1:9/x"}, 75), ({"SECRET_KEY": ""}, 75)],
)
def test_as_a_process_it_ends_as_the_mail_server_understands(sent, environment, code):
    ended = subprocess.run(
        [sys.executable, "manage.py", "receive_bounces"],
        input=bounces.dsn(to=sent.return_path),
        env={
            **os.environ,
            "BOUNCE_ADDRESS": "bounces@example.org",
            "SECRET_KEY": settings.SECRET_KEY,
            **environment,
        },
        cwd=settings.BASE_DIR,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (code, b"")
    assert b"example" not in ended.stderr


def test_while_the_database_is_away_the_mail_server_is_to_try_again(pipe, monkeypatch):
    def away(*_, **__):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(receiving, "receive", away)
    with pytest.raises(CommandError) as refusal:
        pipe(bounces.dsn())
    assert refusal.value.returncode == 75
