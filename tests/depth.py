"""How far searches go: all examples in `.ci/run --full` (TEST_DEPTH=full), a third of them in every other run.

The same holds of the rows of large tables, and of requests to pages of the admin that differ in nothing the page looks at.
"""

import os

FULL = os.environ.get("TEST_DEPTH") == "full"


def examples(full: int) -> int:
    """How many examples a search tries in this run, of those that it tries when nobody waits for it."""
    return full if FULL else full // 3
