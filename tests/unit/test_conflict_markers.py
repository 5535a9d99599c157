"""No file that is shown, run or read holds both sides of a conflict: templates would show them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "accounts",
    "assignments",
    "benchmarks",
    "config",
    "deploy",
    "docs",
    "notifications",
    "reminders",
    "tests",
)
KINDS = {".css", ".html", ".js", ".json", ".md", ".po", ".py", ".toml", ".txt", ".yaml", ".yml"}
MARKER = re.compile(rb"^(?:<{7}|>{7}) ", re.MULTILINE)


def test_no_conflict_was_left() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    files += [path for path in ROOT.iterdir() if path.suffix in KINDS]
    assert len(files) > 500
    assert [str(path.relative_to(ROOT)) for path in files if MARKER.search(path.read_bytes())] == []
