"""The measurements of the pipeline. Each verifies that every reminder went out exactly once."""

import os
import signal
import time
from statistics import median

from benchmarks import cpu
from benchmarks.stage import (
    LIMIT,
    Figures,
    Link,
    Meter,
    Options,
    bench_stack,
    in_process,
    last_sent_at,
    one,
    redis_bytes,
    seed,
    sent,
    settle,
    verify,
)
from tests.stack import Child, Stack, until

SCAN = """
import json, time
from reminders import conf
from reminders.delivery import dispatch, scan
t = time.perf_counter()
done = scan.scan(trigger="cli", config=conf.current())
print(json.dumps({"planned": done.counts.planned, "s": time.perf_counter() - t}))
"""
OWN_TEXT = """
from reminders.content.message_templates.starters import starter
from reminders.content.message_templates.variables import TextForm
from reminders.operations.message_templates import save_template
begun = starter("reminder", TextForm.MAIL)
place = {"kind": "reminder", "channel": "email", "language": "en", "team_id": None}
save_template(**place, subject=begun.subject, body=begun.body, by="bench")
print("{}")
"""
DISPATCH = """
import json, time
from reminders import conf
from reminders.delivery import dispatch, scan
from reminders.delivery.broker import CeleryBroker
broker = CeleryBroker(); broker.depth()
t = time.perf_counter(); c = time.process_time()
done = dispatch.dispatch(config=conf.current(), broker=broker)
print(json.dumps({"n": done.handed_over, "messages": done.messages, "s": time.perf_counter() - t,
                  "cpu": time.process_time() - c}))
"""
ASK_FOR_A_SCAN = """
from reminders.delivery.broker import SCAN_QUEUE
from reminders.delivery.tasks import scan_task
scan_task.apply_async(kwargs={"trigger": "api"}, queue=SCAN_QUEUE)
print("{}")
"""
PLANNED = "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER'"
FIRST_DUE = "SELECT extract(epoch FROM min(due_at))::float8 FROM reminders_reminder WHERE kind = 'REMINDER'"
SCAN_BEGAN = "SELECT extract(epoch FROM max(started_at))::float8 FROM reminders_scanrun WHERE trigger = 'api'"


def drain(options: Options) -> Figures:
    """Everything is in the queue beforehand; then the workers may begin."""
    with bench_stack(options) as (stack, link):
        seed(link, options.n, first=60, last=1440)
        in_process(stack, SCAN)
        if options.own_text:
            in_process(stack, OWN_TEXT)
        settle(link, ["reminders_reminder"])
        crew = [stack.worker(concurrency=options.concurrency) for _ in range(options.workers)]
        rss = [cpu.rss_mib(child.pid) for child in crew]
        for child in crew:
            os.killpg(child.pid, signal.SIGSTOP)
        handed = in_process(stack, DISPATCH)
        link.execute("CHECKPOINT")
        meter = Meter(stack, link, crew)
        started = time.time()
        for child in crew:
            os.killpg(child.pid, signal.SIGCONT)
        until(lambda: sent(link) >= options.n, within=LIMIT, what="everything is sent", every=0.05)
        seconds = last_sent_at(link) - started
        used = meter.per_thousand(options.n)
        verify(stack, link, options)
        return {
            "perSec": round(options.n / seconds),
            **used,
            "ms": round(seconds * 1000),
            "messages": handed["messages"],
            "rssBeforeMiB": round(max(rss), 1),
            "rssMiB": round(max(cpu.rss_mib(child.pid) for child in crew), 1),
        }


def enqueue(options: Options) -> Figures:
    """Claim and hand over everything that is due, with no worker running."""
    with bench_stack(options) as (stack, link):
        seed(link, options.n, first=60, last=1440)
        scanned = in_process(stack, SCAN)
        settle(link, ["reminders_reminder"])
        meter = Meter(stack, link, [])
        before = redis_bytes(stack)
        handed = in_process(stack, DISPATCH)
        used = meter.per_thousand(options.n)
        assert handed["n"] == options.n
        used["cpuSPer1000"]["worker"] = round(handed["cpu"] / options.n * 1000, 3)
        return {
            "perSec": round(options.n / handed["s"]),
            "scanMs": round(scanned["s"] * 1000),
            "cpuSPer1000": used["cpuSPer1000"],
            "cpuTotal": round(used["cpuTotal"] + handed["cpu"] / options.n * 1000, 3),
            "messages": handed["messages"],
            "redisKiB": round((redis_bytes(stack) - before) / 1024),
        }


def cycle(options: Options) -> Figures:
    """Everything falls due at one instant: scan, queue and drain, with beat, scanner and workers as they run."""
    with bench_stack(options) as (stack, link):
        crew = whole_crew(stack, options)
        seed(link, options.n, first=60, last=1440)
        meter = Meter(stack, link, crew)
        in_process(stack, ASK_FOR_A_SCAN)
        until(lambda: sent(link) >= options.n, within=LIMIT, what="everything is sent", every=0.05)
        seconds = last_sent_at(link) - float(one(link, SCAN_BEGAN))
        used = meter.per_thousand(options.n)
        verify(stack, link, options)
        return {"perSec": round(options.n / seconds), **used, "ms": round(seconds * 1000)}


SPREAD, TRICKLE = 30, 60
"""Seconds over which the reminders of `punctual` and `trickle` fall due."""


def punctual(options: Options) -> Figures:
    """Reminders spread over 30 s: how long after its due instant each was sent."""
    with bench_stack(options) as (stack, link):
        crew = whole_crew(stack, options)
        plan_spread(stack, link, options, seconds=SPREAD)
        until(lambda: sent(link) >= options.n, within=90, what="everything is sent", every=0.2)
        verify(stack, link, options)
        return {
            "spreadS": SPREAD,
            **lags(link),
            "rssMiB": round(max(cpu.rss_mib(child.pid) for child in crew), 1),
        }


def trickle(options: Options) -> Figures:
    """A working day: reminders evenly spread over a minute. What each costs in all processes, and how late it was sent."""
    with bench_stack(options) as (stack, link):
        crew = whole_crew(stack, options)
        plan_spread(stack, link, options, seconds=TRICKLE)
        first = float(one(link, FIRST_DUE))
        until(lambda: time.time() >= first - 0.5, within=60, what="the first is nearly due")
        meter = Meter(stack, link, crew)
        until(lambda: sent(link) >= options.n, within=2 * TRICKLE, what="everything is sent", every=0.5)
        used = meter.per_thousand(options.n)
        verify(stack, link, options)
        return {"spreadS": TRICKLE, **used, **lags(link)}


def whole_crew(stack: Stack, options: Options) -> list[Child]:
    """Workers, a scanner and beat, as they run."""
    crew = [stack.worker(concurrency=options.concurrency) for _ in range(options.workers)]
    return [*crew, stack.scanner(), stack.beat()]


def plan_spread(stack: Stack, link: Link, options: Options, *, seconds: float) -> None:
    """Reminders that fall due over so many seconds, beginning in a few; all of them are planned when this returns."""
    seed(link, options.n, first=1800 + 8, last=1800 + 8 + seconds)
    in_process(stack, ASK_FOR_A_SCAN)
    until(lambda: one(link, PLANNED) >= options.n, within=30, what="all are planned", every=0.2)


def lags(link: Link) -> Figures:
    """How long after their due instants the reminders were sent."""
    found = link.execute(
        b"SELECT extract(epoch FROM sent_at - due_at)::float8 FROM reminders_reminder"
        b" WHERE kind = 'REMINDER' AND state = 'SENT'"
    )
    lags = sorted(float(row[0]) * 1000 for row in found)
    return {
        "minMs": round(lags[0], 1),
        "p50Ms": round(median(lags), 1),
        "p99Ms": round(lags[int(len(lags) * 0.99) - 1], 1),
        "maxMs": round(lags[-1], 1),
    }


def waiting(options: Options) -> Figures:
    """Reminders that wait for their time: what they cost in Redis and in a worker."""
    with bench_stack(options) as (stack, link):
        crew = [stack.worker(concurrency=options.concurrency), stack.scanner()]
        stack.beat()
        before = redis_bytes(stack)
        rss = max(cpu.rss_mib(child.pid) for child in crew)
        seed(link, options.n, first=1800 + 1200, last=7000)
        scanned = in_process(stack, SCAN)
        assert scanned["planned"] == options.n
        with stack.redis() as client:
            messages = int(client.llen("reminders"))
        after = redis_bytes(stack)
        return {
            "jobs": options.n,
            "redisMessages": messages,
            "redisKiB": round((after - before) / 1024),
            "redisBytesPerJob": round((after - before) / options.n, 1),
            "scanMs": round(scanned["s"] * 1000),
            "rssBeforeMiB": round(rss, 1),
            "rssMiB": round(max(cpu.rss_mib(child.pid) for child in crew), 1),
        }
