"""The API's rate limit per caller, over all web processes, stored in the database (docs/decisions/0013).

One row per caller holds the time at which its allowance is full again: the generic cell rate algorithm (ITU-T I.371,
annex A). A caller can make a minute's calls at once, and then one each time its share of a minute has passed.
"""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

logger = logging.getLogger(__name__)

MINUTE = timedelta(minutes=1)

TAKE_ONE = """
    INSERT INTO access_allowance AS a (caller, full_at) VALUES (%(caller)s, statement_timestamp() + %(each)s)
    ON CONFLICT (caller) DO UPDATE SET full_at = greatest(a.full_at, statement_timestamp()) + %(each)s
    WHERE a.full_at + %(each)s <= statement_timestamp() + %(most)s
    RETURNING 0
"""
WAIT_SECONDS = """
    SELECT extract(epoch FROM full_at + %(each)s - %(most)s - statement_timestamp())::float8
    FROM access_allowance WHERE caller = %(caller)s
"""


class PerCaller(BaseThrottle):
    """API_RATE calls a minute for each token and each user; 0: no limit."""

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        rate: int = settings.API_RATE
        caller = _caller_key(request)
        if not rate or caller is None:
            return True
        values: dict[str, Any] = {"caller": caller, "each": MINUTE / rate, "most": MINUTE}
        try:
            with connection.cursor() as cursor:
                cursor.execute(TAKE_ONE, values)
                if cursor.fetchone():
                    return True
                cursor.execute(WAIT_SECONDS, values)
                (seconds,) = cursor.fetchone() or (0.0,)
        except DatabaseError as error:
            # A read-only database must not refuse readers.
            logger.warning("Calls not counted", extra={"reason": type(error).__name__})
            return True
        self._wait = max(seconds, 0.001)
        return False

    def wait(self) -> float | None:
        """Seconds until the next call is allowed."""
        return self._wait


def _caller_key(request: Request) -> str | None:
    """The key of the caller's row; None for an anonymous caller, who reaches public URLs only."""
    if request.auth is not None:
        return f"token:{request.auth.pk}"
    if request.user and request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return None
