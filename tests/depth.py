"""How far searches go: all examples in `.ci/run --full` (TEST_DEPTH=full), a quarter of them in every other run.

The same holds of the rows of large tables, and of requests to pages of the admin that differ in nothing the page looks at.
"""

import os

from hypothesis import settings

FULL = os.environ.get("TEST_DEPTH") == "full"


def examples(full: int) -> int:
    """How many examples a search tries in this run, of those that it tries when nobody waits for it."""
    return full if FULL else max(1, full // 4)


def set_default() -> None:
    """From now on a search that names no number tries so many of Hypothesis' own hundred."""
    settings.register_profile("depth", max_examples=examples(100))
    settings.load_profile("depth")
