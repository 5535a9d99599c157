"""The dead man's switch: calls a monitoring service after each clean scan, which alerts when the calls stop."""

import http.client
import logging
import urllib.error
import urllib.request

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0


def ping(url: str) -> bool:
    """Requests REMINDER_DEADMAN_URL; nothing where none is set. A failure is one line, and never shows the address."""
    if not url:
        return False
    request = urllib.request.Request(url, headers={"User-Agent": "assignment-reminders"})  # noqa: S310  http(s) by the settings
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        reason = f"HTTP {error.code}"
        error.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = type(error).__name__
    logger.warning("Dead man's switch not reached", extra={"reason": reason})
    return False
