"""What an archive costs as JSON rows, as rows with columns in partitions by month, and as JSON rows in such partitions.

Each is filled with the same `n` rows, a thousand in a transaction as `reminders.ledger.archive` moves them; work is
looked up in it; then one month of it is forgotten: deleted a thousand at a time and vacuumed, or detached and dropped.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from benchmarks import cpu
from benchmarks.modes import ASK_FOR_A_SCAN, whole_crew
from benchmarks.stage import LIMIT, Figures, Link, Options, bench_stack, in_process, one, seed, sent
from tests.stack import until

PATTERN = 1_000
"""Rows that were really sent; the others are like them."""
BATCH = 1_000
MONTHS = 24
LOOKED_UP = 500
WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
FAR = 1_000_000_000

JSON_COLUMNS = "id bigint, assignment_id bigint, archived_at timestamptz, row jsonb, attempts jsonb"
JSON_ROW = "id, assignment_id, {at}, to_jsonb(m) - 'tries', m.tries"
STAGED = """
    CREATE UNLOGGED TABLE staged AS
    SELECT {columns}, row_number() OVER () AS id, r.assignment_id + (copy - 1) * {far}::bigint AS assignment_id,
           (SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.number), '[]') FROM reminders_attempt t
            WHERE t.reminder_id = r.id) AS tries
    FROM generate_series(1, {copies}) copy CROSS JOIN reminders_reminder r WHERE r.kind = 'REMINDER'
"""


@dataclass(frozen=True, slots=True)
class KindOfArchive:
    """One way to keep an archive: how its table is made, what a row becomes, and whether a month is a partition."""

    name: str
    columns: str
    row: str
    by_month: bool


def archives(options: Options) -> Figures:
    """Each way's costs for `n` rows of a month."""
    with bench_stack(options) as (stack, link):
        seed(link, PATTERN, first=60, last=1440)
        whole_crew(stack, options)
        in_process(stack, ASK_FOR_A_SCAN)
        until(lambda: sent(link) >= PATTERN, within=LIMIT, what="the pattern is sent")
        stack.stop()
        names = [
            row[0]
            for row in link.execute(
                b"SELECT column_name FROM information_schema.columns WHERE table_name = 'reminders_reminder'"
                b" AND table_schema = 'public' ORDER BY ordinal_position"
            )
        ]
        others = [name for name in names if name not in {"id", "assignment_id"}]
        columns = ", ".join(f"r.{name}" for name in others)
        copies = options.n // PATTERN
        link.execute(STAGED.format(columns=columns, copies=copies, far=FAR).encode())
        link.execute(b"CREATE UNIQUE INDEX ON staged (id)")
        link.execute(b"VACUUM ANALYZE staged")
        types = ", ".join(
            f"{row[0]} {row[1]}"
            for row in link.execute(
                b"SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                b" WHERE attrelid = 'reminders_reminder'::regclass AND attnum > 0 AND NOT attisdropped"
            )
        )
        plain = ", ".join(["id", "assignment_id", *others])
        ways = (
            KindOfArchive("json", JSON_COLUMNS, JSON_ROW, by_month=False),
            KindOfArchive("jsonByMonth", JSON_COLUMNS, JSON_ROW, by_month=True),
            KindOfArchive(
                "columnsByMonth",
                f"{types}, archived_at timestamptz, tries jsonb",
                f"{plain}, {{at}}, tries",
                by_month=True,
            ),
        )
        return {way.name: _kept(link, way, options.n) for way in ways}


def _kept(link: Link, way: KindOfArchive, n: int) -> Figures:
    _make(link, way)
    filled = _timed(link, lambda: _fill(link, way, n))
    link.execute(b"VACUUM ANALYZE kept")
    size = int(
        one(link, "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('kept')")
        if way.by_month
        else one(link, "SELECT pg_total_relation_size('kept')")
    )
    found = _look_up(link)
    forgotten = _timed(link, lambda: _forget(link, by_month=way.by_month, n=n))
    link.execute(b"DROP TABLE kept")
    return {
        "sPerMillion": round(filled["s"] / n * 1e6, 1),
        "cpuSPerMillion": round(filled["cpu"] / n * 1e6, 1),
        "walBytesEach": round(filled["wal"] / n),
        "bytesEach": round(size / n),
        "lookUpMs": found,
        "forgetS": round(forgotten["s"], 2),
        "forgetCpuS": round(forgotten["cpu"], 2),
        "forgetWalMiB": round(forgotten["wal"] / 2**20, 1),
    }


def _make(link: Link, way: KindOfArchive) -> None:
    if not way.by_month:
        link.execute(f"CREATE TABLE kept ({way.columns}, PRIMARY KEY (id))".encode())
    else:
        link.execute(
            f"CREATE TABLE kept ({way.columns}, PRIMARY KEY (id, archived_at)) PARTITION BY RANGE (archived_at)".encode()
        )
        for month in range(MONTHS):
            begin, end = (
                f"('2024-01-01'::date + interval '{number} months')" for number in (month, month + 1)
            )
            link.execute(
                f"CREATE TABLE kept_{month} PARTITION OF kept FOR VALUES FROM {begin} TO {end}".encode()
            )
    link.execute(b"CREATE INDEX ON kept (assignment_id)")


def _fill(link: Link, way: KindOfArchive, n: int) -> None:
    row = way.row.format(at="timestamptz '2024-01-15'")
    target = "kept" if way.columns == JSON_COLUMNS else _named(way)
    for first in range(1, n + 1, BATCH):
        link.execute(
            f"INSERT INTO {target} SELECT {row} FROM staged m WHERE id BETWEEN %s AND %s".encode(),
            [first, min(first + BATCH - 1, n)],
        )


def _named(way: KindOfArchive) -> str:
    """The table with its columns in the order of the row."""
    return f"kept ({way.row.format(at='archived_at')})"


def _look_up(link: Link) -> float:
    """Milliseconds to find the rows of one piece of work."""
    took = []
    works = [row[0] for row in link.execute(b"SELECT assignment_id FROM staged LIMIT %s", [LOOKED_UP])]
    for work in works:
        began = time.perf_counter()
        link.execute(b"SELECT * FROM kept WHERE assignment_id = %s", [work]).fetchall()
        took.append((time.perf_counter() - began) * 1000)
    return round(median(took), 2)


def _forget(link: Link, *, by_month: bool, n: int) -> None:
    if by_month:
        link.execute(b"ALTER TABLE kept DETACH PARTITION kept_0 CONCURRENTLY")
        link.execute(b"DROP TABLE kept_0")
        return
    for _ in range(0, n, BATCH):
        link.execute(
            b"DELETE FROM kept WHERE id IN (SELECT id FROM kept ORDER BY id LIMIT %s)"
            b" AND archived_at < '2024-02-01'",
            [BATCH],
        )
    link.execute(b"VACUUM kept")


def _timed(link: Link, do: Callable[[], None]) -> dict[str, float]:
    """Seconds, CPU seconds of PostgreSQL, and bytes of WAL."""
    began, used, wal = time.perf_counter(), cpu.postgres(link), int(one(link, WAL))
    do()
    return {
        "s": time.perf_counter() - began,
        "cpu": cpu.postgres(link) - used,
        "wal": float(int(one(link, WAL)) - wal),
    }
