"""A transaction that survives deadlocks: open this to see what is tried again, and how often."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, connection, transaction

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 3
TRANSIENT = {"40P01", "40001"}
"""deadlock_detected and serialization_failure (PostgreSQL manual, appendix A): trying again is safe."""


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's five-letter code of a database error; '' where the server gave none."""
    return str(getattr(error.__cause__ or error, "sqlstate", None) or "")


def atomically(step: Callable[P, R]) -> Callable[P, R]:
    """Runs `step` in one transaction; after a deadlock or a serialization failure up to 3 times.

    Inside a transaction of the caller it simply takes part in it: only the outermost can start again.
    """

    @functools.wraps(step)
    def in_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            return step(*args, **kwargs)
        for attempt in range(1, TRIES + 1):
            try:
                with transaction.atomic():
                    return step(*args, **kwargs)
            except DatabaseError as error:
                if attempt == TRIES or sqlstate(error) not in TRANSIENT:
                    raise
        raise AssertionError("unreachable")

    return in_transaction
