"""The limits by which this process serves, for those who check an installation from outside."""

from dataclasses import asdict, dataclass

ENOUGH_CONNECTIONS = 1_000
"""With fewer, a browser or two with many open connections leave others waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Connections of this process, seconds after which one is closed, and bytes that are read at most."""

    connections: int
    idle_seconds: int
    header_seconds: int
    request_seconds: int
    header_bytes: int
    body_bytes: int
    anonymous_body_bytes: int


_in_force: Limits | None = None


def announce(limits: Limits) -> None:
    """Called by the worker class when it begins to serve."""
    global _in_force
    _in_force = limits


def in_force() -> dict[str, int] | None:
    """The limits of this process by name; None where it is served by something else, whose limits are not known."""
    return None if _in_force is None else asdict(_in_force)
