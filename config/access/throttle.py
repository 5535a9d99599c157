"""How often one caller may call: a rate that holds over all web processes, kept by the database (decision 13).

One row a caller says when its allowance is full again: the generic cell rate algorithm (ITU-T I.371, annex A). So
it may make a minute's calls at once, and then one whenever another has been earned.
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

TAKE = """
    INSERT INTO access_allowance AS a (caller, full_at) VALUES (%(caller)s, statement_timestamp() + %(each)s)
    ON CONFLICT (caller) DO UPDATE SET full_at = greatest(a.full_at, statement_timestamp()) + %(each)s
    WHERE a.full_at + %(each)s <= statement_timestamp() + %(most)s
    RETURNING 0
"""
LEFT = """
    SELECT extract(epoch FROM full_at + %(each)s - %(most)s - statement_timestamp())::float8
    FROM access_allowance WHERE caller = %(caller)s
"""


class PerCaller(BaseThrottle):
    """API_RATE calls a minute for each token and each person; 0: as many as they like."""

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        rate: int = settings.API_RATE
        caller = _hint_arrays(request)
        if not rate or caller is None:
            return True
        values: dict[str, Any] = {"caller": caller, "each": MINUTE / rate, "most": MINUTE}
        try:
            with connection.cursor() as cursor:
                cursor.execute(TAKE, values)
                if cursor.fetchone():
                    return True
                cursor.execute(LEFT, values)
                (left,) = cursor.fetchone() or (0.0,)
        except DatabaseError as error:
            # A database that only reads still answers those who read.
            logger.warning("Calls not counted", extra={"reason": type(error).__name__})
            return True
        self._wait = max(left, 0.001)
        return False

    def wait(self) -> float | None:
        """Seconds until the next call is earned."""
        return self._wait


def _hint_arrays(request: Request) -> str | None:
    """Who is calling; None for those who need not say so, at addresses that are open to all."""
    if request.auth is not None:
        return f"token:{request.auth.pk}"
    if request.user and request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return None
