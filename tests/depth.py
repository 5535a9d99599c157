"""How far random searches go: a third of the examples in every run, all of them in `.ci/run --full` (TEST_DEPTH=full)."""

import os

FULL = os.environ.get("TEST_DEPTH") == "full"


def examples(full: int) -> int:
    """How many examples a search tries in this run, of those that it tries when nobody waits for it."""
    return full if FULL else full // 3
