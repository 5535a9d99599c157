"""An SMTP server that misbehaves as a test plans it: it drops, hangs, refuses or is slow at any step.

In a test: `with SmtpServer() as server: server.plan(Fault("rcpt", "answer", "550 no such user"))`.
As a process: `python -m tests.fakes.smtp_server --port 0 --ledger FILE` prints {"port": N} when it is ready, and
writes one JSON line per accepted message, on the disk before the client gets the reply. A running one is
controlled over SMTP itself: XFAULT {...} (the fields of Fault), XCLEAR, and XSTAT (answers {"accepted", ...}).
"""

import argparse
import base64
import json
import os
import re
import signal
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from config.devstack.processes import end_with_parent

Step = Literal[
    "connect", "ehlo", "starttls", "auth", "rset", "mail", "rcpt", "data", "content", "dot", "quit"
]
Action = Literal["answer", "drop", "reset", "hang", "tarpit"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and when.

    `step`: where. "content" is right after the 354, before any content is read; "dot" after the final dot.
    `action`: "answer" (with `answer`), "drop" (closes in order), "reset" (closes with a TCP reset), "hang"
    (never answers), "tarpit" (answers one octet per `pause` seconds).
    `accept`: a fault at "dot" keeps the message all the same, as when only the answer is lost.
    `times`: how often, None for always. `skip`: how many fitting occasions pass before the first.
    `recipient`: only in mails to this one (from "rcpt" on).
    """

    step: Step
    action: Action
    answer: str = ""
    accept: bool = False
    times: int | None = None
    skip: int = 0
    recipient: str | None = None
    pause: float = 1.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that the server took over. `content` is without dot-stuffing, with CRLF. `text` is the text of a notice to
    supervisors, and empty for other messages."""

    connection: int
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    subject: str
    content: bytes
    text: str = ""


class SmtpServer:
    """Listens from `start` to `stop`; one thread for each connection."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        pipelining: bool = True,
        features: tuple[str, ...] = ("8BITMIME", "SIZE 10485760"),
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        credentials: tuple[str, str] | None = None,
        ledger: Path | None = None,
        fsync: bool = True,
        keep_content: bool = True,
    ) -> None:
        self.accepted: list[Accepted] = []
        self.commands: list[str] = []
        self.groups: list[int] = []
        """How many commands each group of waiting input held; more than 1 is pipelining at work."""
        self.connections = 0
        self.open_connections = 0
        self.stopping = threading.Event()
        self.changed = threading.Condition()
        self._host, self._port = host, port
        self._tls, self._implicit_tls = tls, implicit_tls
        self.credentials = credentials
        self._features = (*features, *(["PIPELINING"] if pipelining else []))
        self._ledger = open(ledger, "ab") if ledger else None  # noqa: SIM115, PTH123  closed by stop()
        self._fsync = fsync
        self._keep_content = keep_content
        self._faults: list[tuple[Fault, list[int]]] = []
        self._sockets: set[socket.socket] = set()

    # --- what tests do -----------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def plan(self, *faults: Fault) -> None:
        """Adds faults; the first that fits an occasion decides it."""
        with self.changed:
            self._faults.extend((fault, [0]) for fault in faults)

    def clear(self) -> None:
        """No more faults."""
        with self.changed:
            self._faults.clear()

    def drop_connections(self) -> None:
        """Ends all open connections, as a server does whose patience with idle clients is over."""
        with self.changed:
            sockets = list(self._sockets)
        for sock in sockets:
            _shut(sock)

    def count(self) -> Counter[str]:
        """Accepted messages by recipient."""
        with self.changed:
            return Counter(recipient for each in self.accepted for recipient in each.recipients)

    def wait_until(self, condition: Callable[[], bool], *, timeout: float = 30.0) -> None:
        """Returns once the condition holds; it is looked at whenever something has happened here."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout=timeout):
                raise TimeoutError("the server never came to that state")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._listener = socket.create_server((self._host, self._port), backlog=128)
        self._acceptor = threading.Thread(target=self._accept, name="smtp server", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(timeout=10)
        with self.changed:
            sockets = list(self._sockets)
        for sock in sockets:
            _shut(sock)
        self.wait_until(lambda: self.open_connections == 0)
        if self._ledger:
            self._ledger.close()

    # --- what conversations do ---------------------------------------------------------------------------

    def fault_at(self, step: Step, recipients: list[str]) -> Fault | None:
        with self.changed:
            for fault, occasions in self._faults:
                if fault.step != step or (fault.recipient and fault.recipient not in recipients):
                    continue
                occasions[0] += 1
                number = occasions[0] - fault.skip
                if number > 0 and (fault.times is None or number <= fault.times):
                    return fault
        return None

    def take(self, message: Accepted) -> None:
        with self.changed:
            if self._ledger:
                row = {
                    "at": time.time(),
                    "connection": message.connection,
                    "sender": message.sender,
                    "recipients": message.recipients,
                    "message_id": message.message_id,
                    "subject": message.subject,
                    "text": message.text,
                    "octets": len(message.content),
                }
                self._ledger.write(json.dumps(row).encode() + b"\n")
                self._ledger.flush()
                if self._fsync:
                    os.fsync(self._ledger.fileno())
            self.accepted.append(message)
            self.changed.notify_all()

    def swap(self, old: socket.socket, new: socket.socket) -> None:
        with self.changed:
            self._sockets = self._sockets - {old} | {new}

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                self.connections += 1
                self.open_connections += 1
                number = self.connections
                self._sockets.add(sock)
            threading.Thread(target=self._converse, args=(sock, number), daemon=True).start()

    def _converse(self, sock: socket.socket, number: int) -> None:
        conversation = _Conversation(self, sock, number, self._features, self._keep_content)
        try:
            if self._implicit_tls:
                conversation.encrypt(self._tls)
            conversation.run(self._tls if not self._implicit_tls else None)
        except (OSError, _Over):
            pass
        finally:
            with self.changed:
                self._sockets -= {sock, conversation.sock}
                self.open_connections -= 1
                self.changed.notify_all()
            conversation.sock.close()
            sock.close()


class _Over(Exception):
    """This conversation has ended."""


class _Conversation:
    def __init__(
        self,
        server: SmtpServer,
        sock: socket.socket,
        number: int,
        features: tuple[str, ...],
        keep_content: bool,
    ) -> None:
        self.server, self.sock, self.number = server, sock, number
        self.features, self.keep_content = features, keep_content
        self.unread = b""
        self.answers: list[bytes] = []
        self.sender: str | None = None
        self.recipients: list[str] = []

    def encrypt(self, context: ssl.SSLContext | None) -> None:
        assert context is not None
        plain, self.sock = self.sock, context.wrap_socket(self.sock, server_side=True)
        self.server.swap(plain, self.sock)

    def run(self, tls: ssl.SSLContext | None) -> None:
        self._answer("connect", "220 test ESMTP")
        while True:
            command = self._line()
            verb = command[:4].upper()
            if verb in ("EHLO", "HELO"):
                self._forget()
                lines = ["test", *self.features, *(["STARTTLS"] if tls else [])]
                if self.server.credentials:
                    lines.append("AUTH PLAIN")
                if verb == "HELO":
                    lines = lines[:1]
                text = "\r\n".join(f"250-{line}" for line in lines)
                self._answer("ehlo", text[: text.rfind("250-")] + "250 " + lines[-1])
            elif verb == "MAIL":
                if self._answer("mail", "250 ok" if self.sender is None else "503 nested MAIL"):
                    self.sender = _between_angles(command)
            elif verb == "RCPT":
                recipient = _between_angles(command)
                usual = "503 MAIL first" if self.sender is None else "250 ok"
                if self._answer("rcpt", usual, about=[recipient]):
                    self.recipients.append(recipient)
            elif verb == "DATA":
                fault = self.server.fault_at("data", self.recipients)
                answer = self._suffer(fault, usual="354 go on")
                if answer is None:
                    answer = "354 go on" if self.recipients else "503 RCPT first"
                    self._say(answer)
                if answer.startswith("354"):
                    self._read_content()
            elif verb == "RSET":
                self._forget()
                self._answer("rset", "250 ok")
            elif verb == "NOOP":
                self._say("250 ok")
            elif verb == "AUTH":
                good = base64.b64encode("\0{}\0{}".format(*(self.server.credentials or ("", ""))).encode())
                right = command.split()[1:] == ["PLAIN", good.decode()]
                self._answer("auth", "235 welcome" if right else "535 5.7.8 wrong credentials")
            elif verb == "STAR" and tls:
                if self._answer("starttls", "220 go on"):
                    self._flush()
                    self.unread = b""
                    self.encrypt(tls)
                    tls = None
            elif verb == "QUIT":
                self._answer("quit", "221 bye")
                self._flush()
                raise _Over
            else:
                self._control(command)

    def _control(self, command: str) -> None:
        verb, _, argument = command.partition(" ")
        if verb == "XFAULT":
            self.server.plan(Fault(**json.loads(argument)))
            self._say("250 planned")
        elif verb == "XCLEAR":
            self.server.clear()
            self._say("250 cleared")
        elif verb == "XSTAT":
            counts = self.server.count()
            answer = {
                "accepted": counts.total(),
                "unique": len(counts),
                "connections": self.server.connections,
            }
            self._say(f"250 {json.dumps(answer)}")
        else:
            self._say("500 what?")

    def _read_content(self) -> None:
        self._suffer(self.server.fault_at("content", self.recipients))
        content = self._content()
        fault = self.server.fault_at("dot", self.recipients)
        accept = bool(self.recipients) and (fault is None or fault.accept)
        if accept:
            self.server.take(
                Accepted(
                    connection=self.number,
                    sender=self.sender or "",
                    recipients=tuple(self.recipients),
                    message_id=_message_id(content),
                    subject=_subject(content),
                    content=content if self.keep_content else b"",
                    text=_notice_text(content),
                )
            )
        self._forget()
        if self._suffer(fault) is None:
            self._say("250 2.0.0 accepted" if accept else "554 5.5.1 no valid recipients")

    def _content(self) -> bytes:
        """What stands before the lone dot, without dot-stuffing."""
        # The CRLF before it makes the first line look like all others.
        text = bytearray(b"\r\n" + self.unread)
        seen = 0
        while (end := text.find(b"\r\n.\r\n", seen)) < 0:
            seen = max(0, len(text) - 4)
            text += self._read()
        self.unread = bytes(text[end + 5 :])
        return bytes(text[: end + 2]).replace(b"\r\n..", b"\r\n.")[2:]

    def _answer(self, step: Step, usual: str, *, about: list[str] | None = None) -> bool:
        """The usual answer, unless a fault is planned. True if it was a good one."""
        answer = self._suffer(self.server.fault_at(step, about or self.recipients), usual=usual)
        if answer is None:
            self._say(usual)
            answer = usual
        return answer[0] in "23"

    def _suffer(self, fault: Fault | None, *, usual: str = "250 ok") -> str | None:
        """Does what the fault says; returns the answer that was given, None if none was."""
        if fault is None:
            return None
        answer = fault.answer or usual
        if fault.action == "answer":
            self._say(answer)
            return answer
        if fault.action == "tarpit":
            for octet in f"{answer}\r\n".encode():
                self._flush()
                self.sock.sendall(bytes([octet]))
                if self.server.stopping.wait(fault.pause):
                    raise _Over
            return answer
        self._flush()
        if fault.action == "hang" and fault.step == "content":
            self.server.stopping.wait()
        elif fault.action == "hang":
            while self.sock.recv(65_536):
                pass
        elif fault.action == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            _shut(self.sock)
        raise _Over

    def _forget(self) -> None:
        self.sender = None
        self.recipients = []

    def _say(self, answer: str) -> None:
        self.answers.append(answer.encode() + b"\r\n")

    def _flush(self) -> None:
        if self.answers:
            waiting, self.answers = self.answers, []
            self.sock.sendall(b"".join(waiting))

    def _line(self) -> str:
        while (end := self.unread.find(b"\r\n")) < 0:
            self.unread += self._read()
        line, self.unread = self.unread[:end].decode("utf-8", "replace"), self.unread[end + 2 :]
        self.server.commands.append(line)
        return line

    def _read(self) -> bytes:
        self._flush()
        octets = self.sock.recv(262_144)
        if not octets:
            raise _Over
        self.server.groups.append(octets.count(b"\r\n"))
        return octets


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _between_angles(command: str) -> str:
    return command[command.find("<") + 1 : command.rfind(">")]


def _message_id(content: bytes) -> str:
    found = re.search(rb"(?im)^message-id:\s*<([^>]*)>", content.partition(b"\r\n\r\n")[0])
    return found[1].decode() if found else ""


def _subject(content: bytes) -> str:
    """The subject as it stands in the header, not decoded."""
    found = re.search(rb"^Subject: (.*)\r$", content.partition(b"\r\n\r\n")[0] + b"\r\n", re.MULTILINE)
    return found[1].decode("ascii", "replace") if found else ""


def _notice_text(content: bytes) -> str:
    """The text of a notice to supervisors, decoded; '' for any other message."""
    if not _subject(content).startswith("Overdue:"):
        return ""
    body = message_from_bytes(content, policy=policy.default).get_body(("plain",))
    return str(body.get_content()) if body is not None else ""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fakes.smtp_server", description="A scriptable SMTP server."
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--ledger", type=Path, help="one JSON line per accepted message")
    parser.add_argument("--no-fsync", action="store_true", help="do not wait for the disk before answering")
    parser.add_argument("--no-pipelining", action="store_true", help="do not offer PIPELINING")
    parser.add_argument("--fault", type=json.loads, action="append", default=[], help="a Fault as JSON")
    given = parser.parse_args()
    end_with_parent()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    server = SmtpServer(
        port=given.port,
        pipelining=not given.no_pipelining,
        ledger=given.ledger,
        fsync=not given.no_fsync,
        keep_content=False,
    )
    server.plan(*(Fault(**fault) for fault in given.fault))
    with server:
        print(json.dumps({"port": server.port}), flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
