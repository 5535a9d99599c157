"""What a day leaves behind: rates, lags, sizes, vacuum, WAL; what the archive costs; and the proof that all was sent."""

import json
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks import cpu
from benchmarks.stage import Figures, Link, one
from tests.stack import Stack

ARCHIVED_AT_MOST = 1_000_000
ORDER_SECONDS = 60.0
"""How long one order to the archive works."""
SLOT_SECONDS = 10

OURS = ("assignments_assignment", "assignments_assignee", "reminders_reminder", "reminders_attempt")
SIZES = """
    SELECT c.relname, coalesce(i.indexrelid::regclass::text, 'heap'),
           CASE WHEN i.indexrelid IS NULL THEN pg_table_size(c.oid) ELSE pg_relation_size(i.indexrelid) END
    FROM pg_class c LEFT JOIN LATERAL (
        SELECT NULL::oid AS indexrelid UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = c.oid) i ON true
    WHERE c.relname = ANY(%s) AND c.relkind = 'r'
"""
TOTAL = "SELECT pg_database_size(current_database())"
VACUUM = """
    SELECT relname, autovacuum_count, autoanalyze_count, n_dead_tup, n_live_tup, n_tup_upd, n_tup_hot_upd,
           round(total_autovacuum_time::numeric / 1000, 1)::float8
    FROM pg_stat_user_tables WHERE relname = ANY(%s)
"""
RATE = """
    SELECT coalesce(max(n), 0) FROM (
        SELECT count(*) AS n FROM reminders_reminder
        WHERE {instant} IS NOT NULL AND kind = 'REMINDER' GROUP BY date_bin('{seconds} s', {instant}, '2000-01-01')) slots
"""
SPAN = """
    SELECT extract(epoch FROM max(sent_at) - min(sent_at))::float8, count(sent_at) FROM reminders_reminder
    WHERE kind = 'REMINDER'
"""
LAGS = """
    SELECT sharp, count(*),
           percentile_cont(ARRAY[0.5, 0.9, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - due_at)::float8)
    FROM (SELECT sent_at, due_at, count(*) OVER (PARTITION BY due_at) > 1 AS sharp FROM reminders_reminder
          WHERE kind = 'REMINDER' AND state = 'SENT') told
    GROUP BY sharp
"""
SCANS = """
    SELECT extract(epoch FROM finished_at - started_at)::float8 FROM reminders_scanrun
    WHERE finished_at IS NOT NULL AND error = '' ORDER BY started_at
"""
CHECKPOINTS = "SELECT num_timed + num_requested FROM pg_stat_checkpointer"
WAL = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint, wal_fpi::bigint FROM pg_stat_wal"
OUTCOMES = """
    SELECT kind || ' ' || state || CASE WHEN reason = '' THEN '' ELSE ' ' || reason END, count(*)
    FROM reminders_reminder GROUP BY 1 ORDER BY 2 DESC
"""
OPEN = "SELECT EXISTS (SELECT FROM reminders_reminder WHERE closed_at IS NULL)"

# Work that was not cancelled has one reminder that was sent, of the plan in force, accepted once; or none, because it had
# begun before its reminder could leave. Cancelled work has none.
JUDGED = """
    SELECT count(*) FILTER (WHERE NOT (right_ones = all_sent AND all_sent = coalesce(accepted, 0) AND all_sent =
               CASE WHEN a.status = 'CANCELLED' OR begun_before > 0 THEN 0 ELSE 1 END)),
           count(*) FILTER (WHERE begun_before > 0)
    FROM assignments_assignment a
    LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE r.state = 'SENT' AND r.planned_start = a.scheduled_start) AS right_ones,
               count(*) FILTER (WHERE r.state = 'SENT') AS all_sent,
               count(*) FILTER (WHERE r.state = 'SKIPPED' AND r.reason = 'started') AS begun_before,
               sum((SELECT count(*) FROM reminders_attempt t
                    WHERE t.reminder_id = r.id AND t.outcome = 'accepted')) AS accepted
        FROM reminders_reminder r WHERE r.assignment_id = a.id AND r.kind = 'REMINDER') told ON true
    WHERE NOT EXISTS (SELECT FROM reminders_reminder r WHERE r.assignment_id = a.id AND r.closed_at IS NULL)
      AND (a.status <> 'SCHEDULED'
           OR EXISTS (SELECT FROM reminders_reminder r WHERE r.assignment_id = a.id AND r.version = a.version))
"""
CANCELLED = "SELECT count(*) FROM assignments_assignment WHERE status = 'CANCELLED'"
MOVED = "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER' AND reason = 'moved'"
TOLD_OTHERWISE = "SELECT count(*) FROM reminders_reminder WHERE kind NOT IN ('REMINDER', 'OVERDUE')"
ARCHIVE = """
import json, sys, time
from datetime import timedelta
from reminders.ledger import archive
most, seconds = json.load(sys.stdin)
moved, began, cpu = 0, time.perf_counter(), time.process_time()
done = archive.BATCH
for done in archive.archive_batches(after=timedelta()):
    moved += done
    if moved >= most or time.perf_counter() - began >= seconds:
        break
print(json.dumps([moved, time.perf_counter() - began, time.process_time() - cpu, done == archive.BATCH]))
"""


def is_all_closed(link: Link) -> bool:
    return not one(link, OPEN)


def sizes(link: Link) -> dict[str, dict[str, int]]:
    """Bytes of each table ("heap", with what it keeps outside) and of each of its indexes."""
    found: dict[str, dict[str, int]] = {name: {} for name in OURS}
    for table, part, size in link.execute(SIZES.encode(), [list(OURS)]):
        found[table][part] = int(size)
    return found


def grown(before: dict[str, dict[str, int]], now: dict[str, dict[str, int]], n: int) -> Figures:
    """For each table MiB, and bytes for each reminder by part. What was there before is left out."""
    told: Figures = {}
    for table, parts in now.items():
        more = {part: size - before[table].get(part, 0) for part, size in parts.items()}
        told[table] = {
            "MiB": round(sum(more.values()) / 2**20),
            "bytesEach": round(sum(more.values()) / max(n, 1)),
            **{part: round(size / max(n, 1), 1) for part, size in more.items() if size / max(n, 1) >= 0.5},
        }
    return told


def rates(link: Link) -> Figures:
    """Reminders a second: on average, and in the ten busiest seconds."""
    seconds, count = next(iter(link.execute(SPAN.encode())))
    busiest = {
        f"{name}PeakPerSec": round(
            one(link, RATE.format(instant=instant, seconds=SLOT_SECONDS)) / SLOT_SECONDS
        )
        for name, instant in (("planned", "planned_at"), ("sent", "sent_at"))
    }
    return {"sentPerSec": round(count / max(seconds or 0.0, 1.0)), **busiest}


def lags(link: Link) -> Figures:
    """Seconds from the due instant to the sending, of those that are due together with others and of those that are not."""
    return {
        "lagS" + ("OnTheHour" if sharp else "Between"): dict(
            zip(("p50", "p90", "p99", "max"), (round(value, 3) for value in values), strict=True)
        )
        for sharp, _, values in link.execute(LAGS.encode())
    }


def scans(link: Link) -> Figures:
    """Seconds of the scans, in the first and in the last fifth of the day too: whether they grow with the table."""
    took = [float(row[0]) for row in link.execute(SCANS.encode())]
    fifth = max(1, len(took) // 5)
    if not took:
        return {"scans": 0}
    return {
        "scans": len(took),
        "scanS": {
            "p50": round(median(took), 2),
            "max": round(max(took), 2),
            "firstFifth": round(median(took[:fifth]), 2),
            "lastFifth": round(median(took[-fifth:]), 2),
        },
    }


def at_a_glance(link: Link) -> Figures:
    """What is cheap to read while a day goes on."""
    return {
        "databaseMiB": round(one(link, TOTAL) / 2**20),
        "deadRows": {row[0]: row[3] for row in link.execute(VACUUM.encode(), [list(OURS)]) if row[3]},
    }


def outcomes(link: Link) -> Figures:
    """How the rows of the ledger have ended."""
    return {str(name): int(count) for name, count in link.execute(OUTCOMES.encode())}


@dataclass(frozen=True, slots=True)
class Readings:
    """Counters of the server at one instant."""

    wal: int
    full_pages: int
    checkpoints: int

    @classmethod
    def of(cls, link: Link) -> "Readings":
        wal, full_pages = next(iter(link.execute(WAL.encode())))
        return cls(int(wal), int(full_pages), int(one(link, CHECKPOINTS)))

    def since(self, link: Link, n: int, *, entry_wal: int) -> Figures:
        """WAL for each reminder, without what entering the work wrote; vacuum runs and dead rows by table."""
        now = Readings.of(link)
        link.execute(b"SELECT pg_stat_clear_snapshot()")
        return {
            "walBytesEach": round((now.wal - self.wal - entry_wal) / max(n, 1)),
            "walBytesEachOfEntry": round(entry_wal / max(n, 1)),
            "walFullPages": now.full_pages - self.full_pages,
            "checkpoints": now.checkpoints - self.checkpoints,
            "vacuum": {
                row[0]: {
                    "runs": row[1],
                    "analyzed": row[2],
                    "seconds": row[7],
                    "deadShare": round(row[3] / max(row[3] + row[4], 1), 3),
                    "hotShare": round(row[6] / max(row[5], 1), 3),
                }
                for row in link.execute(VACUUM.encode(), [list(OURS)])
            },
        }


def bloat(link: Link) -> Figures:
    """How full the leaves of the ledger's B-trees are, in percent; nothing where pgstattuple is not installed."""
    if not one(link, "SELECT count(*) FROM pg_available_extensions WHERE name = 'pgstattuple'"):
        return {}
    link.execute(b"CREATE EXTENSION IF NOT EXISTS pgstattuple")
    found = link.execute(
        b"SELECT i.indexrelid::regclass::text, (pgstatindex(i.indexrelid)).avg_leaf_density"
        b" FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam"
        b" WHERE i.indrelid::regclass::text = ANY(%s) AND m.amname = 'btree' AND pg_relation_size(c.oid) > 1000000",
        [list(OURS)],
    )
    return {"leafDensity": {str(name): round(float(density)) for name, density in found}}


def verify(link: Link) -> Figures:
    """Every reminder was sent exactly once for the plan in force, or lawfully not: its work was cancelled, or had begun.

    Tells how many of each there were. Work that something is still to happen to is left out.
    """
    wrong, begun = next(iter(link.execute(JUDGED.encode())))
    assert wrong == 0, f"{wrong} pieces of work were not reminded of exactly once"
    assert one(link, TOLD_OTHERWISE) == 0, "corrections, escalations or events"
    return {"cancelled": one(link, CANCELLED), "moved": one(link, MOVED), "begunBefore": int(begun)}


def archive(stack: Stack, link: Link) -> Figures:
    """Moves what has ended to the archive, at most a million rows: seconds, WAL and bytes."""
    moved, seconds, used, parts, more = 0, 0.0, 0.0, [], True
    before, processors = Readings.of(link), cpu.postgres(link)
    while more and moved < ARCHIVED_AT_MOST:
        some, took, own, more = json.loads(
            stack.python(ARCHIVE, [min(100_000, ARCHIVED_AT_MOST - moved), ORDER_SECONDS])
        )
        moved, seconds, used = moved + some, seconds + took, used + own
        parts.append(took / max(some, 1))
    size = one(link, "SELECT pg_total_relation_size('reminders_archivedreminder')")
    wal = Readings.of(link).wal - before.wal
    used += cpu.postgres(link) - processors
    told: dict[str, Any] = {
        "rows": moved,
        "sPerMillion": round(seconds / max(moved, 1) * 1e6, 1),
        "cpuSPerMillion": round(used / max(moved, 1) * 1e6, 1),
        "sPerMillionFirst": round(parts[0] * 1e6, 1),
        "sPerMillionLast": round(parts[-1] * 1e6, 1),
        "bytesEach": round(size / max(moved, 1)),
        "walBytesEach": round(wal / max(moved, 1)),
    }
    return told
