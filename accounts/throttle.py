"""The API's rate limit per caller, over all web processes (docs/decisions/0013)."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import allowances
from accounts.allowances import Rate

logger = logging.getLogger(__name__)

MINUTE = timedelta(minutes=1)


class PerCaller(BaseThrottle):
    """API_RATE calls a minute for each token and each user; 0: no limit."""

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        rate: int = settings.API_RATE
        caller = _caller_key(request)
        if not rate or caller is None:
            return True
        try:
            self._wait = allowances.take(caller, Rate(rate, MINUTE / rate))
        except DatabaseError as error:
            # A read-only database must not refuse readers.
            logger.warning("Calls not counted", extra={"reason": type(error).__name__})
        return self._wait is None

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
