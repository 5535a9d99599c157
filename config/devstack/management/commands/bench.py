"""`manage.py bench MODE`: measures the real system; prints one JSON line per run, then the medians."""

import json
import os
from argparse import ArgumentParser
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.devstack.management.commands.test import environment_for
from config.devstack.servers import temporary_servers
from reminders.conf import ReminderConfig
from reminders.management.progress import Watched, progress

MODES = (
    "drain",
    "cycle",
    "enqueue",
    "punctual",
    "trickle",
    "waiting",
    "scan",
    "import",
    "web",
    "pages",
    "flood",
    "webhooks",
    "limit",
    "day",
    "archives",
    "recovery",
)
COMPARE = "compare"

POSTGRES_FOR_MILLIONS = {
    "shared_buffers": "4GB",
    "max_wal_size": "12GB",
    "checkpoint_timeout": "15min",
}


class Command(BaseCommand):
    help = "Measures speed and memory with processes, PostgreSQL (fsync on) and Redis of its own."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("mode", nargs="?", default="drain", choices=[*MODES, COMPARE])
        parser.add_argument("--n", type=int, default=0, help="how many; 0: the default of the mode")
        parser.add_argument("--workers", type=int, default=1)
        parser.add_argument("--concurrency", type=int, default=2)
        parser.add_argument("--channel", choices=["noop", "smtp"], default="noop")
        parser.add_argument(
            "--batch", type=int, default=ReminderConfig().batch_size, help="reminders per Celery message"
        )
        parser.add_argument(
            "--answer-after",
            type=float,
            default=0.0,
            help="seconds after which the mail sink, or the healthy endpoint, answers",
        )
        parser.add_argument("--own-text", action="store_true", help="drain: reminders have a stored text")
        parser.add_argument(
            "--day-seconds", type=float, default=0.0, help="day: how long it takes; 0: by its number"
        )
        parser.add_argument(
            "--tuned",
            action="store_true",
            help="day: with the settings that docs/performance.md recommends for millions of reminders a day",
        )
        parser.add_argument("--runs", type=int, default=3)
        parser.add_argument(
            "--no-warm-up", action="store_true", help="skip the first run, which is not measured"
        )
        parser.add_argument("--json", action="store_true", help="only the JSON lines, no summary")
        parser.add_argument(
            "--peer", type=Path, help="compare: the folder of the replaced system's benchmark"
        )
        parser.add_argument(
            "--only", default="", help="compare: the measurements to run, by name, separated by commas"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["runs"] < 1:
            raise CommandError(f"--runs is {options['runs']}: a whole number from 1 on is needed")
        settings = POSTGRES_FOR_MILLIONS if options["tuned"] else {}
        with temporary_servers(durable=True, settings=settings) as addresses:
            os.environ.update(environment_for(addresses))
            if options["mode"] == COMPARE:
                self._compare(options)
            else:
                self._measure(options)

    def _measure(self, options: dict[str, Any]) -> None:
        from benchmarks.runs import measured, readable
        from benchmarks.stage import Options

        asked = Options(
            n=options["n"],
            workers=options["workers"],
            concurrency=options["concurrency"],
            channel=options["channel"],
            batch=options["batch"],
            answer_after=options["answer_after"],
            own_text=options["own_text"],
            day_seconds=options["day_seconds"],
            tuned=options["tuned"],
        )
        figures, warm_up = {}, not options["no_warm_up"]
        with self._bar(options, options["runs"] + 1) as bar:  # the last are the medians
            for figures in measured(options["mode"], asked, runs=options["runs"], warm_up=warm_up):
                bar.aside(partial(self._line, json.dumps(figures)))
                bar.advance()
        if not options["json"]:
            self.stderr.write(readable(figures))

    def _compare(self, options: dict[str, Any]) -> None:
        from benchmarks.alternately import compared

        if options["peer"] is None or not (options["peer"] / "bench.mjs").is_file():
            raise CommandError(
                f"--peer is {options['peer']}: the folder with the replaced system's bench.mjs is needed"
            )
        names = [name for name in options["only"].split(",") if name]
        with self._bar(options, None) as bar:
            for line in compared(options["peer"], runs=options["runs"], only=names):
                bar.aside(partial(self._line, line))
                bar.advance()

    def _bar(self, options: dict[str, Any], total: int | None) -> AbstractContextManager[Watched]:
        return progress("measuring", stream=self.stderr, unit="runs", total=total, hidden=options["json"])

    def _line(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
