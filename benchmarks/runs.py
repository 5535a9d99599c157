"""Which measurements there are, and how one is run several times and summed up."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from benchmarks import archives, day, flood, limits, modes, pages, recovery, surfaces, webhooks
from benchmarks.stage import Figures, Options


@dataclass(frozen=True, slots=True)
class Mode:
    """A measurement, and how many reminders or assignments it takes where nothing else is asked for."""

    run: Callable[[Options], Figures]
    n: int


MODES = {
    "drain": Mode(modes.drain, 20_000),
    "cycle": Mode(modes.cycle, 20_000),
    "enqueue": Mode(modes.enqueue, 20_000),
    "punctual": Mode(modes.punctual, 2_000),
    "trickle": Mode(modes.trickle, 3_000),
    "waiting": Mode(modes.waiting, 100_000),
    "scan": Mode(surfaces.scan, 1_000_000),
    "import": Mode(surfaces.import_, 10_000),
    "web": Mode(surfaces.web, 100_000),
    "pages": Mode(pages.pages, 1_000_000),
    "flood": Mode(flood.flood, 20_000),
    "webhooks": Mode(webhooks.webhooks, 10_000),
    "limit": Mode(limits.limit, 20_000),
    "day": Mode(day.day, 100_000),
    "archives": Mode(archives.archives, 1_000_000),
    "recovery": Mode(recovery.recovery, 1_500),
}


def measured(mode: str, options: Options, *, runs: int, warm_up: bool) -> Iterator[Figures]:
    """One dictionary of figures for each run, then one with the medians and their spread."""
    asked = options if options.n else replace(options, n=MODES[mode].n)
    about: Figures = {
        "mode": mode,
        "n": asked.n,
        "workers": asked.workers,
        "concurrency": asked.concurrency,
        "notifier": asked.channel,
        "batch": asked.batch,
    }
    done = []
    for number in range(-warm_up, runs):
        figures = MODES[mode].run(asked)
        if number >= 0:
            done.append(figures)
            yield {**about, **figures}
    yield {**about, "runs": runs, "summary": summed_up(done)}


def summed_up(runs: list[Figures]) -> dict[str, dict[str, Any]]:
    """Median, least and most of each figure."""
    return {
        key: {
            "median": median(run[key] for run in runs),
            "min": min(run[key] for run in runs),
            "max": max(run[key] for run in runs),
        }
        for key, value in runs[0].items()
        if isinstance(value, int | float)
    }


def readable(summary: Figures) -> str:
    """The summary for a person: a line for each figure."""
    head = {key: value for key, value in summary.items() if key not in ("summary", "mode")}
    lines = [f"{summary['mode']} ({json.dumps(head)[1:-1]})"]
    for name, figure in summary["summary"].items():
        lines.append(f"  {name:<18} {figure['median']:>12g}   ({figure['min']:g} to {figure['max']:g})")
    return "\n".join(lines)
