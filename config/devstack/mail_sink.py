"""A mail server for this machine only: it accepts every message and writes it to a folder.

    python -m config.devstack.mail_sink --port 0 --directory DIR

prints {"port": N} when it is ready. Each message is DIR/<UTC timestamp>-<number>.eml, so that names sort by time of
arrival; the newest 1,000 are kept. It ends on SIGTERM or SIGINT and, on Linux, with the process that started it.
"""

import argparse
import asyncio
import json
import signal
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from config.devstack.processes import end_with_parent

MAX_MESSAGES = 1_000


class Folder:
    """The handler for aiosmtpd: each message becomes a file, which appears with its whole content or not at all."""

    def __init__(self, directory: Path, *, limit: int = MAX_MESSAGES) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._limit = limit
        self._names = deque(sorted(path.name for path in directory.glob("*.eml")))
        self._count = 0

    async def handle_EHLO(  # noqa: N802  the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        # Pipelined commands wait in the stream's buffer, which is all that RFC 2920 requires of a server.
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        try:
            self.store(envelope.content, sender=envelope.mail_from or "", recipients=envelope.rcpt_tos)
        except OSError as error:
            # RFC 5321, 4.2.3 and RFC 3463, 3.4: the sender tries again.
            return f"452 4.3.1 Insufficient system storage ({error.strerror})"
        return "250 2.0.0 Stored"

    def store(self, content: bytes, *, sender: str, recipients: list[str]) -> Path:
        """Writes one message, with its envelope in the usual header fields."""
        self._count += 1
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{self._count}.eml"
        envelope = f"Return-Path: <{sender}>\r\n" + "".join(
            f"Delivered-To: {each}\r\n" for each in recipients
        )
        unfinished = self._directory / f".{name}.part"
        try:
            unfinished.write_bytes(envelope.encode() + content)
            path = unfinished.rename(self._directory / name)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        self._names.append(name)
        while len(self._names) > self._limit:
            (self._directory / self._names.popleft()).unlink(missing_ok=True)
        return path


async def serve(*, host: str, port: int, directory: Path) -> None:
    """Runs until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    folder = Folder(directory)
    server = await loop.create_server(
        lambda: SMTP(folder, hostname="sink.localhost", ident="mail sink", enable_SMTPUTF8=True), host, port
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await ended.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m config.devstack.mail_sink", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument(
        "--directory", type=Path, required=True, help="where the messages are stored; created if missing"
    )
    given = parser.parse_args()
    end_with_parent()
    try:
        asyncio.run(serve(host=given.host, port=given.port, directory=given.directory))
    except OSError as error:
        raise SystemExit(f"the mail sink cannot listen on {given.host}:{given.port}: {error}") from error


if __name__ == "__main__":
    main()
