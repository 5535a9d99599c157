"""A mail sink that costs little: takes every mail, keeps only counts. `python -m benchmarks.sink PORT [SECONDS]`.

It answers to each mail after so many seconds, by default at once.

Speaks as much SMTP as a client needs, with PIPELINING (RFC 2920) and CHUNKING (RFC 3030). `XSTAT` answers with
{"total": mails, "unique": different Message-IDs}, so that a run can be checked: every mail, each once.

One loop reads whatever has come into one buffer: an event loop of the standard library takes half as long again.
"""

import json
import select
import socket
import sys
import time
from collections import deque

GREETING = b"220 sink ESMTP\r\n"
FEATURES = b"250-sink\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250 SIZE 10000000\r\n"
END = b"\r\n.\r\n"
TAKEN = b"250 2.0.0 taken\r\n"
BYE = b"221 bye\r\n"


class Counts:
    """What all connections have taken."""

    def __init__(self) -> None:
        self.total = 0
        self.seen: set[bytes] = set()

    def take(self, read: bytes, start: int, end: int) -> None:
        """The mail that lies there in what was read."""
        self.total += 1
        at = read.find(b"Message-ID:", start, end)
        self.seen.add(read[at : read.find(b"\r\n", at, end)])


class Conversation:
    """What one client says: commands are answered as they come, together where they came together."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.unread = b""
        self.in_content = False
        self.in_piece: int | None = None

    def answers(self, data: bytes) -> tuple[bytes, int]:
        """What to answer to the commands in it, and how many mails were taken; those are not answered in it."""
        read = self.unread + data if self.unread else data
        answers, taken, at = b"", 0, 0
        while True:
            if self.in_piece is not None:
                end = rest = at + self.in_piece
                if end > len(read):
                    break
            else:
                ending = END if self.in_content else b"\r\n"
                end = read.find(ending, at)
                if end < 0:
                    break
                rest = end + len(ending)
            if self.in_content or self.in_piece is not None:
                self.in_content, self.in_piece = False, None
                self.counts.take(read, at, end)
                taken += 1
            else:
                answers += self._answer(read[at:end])
            at = rest
        self.unread = read[at:]
        return answers, taken

    def _answer(self, command: bytes) -> bytes:
        match command[:4].upper():
            case b"EHLO":
                return FEATURES
            case b"DATA":
                self.in_content = True
                return b"354 go on\r\n"
            case b"BDAT":
                self.in_piece = int(command.split()[1])
                return b""
            case b"XSTA":
                return f"250 {json.dumps({'total': self.counts.total, 'unique': len(self.counts.seen)})}\r\n".encode()
            case b"QUIT":
                return BYE
            case _:
                return b"250 ok\r\n"


def serve(port: int, answer_after: float) -> None:
    """Takes mails until it is killed."""
    counts = Counts()
    clients: dict[int, tuple[socket.socket, Conversation]] = {}
    due: deque[tuple[float, socket.socket]] = deque()
    buffer = bytearray(1 << 20)
    view = memoryview(buffer)
    with socket.create_server(("127.0.0.1", port), backlog=1024) as server:
        ready = select.epoll()
        ready.register(server, select.EPOLLIN)
        print(json.dumps({"port": port}), flush=True)
        while True:
            for number, _ in ready.poll(max(0.0, due[0][0] - time.monotonic()) if due else None):
                if number == server.fileno():
                    client, _ = server.accept()
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    clients[client.fileno()] = client, Conversation(counts)
                    ready.register(client, select.EPOLLIN)
                    client.sendall(GREETING)
                    continue
                client, conversation = clients[number]
                try:
                    count = client.recv_into(buffer)
                except OSError:
                    count = 0
                answers, taken = conversation.answers(bytes(view[:count]))
                if taken and not answer_after:
                    answers += TAKEN * taken
                _say(client, answers)
                due.extend([(time.monotonic() + answer_after, client)] * (taken if answer_after else 0))
                if not count or answers.endswith(BYE):
                    del clients[number]
                    client.close()
            while due and due[0][0] <= time.monotonic():
                _say(due.popleft()[1], TAKEN)


def _say(client: socket.socket, answers: bytes) -> None:
    """A client that is gone needs no answer."""
    if answers and client.fileno() >= 0:
        try:
            client.sendall(answers)
        except OSError:
            return


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
