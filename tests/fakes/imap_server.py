"""A small IMAP server on loopback (RFC 3501, with UIDPLUS and partial fetches) that can misbehave.

In a test: `with ImapServer() as server: server.deliver(octets)`.
"""

import base64
import contextlib
import re
import socket
import ssl
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

STATES = {"SELECT": "authenticated", "UID": "selected", "CLOSE": "selected"}
_COMMAND = re.compile(rb"(\S+) (\S+)(?: (.*))?\r\n")
_FETCH = re.compile(rb"BODY\.PEEK\[\]<(\d+)\.(\d+)>")


@dataclass
class Stored:
    """A message and its flags."""

    uid: int
    content: bytes
    flags: set[str] = field(default_factory=set)


@dataclass
class ImapServer:
    """Listens on a free port of 127.0.0.1, one thread for each connection.

    `fail_at` is a command ("LOGIN", "SEARCH", "FETCH" ...) at which it fails as `fault` says: "no" (it refuses), "hang up",
    "silence", "drip" (an octet now and then), "huge" (a literal without end), "endless" (lines without end), "nonsense".
    """

    user: str = "bounces"
    password: str = "secret"
    folder: str = "INBOX"
    capabilities: tuple[str, ...] = ("IMAP4rev1", "UIDPLUS", "AUTH=PLAIN")
    tls: ssl.SSLContext | None = None
    fail_at: str = ""
    fault: str = "no"
    messages: list[Stored] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=10)

    @property
    def url(self) -> str:
        return f"imap://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.folder}"

    def deliver(self, content: bytes) -> Stored:
        """Puts a message into the folder."""
        message = Stored(len(self.messages) + 101, content)
        self.messages.append(message)
        return message

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.add(sock)
            threading.Thread(target=self._converse, args=(sock,), daemon=True).start()

    def _converse(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            with contextlib.closing(sock):
                _Conversation(self, sock).run()

    def wait(self, seconds: float) -> bool:
        """Whether the server ends meanwhile."""
        return self._over.wait(seconds)


class _Conversation:
    def __init__(self, server: ImapServer, sock: socket.socket) -> None:
        self._server, self._sock = server, sock
        self._reader = sock.makefile("rb")
        self._state = "new"

    def run(self) -> None:
        if self._server.fail_at == "GREETING":
            self._misbehave("*")
        self._say("* OK ready")
        while line := self._reader.readline():
            found = _COMMAND.fullmatch(line)
            if found is None:
                self._say("* BAD no command")
                continue
            tag, name, rest = found[1].decode(), found[2].decode().upper(), (found[3] or b"").decode()
            if name == "UID":
                name, _, rest = rest.partition(" ")
                name = name.upper()
                if self._state != "selected":
                    self._say(f"{tag} BAD no folder is selected")
                    continue
            self._server.commands.append(
                name if name in ("LOGIN", "AUTHENTICATE") else f"{name} {rest}".strip()
            )
            if self._server.fail_at == name and self._misbehave(tag):
                continue
            if name == "LOGOUT":
                self._say("* BYE until later")
                self._say(f"{tag} OK done")
                return
            getattr(self, f"_{name.lower()}", self._unknown)(tag, rest)

    def _say(self, line: str) -> None:
        self._sock.sendall(line.encode() + b"\r\n")

    def _misbehave(self, tag: str) -> bool:
        """Whether the conversation goes on."""
        fault = self._server.fault
        if fault == "no":
            self._say(f"{tag} NO not for {self._server.user}")
            return True
        if fault == "nonsense":
            self._say("* 1 FETCH (BODY[]<0> NIL)")
            self._say("* SEARCH x -1 99999999999999")
            self._say(f"{tag} OK done")
            return True
        if fault == "silence":
            self._server.wait(30)
        elif fault == "drip":
            while not self._server.wait(0.05):
                self._sock.sendall(b"x")
        elif fault == "huge":
            self._say("* 1 FETCH (BODY[]<0> {99999999999}")
            while not self._server.wait(0):
                self._sock.sendall(b"x" * 65_536)
        elif fault == "endless":
            while not self._server.wait(0):
                self._sock.sendall(b"* 1 EXISTS\r\n" * 1_000)
        raise OSError("hung up")

    def _unknown(self, tag: str, rest: str) -> None:
        self._say(f"{tag} BAD unknown command")

    def _capability(self, tag: str, rest: str) -> None:
        self._say(f"* CAPABILITY {' '.join(self._server.capabilities)}")
        self._say(f"{tag} OK done")

    def _login(self, tag: str, rest: str) -> None:
        self._enter(tag, *re.findall(r'"((?:[^"\\]|\\.)*)"', rest))

    def _authenticate(self, tag: str, rest: str) -> None:
        self._say("+ ")
        _, user, password = base64.b64decode(self._reader.readline()).decode().split("\0")
        self._enter(tag, user, password)

    def _enter(self, tag: str, user: str, password: str) -> None:
        if (user, password) != (self._server.user, self._server.password):
            self._say(f"{tag} NO [AUTHENTICATIONFAILED] {user} {password}")
            return
        self._state = "authenticated"
        self._say(f"{tag} OK done")

    def _select(self, tag: str, rest: str) -> None:
        if self._state == "new" or rest.strip('"') != self._server.folder:
            self._say(f"{tag} NO no such folder")
            return
        self._state = "selected"
        self._say(f"* {len(self._server.messages)} EXISTS")
        self._say(f"{tag} OK [READ-WRITE]")

    def _search(self, tag: str, rest: str) -> None:
        assert rest == "UNSEEN UNDELETED"
        found = [one.uid for one in self._server.messages if not one.flags & {r"\Seen", r"\Deleted"}]
        self._say(f"* SEARCH {' '.join(map(str, reversed(found)))}".rstrip())
        self._say(f"{tag} OK done")

    def _fetch(self, tag: str, rest: str) -> None:
        uid, _, what = rest.partition(" ")
        for number, message in enumerate(self._server.messages, 1):
            if message.uid == int(uid):
                found = _FETCH.search(what.encode())
                assert found is not None
                begin, length = int(found[1]), int(found[2])
                part = message.content[begin : begin + length]
                head = f"* {number} FETCH (UID {uid} BODY[]<{begin}> {{{len(part)}}}\r\n"
                self._sock.sendall(head.encode() + part + b")\r\n")
        self._say(f"{tag} OK done")

    def _store(self, tag: str, rest: str) -> None:
        uid, _, flags = rest.split(" ", 2)
        for message in self._server.messages:
            if message.uid == int(uid):
                message.flags |= set(flags.strip("()").split())
        self._say(f"{tag} OK done")

    def _expunge(self, tag: str, rest: str) -> None:
        uids = set(map(int, rest.split(",")))
        self._server.messages[:] = [
            one for one in self._server.messages if not (one.uid in uids and r"\Deleted" in one.flags)
        ]
        self._say(f"{tag} OK done")
