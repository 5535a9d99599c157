"""`manage.py bench MODE`: measures the real system and prints one JSON line for each run, then the medians."""

import json
import os
import sys
from argparse import ArgumentParser
from statistics import median
from typing import Any

from django.core.management.base import BaseCommand

from config import embedded
from config.management.commands.test import environment_for


class Command(BaseCommand):
    help = "Measures speed and memory with processes, PostgreSQL (fsync on) and Redis of its own."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "mode", nargs="?", default="drain", help="drain, cycle, enqueue, punctual or waiting"
        )
        parser.add_argument(
            "--n", type=int, default=0, help="how many reminders; 0: the usual number of the mode"
        )
        parser.add_argument("--workers", type=int, default=1)
        parser.add_argument("--concurrency", type=int, default=2)
        parser.add_argument("--channel", choices=["noop", "smtp"], default="noop")
        parser.add_argument("--runs", type=int, default=3)
        parser.add_argument("--no-warm-up", action="store_true", help="leave the first, unmeasured run out")

    def handle(self, *args: Any, **options: Any) -> None:
        with embedded.passing_servers(durable=True) as addresses:
            os.environ.update(environment_for(addresses))
            from benchmarks.modes import DEFAULT_N, MODES, Options

            if options["mode"] not in MODES:
                sys.exit(f"Error: the mode is {options['mode']!r}: one of {', '.join(MODES)} is needed")
            asked = Options(
                n=options["n"] or DEFAULT_N[options["mode"]],
                workers=options["workers"],
                concurrency=options["concurrency"],
                channel=options["channel"],
            )
            about = {
                "mode": options["mode"],
                "n": asked.n,
                "workers": asked.workers,
                "concurrency": asked.concurrency,
                "notifier": asked.channel,
            }
            runs = []
            for number in range(-(not options["no_warm_up"]), options["runs"]):
                result = MODES[options["mode"]](asked)
                if number >= 0:
                    runs.append(result)
                    self.stdout.write(json.dumps({**about, **result}))
                    self.stdout.flush()
        figures = [key for key, value in runs[0].items() if isinstance(value, int | float)]
        spread = {
            key: {
                "median": median(run[key] for run in runs),
                "min": min(r[key] for r in runs),
                "max": max(r[key] for r in runs),
            }
            for key in figures
        }
        self.stdout.write(json.dumps({**about, "runs": len(runs), "summary": spread}))
