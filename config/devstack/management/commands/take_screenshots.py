"""`manage.py take_screenshots`: the pictures of the README, from the `up --demo` that runs on this machine."""

import json
import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from assignments.models import Answer, Assignment

WIDTH, HEIGHT = 1200, 760
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Command(BaseCommand):
    help = "Takes the pictures of the README, light and dark, from the `up --demo` that runs on this machine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--into", metavar="FOLDER", default="docs/images", help="where the files go")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            running = json.loads((Path(settings.STATE_DIR) / "up.json").read_text())
        except (OSError, ValueError):
            running = {}
        if not running.get("login"):
            raise CommandError(
                "no system with sample work runs here: start `manage.py up --demo` in another terminal"
            )
        declined = Assignment.objects.filter(answer=Answer.DECLINED).order_by("pk").first()
        if declined is None:
            raise CommandError(
                "nobody has declined yet: wait until `up --demo` says that all of it has happened"
            )
        program = next(filter(None, map(shutil.which, BROWSERS)), None)
        if program is None:
            raise CommandError(f"no browser is installed: one of {', '.join(BROWSERS)} is needed")
        into = Path(options["into"])
        into.mkdir(parents=True, exist_ok=True)
        pages = {"board": "/ops/board?show=everybody", "why": f"/ops/assignments/{declined.pk}"}
        for file in take(pages, running["web"], running["login"], program=program, into=into):
            self.stdout.write(str(file))


def take(pages: dict[str, str], web: str, login: dict[str, str], *, program: str, into: Path) -> list[Path]:
    """Signs in, and takes each page (name and address) in both colour schemes; returns the files."""
    # A package of development alone.
    from playwright.sync_api import sync_playwright

    files = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme, reduced_motion="reduce"
            )
            page = context.new_page()
            page.goto(f"{web}/account/sign-in?next=/ops/")
            page.fill("#id_username", login["username"])
            page.fill("#id_password", login["password"])
            page.click("[type=submit]")
            page.wait_for_url(f"{web}/ops/")
            for name, address in pages.items():
                page.goto(web + address)
                page.wait_for_load_state("networkidle")
                files.append(into / f"{name}-{scheme}.png")
                page.screenshot(path=files[-1])
        browser.close()
    return files
