"""How much CPU time the processes of a run have used, by role."""

import os
from pathlib import Path

import psycopg
import redis

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> tuple[int, int, float, float]:
    """Parent, process group, own CPU seconds, CPU seconds of children that have ended."""
    text = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    own, reaped = int(text[11]) + int(text[12]), int(text[13]) + int(text[14])
    return int(text[1]), int(text[2]), own / TICK, reaped / TICK


def _all() -> dict[int, tuple[int, int, float, float]]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = _stat(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def group(pid: int) -> float:
    """CPU seconds of a process group, its ended members included as far as their parents reaped them."""
    return sum(own + reaped for _, pgid, own, reaped in _all().values() if pgid == pid)


def postgres(link: "psycopg.Connection[tuple[object, ...]]") -> float:
    """CPU seconds of the whole server behind this connection."""
    row = link.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    processes = _all()
    postmaster = processes[int(str(row[0]))][0]
    kin = sum(own for parent, _, own, _ in processes.values() if parent == postmaster)
    _, _, own, reaped = processes[postmaster]
    return kin + own + reaped


def broker(client: "redis.Redis") -> float:
    """CPU seconds of the Redis server."""
    info = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def rss_mib(pid: int) -> float:
    """The largest resident set of a process group's members, in MiB."""
    sizes = [0.0]
    for member, (_, pgid, _, _) in _all().items():
        if pgid == pid:
            try:
                status = Path(f"/proc/{member}/status").read_text()
            except FileNotFoundError:
                continue
            sizes += [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")]
    return max(sizes)


def with_ended_children(pid: int) -> float:
    """CPU seconds of one process, and of its children that have ended."""
    _, _, own, reaped = _stat(pid)
    return own + reaped


def process(pid: int) -> float:
    """CPU seconds of one process."""
    return _stat(pid)[2]
