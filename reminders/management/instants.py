"""Instants as operators type them: RFC 3339 with an offset, as over the API."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime

EXAMPLE = "such as 2026-11-23T09:00:00+01:00"


def instant(text: str) -> datetime:
    """The instant, in UTC. Raises ArgumentTypeError with what is accepted."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text[:40]!r}: an instant is needed, {EXAMPLE}") from error
    if found.tzinfo is None:
        raise ArgumentTypeError(f"{text[:40]!r}: an offset is needed, such as +01:00 or Z")
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise ArgumentTypeError(f"{text[:40]!r}: that is too far away") from error
