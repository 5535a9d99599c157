"""The local mail sink and the test server, as the processes that `manage.py up` and the chaos tests start."""

import asyncio
import errno
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.smtp import Envelope

from config.devstack.mail_sink import Folder
from notifications.channels.email.server import MailServer
from notifications.channels.email.transport import SmtpTransport
from notifications.message import Outcome

PLENTY = timedelta(seconds=60)
ROOT = Path(__file__).resolve().parents[4]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A module as a process, and the port it says it listens on."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())["port"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def send(port: int, number: int, *, recipient: str = "ann@example.com") -> Outcome:
    transport = SmtpTransport(MailServer("127.0.0.1", port))
    content = f"Message-ID: <{number}@example.com>\r\n\r\n.Hello {number}\r\n".encode()
    delivery = transport.deliver(content, sender="r@example.com", recipient=recipient, timeout=PLENTY)
    transport.close()
    return delivery.outcome


def test_the_sink_writes_each_mail_it_accepts(tmp_path: Path) -> None:
    with running("config.devstack.mail_sink", "--port", "0", "--directory", str(tmp_path / "mail")) as (
        process,
        port,
    ):
        assert send(port, 1) is Outcome.ACCEPTED
        assert send(port, 2, recipient="jörg@example.com") is Outcome.ACCEPTED
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    first, second = sorted((tmp_path / "mail").iterdir())
    assert first.suffix == second.suffix == ".eml"
    assert first.read_bytes() == (
        b"Return-Path: <r@example.com>\r\nDelivered-To: ann@example.com\r\n"
        b"Message-ID: <1@example.com>\r\n\r\n.Hello 1\r\n"
    )
    assert "Delivered-To: jörg@example.com".encode() in second.read_bytes()


def test_the_sink_keeps_a_connection_and_understands_pipelining(tmp_path: Path) -> None:
    with running("config.devstack.mail_sink", "--directory", str(tmp_path)) as (_, port):
        transport = SmtpTransport(MailServer("127.0.0.1", port))
        for number in range(50):
            content = b"Message-ID: <%d@example.com>\r\n\r\nHello\r\n" % number
            assert transport.deliver(
                content, sender="r@example.com", recipient="ann@example.com", timeout=PLENTY
            ).accepted
        assert transport._connection is not None
        assert transport._connection.has_extn("pipelining")
        transport.close()
    mails = [
        message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(tmp_path.iterdir())
    ]
    assert [mail["Message-ID"] for mail in mails] == [f"<{number}@example.com>" for number in range(50)]


def test_the_newest_mails_are_kept_by_order_of_arrival(tmp_path: Path) -> None:
    for _ in range(2):
        # The second folder object is the one of a sink that was started again.
        folder = Folder(tmp_path, limit=3)
        kept = [folder.store(b"", sender="", recipients=[]) for _ in range(5)][-3:]
        assert sorted(tmp_path.iterdir()) == kept


def test_a_full_disk_defers_the_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder, envelope = Folder(tmp_path), Envelope()
    envelope.content = b"Hello"
    monkeypatch.setattr(Path, "write_bytes", full)
    answer = asyncio.run(folder.handle_DATA(None, None, envelope))  # type: ignore[arg-type]
    assert answer == "452 4.3.1 Insufficient system storage (No space left on device)"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert asyncio.run(folder.handle_DATA(None, None, envelope)) == "250 2.0.0 Stored"  # type: ignore[arg-type]


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with running("config.devstack.mail_sink", "--directory", str(tmp_path)) as (_, port):
        second = subprocess.run(
            [
                sys.executable,
                "-m",
                "config.devstack.mail_sink",
                "--port",
                str(port),
                "--directory",
                str(tmp_path),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_sink_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    starter = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'config.devstack.mail_sink',"
        f" '--directory', {str(tmp_path)!r}], stdout=subprocess.PIPE); p.stdout.readline();"
        " print(p.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", starter], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    # Readable as soon as that process has ended, whoever is its parent by then.
    sink = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    ended, _, _ = select.select([sink], [], [], 60)
    os.close(sink)
    assert ended == [sink]


def test_the_test_server_writes_its_ledger_before_it_answers(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with running("tests.fakes.smtp_server", "--port", "0", "--ledger", str(ledger)) as (process, port):
        assert send(port, 1) is Outcome.ACCEPTED
        rows = [json.loads(line) for line in ledger.read_text().splitlines()]
        assert [(row["message_id"], row["recipients"]) for row in rows] == [
            ("1@example.com", ["ann@example.com"])
        ]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_a_running_test_server_takes_orders(tmp_path: Path) -> None:
    fault = json.dumps({"step": "rcpt", "action": "answer", "answer": "451 from the start", "times": 1})
    with running("tests.fakes.smtp_server", "--fault", fault) as (_, port):
        assert send(port, 1) is Outcome.REFUSED_FOR_NOW
        order = SmtpTransport(MailServer("127.0.0.1", port))
        assert order.open(timeout=PLENTY) is None
        line = order._connection
        assert line is not None
        assert line.docmd("XFAULT", json.dumps({"step": "dot", "action": "drop", "accept": True}))[0] == 250
        assert send(port, 2) is Outcome.UNKNOWABLE
        assert line.docmd("XCLEAR")[0] == 250
        assert send(port, 3) is Outcome.ACCEPTED
        code, answer = line.docmd("XSTAT")
        assert (code, json.loads(answer)) == (250, {"accepted": 2, "unique": 1, "connections": 4})
        order.close()
