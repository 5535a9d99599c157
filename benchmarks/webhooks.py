"""Events for two endpoints of which one hangs, and a few people's reminders meanwhile."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from statistics import median

from benchmarks.modes import lags, plan_spread, whole_crew
from benchmarks.stage import LIMIT, Figures, Meter, Options, bench_stack, in_process
from tests.stack import until

SECONDS = 20
"""For so long events are raised, evenly."""
PEOPLE = 200
"""Reminders that fall due meanwhile."""
RULES = {
    "WEBHOOK_ALLOW_PRIVATE": "true",
    "REMINDER_LEASE_SECONDS": "25",
    "REMINDER_QUEUE_LIMIT": "10000",
}
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
SUBSCRIBE = """
from reminders.operations.subscriptions import subscribe
for name, url in {endpoints}:
    subscribe(name=name, url=url, events=["assignment.confirmed"], by="bench")
print("{{}}")
"""
RAISE = """
import json, time
from django.db import connection, transaction
from assignments.models import Assignment
from reminders.ledger.events import Event, emit_events
ids = list(Assignment.objects.order_by("id").values_list("id", flat=True))
began = time.time()
steps, number = {seconds} * 10, {n}
for step in range(steps):
    time.sleep(max(0.0, began + step / 10 - time.time()))
    these = range(number * step // steps, number * (step + 1) // steps)
    with transaction.atomic(), connection.cursor() as cursor:
        emit_events(cursor, [Event("assignment.confirmed", ids[i % len(ids)], str(i)) for i in these])
print(json.dumps({{"s": time.time() - began}}))
"""


class BenchEndpoint(asyncio.Protocol):
    """One connection to an endpoint: answers each post after so many seconds, or never."""

    def __init__(self, heard: "HeardEvents", answer_after: float | None) -> None:
        self.heard = heard
        self.answer_after = answer_after
        self.unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.heard.connections += 1

    def data_received(self, data: bytes) -> None:
        self.unread += data
        head, end, rest = self.unread.partition(b"\r\n\r\n")
        if not end:
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        if len(rest) < length:
            return
        self.unread = rest[length:]
        self.heard.note(fields[b"webhook-id"], rest[:length])
        if self.answer_after is not None:
            asyncio.get_running_loop().call_later(self.answer_after, self._answer, fields)

    def _answer(self, fields: dict[bytes, bytes]) -> None:
        self.transport.write(OK)
        if fields.get(b"connection") == b"close":
            self.transport.close()


class HeardEvents:
    """What an endpoint has heard: posts, connections, and when each event was heard first."""

    def __init__(self) -> None:
        self.posts = self.connections = 0
        self.at: dict[bytes, float] = {}
        self.delays: list[float] = []

    def note(self, id: bytes, body: bytes) -> None:
        self.posts += 1
        if id not in self.at:
            self.at[id] = now = time.time()
            raised = datetime.fromisoformat(json.loads(body)["timestamp"]).timestamp()
            self.delays.append((now - raised) * 1000)


@contextlib.contextmanager
def endpoints(answer_after: float) -> Iterator[list[tuple[HeardEvents, str]]]:
    """A healthy endpoint and one that hangs, in a thread; what each has heard, and its URL."""
    loop = asyncio.new_event_loop()
    heard = [HeardEvents(), HeardEvents()]

    async def listen() -> list[str]:
        urls = []
        for one, after in zip(heard, (answer_after, None), strict=True):
            server = await loop.create_server(partial(BenchEndpoint, one, after), "127.0.0.1", 0)
            urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        return urls

    urls = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield list(zip(heard, urls, strict=True))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def webhooks(options: Options) -> Figures:
    """`n` events over 20 s for each of two endpoints, one of which hangs: how fast and how late the other hears of them, and
    how late people's reminders are meanwhile."""
    with endpoints(options.answer_after) as both, bench_stack(options, RULES) as (stack, link):
        (healthy, _), (hangs, _) = both
        crew = whole_crew(stack, options)
        names = [("healthy", both[0][1]), ("hangs", both[1][1])]
        in_process(stack, SUBSCRIBE.format(endpoints=names))
        plan_spread(stack, link, Options(n=PEOPLE), seconds=SECONDS)
        meter = Meter(stack, link, crew)
        in_process(stack, RAISE.format(seconds=SECONDS, n=options.n))
        until(lambda: len(healthy.at) >= options.n, within=4 * LIMIT, what="the healthy one knows", every=0.2)
        used = meter.per_thousand(options.n)
        delays = sorted(healthy.delays)
        heard = sorted(healthy.at.values())
        people = lags(link)
        return {
            "perSec": round(options.n / (heard[-1] - heard[0])),
            "delayP50Ms": round(median(delays)),
            "delayP99Ms": round(delays[int(len(delays) * 0.99) - 1]),
            "delayMaxMs": round(delays[-1]),
            "twice": healthy.posts - options.n,
            "connections": healthy.connections,
            "postsToTheOther": hangs.posts,
            "peopleP50Ms": people["p50Ms"],
            "peopleP99Ms": people["p99Ms"],
            **used,
        }
