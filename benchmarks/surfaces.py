"""The measurements around the pipeline: scans of great tables, and the pages and calls of the web process."""

import http.client
import json
import threading
import time
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks import cpu
from benchmarks.stage import Figures, Link, Meter, Options, bench_stack, in_process, one, seed, settle

HISTORY = """
    INSERT INTO assignments_assignment (title, kind, location, notes, status, scheduled_start, version,
        reminder_status, overdue_at)
    SELECT 'Job ' || i, '', '', '',
           CASE WHEN i %% 10 < 7 THEN 'COMPLETED' ELSE 'SCHEDULED' END,
           CASE WHEN i %% 10 < 8 THEN now() - interval '1 day' - (i %% 1000) * interval '2 hours'
                ELSE now() + interval '1 day' + (i %% 1000) * interval '2 hours' END,
           1, CASE WHEN i %% 10 < 7 THEN 'SENT' WHEN i %% 10 = 7 THEN 'OVERDUE' ELSE 'NONE' END,
           CASE WHEN i %% 10 = 7 THEN now() END
    FROM generate_series(1, %(n)s) i
"""
DUE = """
    INSERT INTO assignments_assignment (title, kind, location, notes, status, scheduled_start, version,
        reminder_status)
    SELECT 'Due ' || i, '', '', '', 'SCHEDULED', now() + interval '10 minutes', 1, 'NONE'
    FROM generate_series(1, %(n)s) i
"""
DUE_AT_ONCE = 1_000
TIMED_SCANS = """
import json, time
from statistics import median
from django.db import connection
from reminders import conf
from reminders.delivery import dispatch, scan
took = []
def timing(execute, sql, params, many, context):
    began = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        took.append((time.perf_counter() - began) * 1000)
connection.ensure_connection()
runs = []
with connection.execute_wrapper(timing), connection.cursor() as cursor:
    for _ in range(200):
        cursor.execute("SELECT 1")
    empty = median(took)
    for _ in range({runs}):
        took.clear()
        began = time.perf_counter()
        done = scan.scan(trigger="cli", config=conf.current())
        whole = (time.perf_counter() - began) * 1000
        runs.append([done.counts.planned, sum(ms - empty for ms in took), whole])
print(json.dumps({{"runs": runs}}))
"""
CLIENTS = 4
CALLS = 400


def scan(options: Options) -> Figures:
    """Whole scans of a table with `n` assignments: none due, then 1,000 due.

    `...Ms` is the time in the database: each statement's, less that of an empty one. `...WholeMs` is the scan's.
    """
    with bench_stack(options) as (stack, link):
        link.execute(HISTORY.encode(), {"n": options.n})
        settle(link, ["assignments_assignment"])
        idle = in_process(stack, TIMED_SCANS.format(runs=9))["runs"]
        due = []
        for _ in range(5):
            link.execute(DUE.encode(), {"n": DUE_AT_ONCE})
            planned, database, whole = in_process(stack, TIMED_SCANS.format(runs=1))["runs"][0]
            assert planned == DUE_AT_ONCE
            due.append((database, whole))
        return {
            "noneDueFirstMs": round(idle[0][1], 1),
            "noneDueMs": round(median(run[1] for run in idle[1:]), 1),
            "noneDueWholeMs": round(median(run[2] for run in idle[1:]), 1),
            "due": DUE_AT_ONCE,
            "dueMs": round(median(run[0] for run in due), 1),
            "dueWholeMs": round(median(run[1] for run in due), 1),
        }


def web(options: Options) -> Figures:
    """Pages and calls of one web process with `n` assignments, asked by 4 clients at once: p50 and p99."""
    with bench_stack(options) as (stack, link):
        seed(link, options.n, first=60, last=7000)
        stack.manage("rescan_reminders")
        token = stack.manage("create_api_token", "bench", "--scopes", "read,write,ops").stdout.strip()
        child, address = stack.web()
        some = one(link, "SELECT min(id) FROM assignments_assignment")
        found: Figures = {}
        for name, path in {
            "healthz": "/healthz",
            "list": "/api/assignments",
            "read": f"/api/assignments/{some}",
            "explain": f"/api/assignments/{some}/explain",
            "summary": "/api/admin/reminders/summary",
            "metrics": "/api/metrics",
        }.items():
            took, per_second = _asked(address, path, token)
            found[f"{name}P50Ms"] = round(took[len(took) // 2], 1)
            found[f"{name}P99Ms"] = round(took[int(len(took) * 0.99) - 1], 1)
            found[f"{name}PerSec"] = round(per_second)
        found["rssMiB"] = round(cpu.rss_mib(child.pid), 1)
        return found


def _asked(address: str, path: str, token: str) -> tuple[list[float], float]:
    """Sorted milliseconds of CALLS requests by CLIENTS clients, and how many a second that made."""
    where = urlsplit(address)
    took: list[float] = []

    def client() -> None:
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        for _ in range(CALLS // CLIENTS):
            began = time.perf_counter()
            line.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = line.getresponse()
            answer.read()
            assert answer.status == 200, f"{path}: {answer.status}"
            took.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    crew = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for member in crew:
        member.start()
    for member in crew:
        member.join()
    assert len(took) == CALLS, f"{path}: only {len(took)} answers"
    return sorted(took), CALLS / (time.perf_counter() - began)


def import_(options: Options) -> Figures:
    """`n` assignments in one call of the API, all new, all to be planned."""
    with bench_stack(options) as (stack, link):
        token = stack.manage("create_api_token", "bench", "--scopes", "write").stdout.strip()
        child, address = stack.web()
        rss = cpu.rss_mib(child.pid)
        meter = Meter(stack, link, [child])
        body = json.dumps(
            _rows(options.n, float(one(link, "SELECT extract(epoch FROM now())::float8")))
        ).encode()
        where = urlsplit(address)
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=170)
        began = time.perf_counter()
        line.request(
            "POST",
            "/api/assignments/import",
            body,
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        answer = line.getresponse()
        said = answer.read()
        seconds = time.perf_counter() - began
        assert answer.status in (200, 201), said[:500]
        used = meter.per_thousand(options.n)
        assert _count(link, "assignments_assignment") == options.n
        assert _count(link, "reminders_reminder") == options.n
        return {
            "perSec": round(options.n / seconds),
            **used,
            "ms": round(seconds * 1000),
            "bodyKiB": round(len(body) / 1024),
            "rssBeforeMiB": round(rss, 1),
            "rssMiB": round(cpu.rss_mib(child.pid), 1),
        }


def _rows(n: int, now: float) -> list[dict[str, Any]]:
    return [
        {
            "reference": f"JOB-{i}",
            "title": f"Job {i}",
            "location": "Main street 1",
            "assignee": {
                "reference": f"P-{i % 500}",
                "name": f"Person {i % 500}",
                "email": f"p{i % 500}@example.test",
            },
            "scheduled_start": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 3600 + i % 1800)),
        }
        for i in range(n)
    ]


def _count(link: Link, table: str) -> int:
    return int(one(link, f"SELECT count(*) FROM {table}"))
