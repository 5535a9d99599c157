"""A mail sink that costs little: takes every mail, keeps only counts. `python -m benchmarks.sink PORT [SECONDS]`.

It answers to each mail after so many seconds, by default at once.

Speaks as much SMTP as a client needs, with PIPELINING (RFC 2920) and CHUNKING (RFC 3030). `XSTAT` answers with
{"total": mails, "unique": different Message-IDs}, so that a run can be checked: every mail, each once.
"""

import asyncio
import json
import sys

GREETING = b"220 sink ESMTP\r\n"
FEATURES = b"250-sink\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250 SIZE 10000000\r\n"
END = b"\r\n.\r\n"


TAKEN = b"250 2.0.0 taken\r\n"


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


class Conversation(asyncio.Protocol):
    """One connection: commands are answered as they come, together where they came together."""

    def __init__(self, counts: Counts, answer_after: float) -> None:
        self.counts = counts
        self.answer_after = answer_after
        self.unread = b""
        self.in_content = False
        self.in_piece: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        read = self.unread + data if self.unread else data
        answers = b""
        at = 0
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
                answers += self._accepted()
            else:
                answers += self._answer(read[at:end])
            at = rest
        self.unread = read[at:]
        if answers:
            self.transport.write(answers)

    def _accepted(self) -> bytes:
        if not self.answer_after:
            return TAKEN
        asyncio.get_running_loop().call_later(self.answer_after, self.transport.write, TAKEN)
        return b""

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
                self.transport.write(b"221 bye\r\n")
                self.transport.close()
                return b""
            case _:
                return b"250 ok\r\n"


async def serve(port: int, answer_after: float) -> None:
    counts = Counts()
    server = await asyncio.get_running_loop().create_server(
        lambda: Conversation(counts, answer_after), "127.0.0.1", port
    )
    print(json.dumps({"port": port}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0))
