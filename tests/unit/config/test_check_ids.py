"""The ids of Django's system checks name one fault each: SILENCED_SYSTEM_CHECKS and the documents go by them."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("config", "accounts", "assignments", "notifications", "reminders")
ID = re.compile(r'"((?:' + "|".join(PACKAGES) + r')\.[EW]\d{3})"')


def test_an_id_stands_for_one_check():
    sources = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    found = Counter(found for path in sources for found in ID.findall(path.read_text("utf-8")))
    assert len(found) >= 15
    assert [name for name, times in found.items() if times > 1] == []
