"""An example of each error that a call can answer with. A test sends the calls and compares the answers."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from reminders.web.api.errors import TITLES, Fault, KeyInUse, error_body

RETRYABLE = (429, 503)
"""Statuses whose answers have a Retry-After."""

_COMMON: Mapping[int, Fault] = {
    400: Fault(None, *TITLES[400]),
    401: Fault(None, "not_authenticated", "Authentication credentials were not provided."),
    403: Fault(None, "permission_denied", "You do not have permission to perform this action."),
    404: Fault(None, "not_found", "there is nothing at this address"),
    409: Fault(None, "conflict", "what this names was removed meanwhile, or is still in use"),
    412: Fault(
        None, "stale", "assignment 1 has changed since it was read: read it again, then send the change"
    ),
    413: Fault(None, "too_large", "the body is larger than this server reads"),
    415: Fault(None, "unsupported_encoding", "Content-Encoding gzip, or none, is accepted"),
    422: Fault(
        None,
        "key_reused",
        "this Idempotency-Key has named another request: take a new key for a new request",
    ),
    429: Fault(None, "throttled", "Request was throttled. Expected available in 1 second."),
    503: Fault(
        None, "unavailable", "the database is read-only or does not answer at present: nothing was changed"
    ),
}
"""What any call may answer."""

_KEY_IN_USE = Fault(None, KeyInUse.default_code, KeyInUse.default_detail)


@cache
def _of_calls() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Errors of single calls: by operation, then by status (`error_examples.json`)."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(
        (Path(__file__).parent / "error_examples.json").read_text()
    )
    return found


def error_example(operation: str, status: int, *, idempotent: bool) -> dict[str, Any]:
    """The body of an answer of this call with this status; `idempotent` calls take an Idempotency-Key."""
    common = _KEY_IN_USE if idempotent and status == 409 else _COMMON[status]
    own = _of_calls().get(operation, {}).get(str(status))
    return {**error_body(status, [common]), **({} if own is None else {"errors": own})}
