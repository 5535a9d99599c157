"""An SMTP server that misbehaves as a test plans it: it drops, hangs, refuses or is slow at any step.

In a test: `with SmtpServer() as server: server.plan(Fault("rcpt", "answer", "550 no such user"))`.
As a process: `python -m tests.fakes.smtp_server --port 0 --ledger FILE` prints {"port": N} when it is ready, and
writes one JSON line per accepted message before the client gets the reply: with the operating system, so that it
outlives this process, and not on the disk, whose pauses tests would take for the server's. A running one is
controlled over SMTP itself: XFAULT {...} (the fields of Fault), XRULE {...} (see `smtp_rules`), XCLEAR, and XSTAT
(answers {"accepted", ...}).
"""

import argparse
import json
import signal
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from config.devstack.processes import end_with_parent
from tests.fakes.smtp_conversation import Conversation, Over, shut
from tests.fakes.smtp_faults import Accepted, Fault, Step
from tests.fakes.smtp_rules import Rule


class SmtpServer:
    """Listens from `start` to `stop`; one thread for each connection."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        pipelining: bool = True,
        chunking: bool = False,
        features: tuple[str, ...] = ("8BITMIME", "SIZE 10485760"),
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        credentials: tuple[str, str] | None = None,
        ledger: Path | None = None,
        refusals: Path | None = None,
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
        self._features = (
            *features,
            *(["PIPELINING"] if pipelining else []),
            *(["CHUNKING"] if chunking else []),
        )
        self._ledger = open(ledger, "ab") if ledger else None  # noqa: SIM115, PTH123  closed by stop()
        self._refusals = open(refusals, "a") if refusals else None  # noqa: SIM115, PTH123  closed by stop()
        self._keep_content = keep_content
        self._faults: list[tuple[Fault, list[int]]] = []
        self._rules: list[Rule] = []
        self._sockets: set[socket.socket] = set()

    # --- what tests do -----------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def plan(self, *faults: Fault) -> None:
        """Adds faults; the first that fits an occasion decides it."""
        with self.changed:
            self._faults.extend((fault, [0]) for fault in faults)

    def hold_to(self, *rules: Rule) -> None:
        """Adds rules; what none of them refuses, and no fault concerns, is served."""
        with self.changed:
            self._rules.extend(rules)

    def clear(self) -> None:
        """No more faults and rules."""
        with self.changed:
            self._faults.clear()
            self._rules.clear()

    def drop_connections(self) -> None:
        """Ends all open connections, as a server does whose patience with idle clients is over."""
        with self.changed:
            sockets = list(self._sockets)
        for sock in sockets:
            shut(sock)

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
            shut(sock)
        self.wait_until(lambda: self.open_connections == 0)
        for file in (self._ledger, self._refusals):
            if file:
                file.close()

    # --- what conversations do ---------------------------------------------------------------------------

    def fault_at(self, step: Step, recipients: list[str], *, connection: int) -> Fault | None:
        with self.changed:
            for fault, occasions in self._faults:
                if fault.step != step or (fault.recipient and fault.recipient not in recipients):
                    continue
                occasions[0] += 1
                number = occasions[0] - fault.skip
                if number > 0 and (fault.times is None or number <= fault.times):
                    return fault
            for rule in self._rules:
                if rule.step == step and rule.refuses(
                    recipients, connection=connection, now=time.monotonic()
                ):
                    return Fault(step, "answer", rule.answer, about=rule.about)
        return None

    def note_refusal(self, fault: Fault, answer: str, recipients: list[str]) -> None:
        """Writes down whom this answer has refused, and what it was about."""
        with self.changed:
            if self._refusals:
                row = {
                    "at": time.time(),
                    "step": fault.step,
                    "answer": answer,
                    "about": fault.about,
                    "recipients": recipients,
                }
                self._refusals.write(json.dumps(row) + "\n")
                self._refusals.flush()

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
        conversation = Conversation(self, sock, number, self._features, self._keep_content)
        try:
            if self._implicit_tls:
                conversation.encrypt(self._tls)
            conversation.run(self._tls if not self._implicit_tls else None)
        except (OSError, Over):
            pass
        finally:
            with self.changed:
                self._sockets -= {sock, conversation.sock}
                self.open_connections -= 1
                self.changed.notify_all()
            conversation.sock.close()
            sock.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fakes.smtp_server", description="A scriptable SMTP server."
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--ledger", type=Path, help="one JSON line per accepted message")
    parser.add_argument("--refusals", type=Path, help="one JSON line per refusal that a test has planned")
    parser.add_argument("--no-pipelining", action="store_true", help="do not offer PIPELINING")
    parser.add_argument("--no-chunking", action="store_true", help="do not offer CHUNKING")
    parser.add_argument("--fault", type=json.loads, action="append", default=[], help="a Fault as JSON")
    given = parser.parse_args()
    end_with_parent()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    server = SmtpServer(
        port=given.port,
        pipelining=not given.no_pipelining,
        chunking=not given.no_chunking,
        ledger=given.ledger,
        refusals=given.refusals,
        keep_content=False,
    )
    server.plan(*(Fault(**fault) for fault in given.fault))
    with server:
        print(json.dumps({"port": server.port}), flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
