"""What is logged and counted where somebody was not let in: never a name or an address, only keyed hashes of them."""

import logging
import threading
import time

from django.utils.crypto import salted_hmac

from accounts import signals

logger = logging.getLogger(__name__)

SECONDS = 1.0
"""Failures for one reason that follow each other faster share a line of the log and a step of the counter."""


class Failures:
    """Those of this process that are not reported yet, by reason, a word of whoever counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unreported: dict[str, int] = {}
        self._reported_at: dict[str, float] = {}

    def add(self, reason: str) -> int:
        """One more. Returns how many are to be reported now; 0: later."""
        with self._lock:
            self._unreported[reason] = number = self._unreported.get(reason, 0) + 1
            now = time.monotonic()
            if now < self._reported_at.get(reason, float("-inf")) + SECONDS:
                return 0
            self._reported_at[reason] = now
            self._unreported[reason] = 0
            return number

    def take_all(self) -> dict[str, int]:
        """All that are not reported, by reason; the caller reports them."""
        with self._lock:
            found = {reason: number for reason, number in self._unreported.items() if number}
            self._unreported.clear()
            return found


failures = Failures()


def keyed_hash(kind: str, text: str) -> str:
    """16 hexadecimal digits by which equal texts are recognised, and which nobody without SECRET_KEY can find out."""
    return salted_hmac(f"accounts.sign_in.{kind}", text, algorithm="sha256").hexdigest()[:16]


def report(reason: str, *, where: str, who: str = "") -> None:
    """Somebody was not let in. `reason`: one of `signals.SIGN_IN_FAILURES`; `where`, `who`: keyed hashes."""
    if number := failures.add(reason):
        name = {"name_hash": who} if who else {}
        logger.warning(
            "Sign-in failed", extra={"reason": reason, "number": number, "address_hash": where, **name}
        )
        signals.sign_in_failed.send(None, reason=reason, number=number)


def report_the_rest() -> None:
    """Sends what shared no line yet to listeners, so that a scrape of this process shows all."""
    for reason, number in failures.take_all().items():
        signals.sign_in_failed.send(None, reason=reason, number=number)
