"""`manage.py up`: the whole system on one machine, from nothing, until Ctrl-C."""

import argparse
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.devstack.second_start import begin_anew
from config.devstack.state import is_set


class Command(BaseCommand):
    help = "Starts PostgreSQL, Redis, web, worker, scanner and beat, and shows what they do. Ctrl-C stops them all."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--demo", action="store_true", help="load sample assignments that fall due within seconds"
        )
        parser.add_argument("--port", type=port, help="port of the web pages (default: PORT, or 8000)")

    def handle(self, *_: Any, **options: Any) -> None:
        begin_anew(
            {
                "root": str(settings.BASE_DIR),
                "state": str(Path(settings.BASE_DIR) / settings.STATE_DIR),
                "port": options["port"] or port_of_environment(),
                "demo": options["demo"],
                "concurrency": settings.REMINDERS.concurrency,
                "database_url": settings.DATABASE_URL,
                "redis_url": settings.REDIS_URL if is_set("REDIS_URL") else "",
                "inherited": inherited(),
            }
        )


def port(word: str) -> int:
    if word.isdigit() and 0 < int(word) < 65_536:
        return int(word)
    raise argparse.ArgumentTypeError(f"{word!r} is not a port: a number from 1 to 65535 is needed")


def port_of_environment() -> int:
    try:
        return port(os.environ.get("PORT") or "8000")
    except argparse.ArgumentTypeError as error:
        raise CommandError(f"PORT: {error}") from error


def inherited() -> dict[str, str]:
    """The variables that the settings have read, for commands beside this `up`: a command logs as its own terminal wants."""
    from config.settings import env

    found = {}
    for name in sorted(env.known):
        if value := os.environ.get(name):
            found[name] = value
        elif path := os.environ.get(f"{name}_FILE"):
            found[f"{name}_FILE"] = str(Path(path).resolve())
    return {name: value for name, value in found.items() if not name.startswith("LOG_")}
