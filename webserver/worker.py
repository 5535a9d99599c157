"""The worker class of gunicorn that serves HTTP: waitress reads whole requests before a thread runs them.

So a client that sends slowly, or stops in the middle of a header or body, costs a connection and no thread
(docs/decisions/0018). gunicorn starts, restarts and stops the processes.

    gunicorn config.wsgi --worker-class webserver.worker.BufferingWorker --threads 8
"""

import os
import resource
import time
from typing import Any

from django.conf import settings
from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.utilities import RequestEntityTooLarge

from webserver.error_body import error_body
from webserver.limits import Limits, announce

MAX_CONNECTIONS = 4_000
"""Open connections of one process. Beyond it those that have been silent for longest are closed."""
OTHER_FILES = 200
"""File descriptors that a process needs beside its connections: database, buffers, the listening socket."""
IDLE_SECONDS = 60
"""A connection on which nothing was sent or received for so long is closed."""
HEADER_SECONDS = 20
"""Request line and header fields must be complete so long after their first byte."""
REQUEST_SECONDS = 300
"""A whole request must be complete so long after its first byte: 20 MB at 0.6 Mbit/s."""
MAX_HEADER = 64 * 1024
MAX_ANONYMOUS_BODY = 16 * 1024
"""The largest body without a token or session: sign-in and the answers of assignees are small."""
ACCEPTED_AT_ONCE = 50
LOOP_SECONDS = 1.0


class BodyTooLarge(RequestEntityTooLarge):  # type: ignore[misc]
    """413 with the body that the API documents for errors."""

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        body = error_body("too_large", title="The request is too large.", message=self.body)
        return "413 Content Too Large", [("Content-Type", "application/json")], body


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Refuses a body that is too large when its header fields have arrived, before any of it is stored."""

    max_body = 0
    error: Any

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        self.max_body = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        cookies = self.headers.get("COOKIE", "")
        if "AUTHORIZATION" not in self.headers and f"{settings.SESSION_COOKIE_NAME}=" not in cookies:
            self.max_body = MAX_ANONYMOUS_BODY

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        too_large = max(self.content_length, self.body_bytes_received) > self.max_body
        if self.headers_finished and self.error is None and too_large:
            self.error = BodyTooLarge(f"no more than {self.max_body} bytes are accepted here")
            self.completed = True
            self.connection_close = True
            self.expect_continue = False
        return consumed


class BufferedChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows when its unfinished request began."""

    parser_class = Parser
    request_began: float | None = None

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.request_began = time.time()
        accepted: bool = super().received(data)
        if self.request is None:
            self.request_began = None
        return accepted

    def has_expired(self, now: float) -> bool:
        """Whether the client took too long: silent, or with a request that does not end."""
        if self.requests:
            # The request is being processed: only a client that does not read its response is given up.
            return bool(self.total_outbufs_len and self.last_activity < now - IDLE_SECONDS)
        if self.request is not None and self.request_began is not None:
            limit = REQUEST_SECONDS if self.request.headers_finished else HEADER_SECONDS
            if self.request_began < now - limit:
                return True
        return bool(self.last_activity < now - IDLE_SECONDS)


class WorkerServer(TcpWSGIServer):  # type: ignore[misc]
    """Accepts connections, and closes those that have expired or are too many."""

    channel_class = BufferedChannel
    max_connections = MAX_CONNECTIONS

    def handle_accept(self) -> None:
        if len(self.active_channels) >= self.max_connections:
            waiting = [channel for channel in self.active_channels.values() if not channel.requests]
            # Several at a time, so that the search is not repeated for each connection.
            for channel in sorted(waiting, key=lambda each: each.last_activity)[: self.max_connections // 20]:
                channel.handle_close()
        # waitress accepts one connection in each turn of its loop; with many connections that is too slow.
        for _ in range(ACCEPTED_AT_ONCE):
            before = len(self.active_channels)
            super().handle_accept()
            if len(self.active_channels) == before:
                return

    def maintenance(self, now: float) -> None:
        for channel in list(self.active_channels.values()):
            if channel.has_expired(now):
                channel.will_close = True

    @property
    def is_busy(self) -> bool:
        """Whether a request is being processed or a response being sent."""
        return any(channel.requests or channel.total_outbufs_len for channel in self.active_channels.values())


class BufferingWorker(Worker):  # type: ignore[misc]
    """Runs waitress on the sockets that gunicorn has opened."""

    def run(self) -> None:
        """Serves until gunicorn asks for a stop, then finishes what was begun, for at most `graceful_timeout`."""
        sockets: dict[int, Any] = {}
        limit = raise_file_limit()
        announce(limits_with(limit))
        servers = [self._server(listener.sock, sockets, limit) for listener in self.sockets]
        while self.alive:
            self._turn(sockets)
        deadline = time.monotonic() + self.cfg.graceful_timeout
        for server in servers:
            server.del_channel()
        while any(server.is_busy for server in servers) and time.monotonic() < deadline:
            self._turn(sockets)

    def _turn(self, sockets: dict[int, Any]) -> None:
        self.notify()
        if self.ppid != os.getppid():
            self.alive = False  # gunicorn's main process is gone
        wasyncore.loop(timeout=LOOP_SECONDS, map=sockets, use_poll=True, count=1)

    def _server(self, listener: Any, sockets: dict[int, Any], limit: int) -> WorkerServer:
        adjustments = Adjustments(
            threads=self.cfg.threads,
            backlog=self.cfg.backlog,
            # The server has a limit of its own, which closes silent connections instead of refusing new ones.
            connection_limit=limit * 2,
            cleanup_interval=5,
            max_request_header_size=MAX_HEADER,
            inbuf_overflow=MAX_ANONYMOUS_BODY + 1,
            # settings.SECURE_PROXY_SSL_HEADER needs X-Forwarded-Proto as the proxy in front of us sent it.
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
            ident="web",
        )
        listener.setblocking(False)
        address = (listener.family, listener.type, listener.proto, listener.getsockname())
        server = WorkerServer(
            self.wsgi, sockets, True, listener, adj=adjustments, sockinfo=address, bind_socket=False
        )
        server.max_connections = limit
        return server


def raise_file_limit() -> int:
    """Raises this process's limit of open files as far as it needs and may; returns how many connections fit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(allowed - OTHER_FILES, 50)


def limits_with(connections: int) -> Limits:
    """What this worker class limits, with so many connections."""
    return Limits(
        connections=connections,
        idle_seconds=IDLE_SECONDS,
        header_seconds=HEADER_SECONDS,
        request_seconds=REQUEST_SECONDS,
        header_bytes=MAX_HEADER,
        body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        anonymous_body_bytes=MAX_ANONYMOUS_BODY,
    )
