"""A real HTTP server that can misbehave at every step; keeps what it is told."""

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType

REFUSES = re.compile(rb"HTTP/1\.[01] [345]")
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers))
    return lines.encode() + b"\r\n" + body


@dataclass(frozen=True)
class Heard:
    """One request, as it came."""

    line: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.time)


@dataclass
class HttpSink:
    """Listens on a free port of 127.0.0.1. `answers` are given one a request, the last one again and again.

    `stop_at` is "accept" (silent from the start), "request" (closes before it has read the body), "answer" (reads all,
    then closes), "silence" (reads all and says nothing) or "drip" (an answer that never ends, octet by octet).
    `delay` is how many seconds pass between a request and its answer.
    `keeps`: connections are kept, several are served at once, and each carries at most `most_each` requests; then it is
    closed without a word. Otherwise one at a time is served, with one request.
    After `fall_silent_after` requests each is read and not answered.
    `taken` is what it has read to the end and did not refuse: a sender that got no answer cannot know.
    """

    answers: list[bytes] = field(default_factory=lambda: [OK])
    stop_at: str = ""
    delay: float = 0.0
    tls: ssl.SSLContext | None = None
    keeps: bool = False
    most_each: int = 1_000_000
    fall_silent_after: int = 1_000_000
    heard: list[Heard] = field(default_factory=list)
    taken: list[Heard] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> "HttpSink":
        self._over = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=30)
        self._server.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook?place=north"

    def _serve(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                conversation, _ = self._server.accept()
                self.connections += 1
                if self.keeps:
                    threading.Thread(target=self._converse, args=(conversation,), daemon=True).start()
                else:
                    self._converse(conversation)

    def _converse(self, conversation: socket.socket) -> None:
        with contextlib.suppress(OSError), conversation:
            conversation.settimeout(30)
            self._talk(conversation)

    def _talk(self, plain: socket.socket) -> None:
        if self.stop_at == "accept":
            self._say_nothing()
            return
        conversation = self.tls.wrap_socket(plain, server_side=True) if self.tls else plain
        with contextlib.closing(conversation):
            reader = conversation.makefile("rb")
            for _ in range(self.most_each if self.keeps else 1):
                if not self._answer(conversation, reader):
                    return

    def _answer(self, conversation: socket.socket, reader: socket.SocketIO) -> bool:
        """One request; whether it was answered."""
        line = reader.readline().decode().strip()
        if not line and self.keeps:
            return False
        headers = dict(self._headers(reader))
        if self.stop_at == "request":
            return False
        body = reader.read(int(headers.get("content-length", "0")))
        heard = Heard(line, headers, body)
        self.heard.append(heard)
        reply = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if self.stop_at or not REFUSES.match(reply):
            self.taken.append(heard)
        if self.stop_at == "answer":
            return False
        if self.stop_at == "silence" or len(self.heard) > self.fall_silent_after:
            self._say_nothing()
            return False
        if self.stop_at == "drip":
            conversation.sendall(b"HTTP/1.1 200 OK\r\n")
            while not self._over.wait(0.02):
                conversation.sendall(b"X")
            return False
        self._over.wait(self.delay)
        conversation.sendall(reply)
        return True

    def _say_nothing(self) -> None:
        """Until it behaves otherwise, or for half a minute."""
        way, over = self.stop_at, time.monotonic() + 30
        while self.stop_at == way and time.monotonic() < over and not self._over.wait(0.05):
            pass

    @staticmethod
    def _headers(reader: socket.SocketIO) -> Iterator[tuple[str, str]]:
        while line := reader.readline().strip():
            name, _, value = line.decode().partition(":")
            yield name.lower(), value.strip()
