"""The replaced system and ours, measured alternately on the same machine, PostgreSQL and Redis; ratios of medians.

`manage.py bench compare --peer FOLDER` (or `benchmarks/compare FOLDER`): the folder holds the replaced system's
`bench.mjs`. It is copied away and installed there, so nothing is written into it.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis

from benchmarks.runs import MODES
from benchmarks.stage import Figures, Options

PEER_SECONDS = 118
SMTP_PORT = "2626"


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing that both do."""

    name: str
    peer: dict[str, str]
    ours: tuple[str, Options]
    figures: tuple["Figure", ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of both: how each is read, and the ratio (ours : theirs) that is the goal."""

    name: str
    read_peer: Callable[[Figures], float]
    read_ours: Callable[[Figures], float]
    goal: str
    """What is wanted, in words; empty where the figure is only shown."""
    holds: Callable[[float, float], bool] = field(repr=False)


def _rate(least: float) -> Figure:
    return Figure(
        "per second",
        lambda f: float(f["perSec"]),
        lambda f: float(f["perSec"]),
        f"at least {least:g} x",
        lambda peer, ours: ours >= least * peer,
    )


def _cpu(most: float) -> Figure:
    return replace(CPU, goal=f"at most {most:g} x", holds=lambda peer, ours: ours <= most * peer)


CPU = Figure(
    "CPU s per 1,000",
    lambda f: float(sum(f["cpuSPer1000"].values())),
    lambda f: float(f["cpuTotal"]),
    "",
    lambda peer, ours: True,
)


def _at_most(name: str, key: str, most: float, *, peer_key: str = "") -> Figure:
    return Figure(
        name,
        lambda f: float(f[peer_key or key]),
        lambda f: float(f[key]),
        f"at most {most:g}",
        lambda peer, ours: ours <= most,
    )


def _drain(concurrency: int, channel: str, n: int, *figures: Figure, processes: int = 2) -> Pair:
    """`concurrency` is theirs, in one process that does not wait while it waits for a server; `processes` are ours."""
    return Pair(
        f"drain, {channel}, theirs with concurrency {concurrency}, ours with {processes} processes",
        {"MODE": "drain", "CONCURRENCY": str(concurrency), "NOTIFIER": channel, "N": str(n)},
        ("drain", Options(n=n, channel=channel, concurrency=processes)),
        figures,
    )


PAIRS = {
    "drain2": _drain(2, "noop", 20_000, _rate(8), _cpu(0.15)),
    "drain": _drain(16, "noop", 20_000, _rate(8), _cpu(0.15)),
    "drain64": _drain(64, "noop", 20_000, _rate(8), _cpu(0.15)),
    "smtp16": _drain(16, "smtp", 10_000, _rate(5), _cpu(0.5), processes=4),
    # Each of ours waits for the server and for its commits: others use that time. Without a server, two are as fast.
    "smtp": _drain(64, "smtp", 10_000, _rate(5), _cpu(0.5), processes=4),
    "enqueue": Pair(
        "queueing, theirs in bulk",
        {"MODE": "enqueue", "ENQUEUE": "bulk", "N": "20000"},
        ("enqueue", Options(n=20_000)),
        (_rate(1), CPU),
    ),
    "cycle": Pair(
        "whole cycle, theirs in bulk with concurrency 16",
        {"MODE": "cycle", "ENQUEUE": "bulk", "CONCURRENCY": "16", "NOTIFIER": "noop", "N": "20000"},
        ("cycle", Options(n=20_000)),
        (_rate(6), CPU),
    ),
    "punctual": Pair(
        "2,000 due over 30 s",
        {"MODE": "punctual", "CONCURRENCY": "16", "NOTIFIER": "noop", "N": "2000"},
        ("punctual", Options(n=2_000)),
        (_at_most("lag p50, ms", "p50Ms", 20), _at_most("lag p99, ms", "p99Ms", 90)),
    ),
    "trickle": Pair(
        "3,000 due over 60 s, one after the other",
        {"MODE": "punctual", "CONCURRENCY": "16", "NOTIFIER": "noop", "N": "3000", "SPREAD_S": "60"},
        ("trickle", Options(n=3_000)),
        (_cpu(0.5), _at_most("lag p50, ms", "p50Ms", 20), _at_most("lag p99, ms", "p99Ms", 90)),
    ),
    "waiting": Pair(
        "100,000 wait for their time",
        {"MODE": "delayed", "ENQUEUE": "bulk", "CONCURRENCY": "16", "N": "100000"},
        ("waiting", Options(n=100_000)),
        (_at_most("bytes of Redis each", "redisBytesPerJob", 1),),
    ),
}


def compared(folder: Path, *, runs: int, only: Sequence[str] = ()) -> Iterator[str]:
    """The lines of the comparison: every run as JSON, then a table with medians, spread and ratios."""
    unknown = sorted(set(only) - set(PAIRS))
    if unknown:
        raise SystemExit(
            f"Error: there is no comparison {', '.join(unknown)}: one of {', '.join(PAIRS)} is needed"
        )
    with tempfile.TemporaryDirectory(prefix="reminders-peer-") as place:
        peer = _installed(folder, Path(place) / "peer")
        table = ["| work | figure | theirs | ours | ratio | goal |", "|---|---|---|---|---|---|"]
        for name in only or PAIRS:
            pair = PAIRS[name]
            theirs, ours = [], []
            mode, options = pair.ours
            for _ in range(runs):
                theirs.append(_peer_run(peer, pair.peer))
                yield json.dumps({"of": "theirs", "pair": name, **theirs[-1]})
                ours.append(MODES[mode].run(options))
                yield json.dumps({"of": "ours", "pair": name, **ours[-1]})
            table += [_line(pair.name, figure, theirs, ours) for figure in pair.figures]
        yield from table


def _line(name: str, figure: Figure, theirs: list[Figures], ours: list[Figures]) -> str:
    left, right = [figure.read_peer(run) for run in theirs], [figure.read_ours(run) for run in ours]
    one, other = median(left), median(right)
    ratio = f"{other / one:.2f} x" if one else "-"
    goal = f"{figure.goal}: {'met' if figure.holds(one, other) else 'NOT met'}" if figure.goal else ""
    return f"| {name} | {figure.name} | {_spread(left)} | {_spread(right)} | {ratio} | {goal} |"


def _spread(values: list[float]) -> str:
    return f"{_written(median(values))} ({_written(min(values))} to {_written(max(values))})"


def _written(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _installed(folder: Path, place: Path) -> Path:
    """A copy of the replaced system that can be run."""
    shutil.copytree(folder, place)
    if not (place / "node_modules" / "bullmq").is_dir():
        _run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], place, {})
    if not (place / "node_modules" / ".prisma" / "client").is_dir():
        # It needs no engine, but wants to fetch one unless this names a file.
        engine = {"PRISMA_SCHEMA_ENGINE_BINARY": shutil.which("true") or "/bin/true"}
        _run(["npx", "prisma", "generate"], place, engine)
    return place


def _peer_run(place: Path, wanted: dict[str, str]) -> Figures:
    """One run of the replaced system, on our servers, in a database and a Redis database of its own."""
    address = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
    with psycopg.connect(address, autocommit=True) as link:
        link.execute("DROP DATABASE IF EXISTS peer WITH (FORCE)")
        link.execute("CREATE DATABASE peer")
    redis_url = urlsplit(os.environ["REDIS_URL"])._replace(path="/15").geturl()
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    said = _run(
        ["node", "bench.mjs"],
        place,
        {
            "PG_URL": urlsplit(address)._replace(path="/peer").geturl(),
            "REDIS_URL": redis_url,
            "SMTP_PORT": SMTP_PORT,
            **wanted,
        },
    )
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    figures: Figures = json.loads(said.strip().splitlines()[-1])
    return figures


def _run(words: Sequence[str], place: Path, more: dict[str, Any]) -> str:
    done = subprocess.run(
        words,
        cwd=place,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=PEER_SECONDS,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"Error: {' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return done.stdout
