"""What a library does on the network during one call of it: which addresses it connects to, and what HTTP servers answered.

Apprise answers with True or False. What was the matter decides whether a message is tried again, so the exceptions and
status codes of `requests`, by which nearly all services are reached, are noted on their way.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import requests

from notifications.public_addresses import is_public


@dataclass(slots=True)
class Observed:
    """The answers and exceptions of the HTTP requests of one call, in order. `refused`: an address that is not public was
    not connected to."""

    allow_private: bool
    answers: list[requests.Response | requests.RequestException] = field(default_factory=list)
    refused: bool = False


class NotPublic(OSError):
    """A connection to an address that is not in the public internet."""


_current: ContextVar[Observed | None] = ContextVar("observed", default=None)


@contextmanager
def observing(*, allow_private: bool) -> Iterator[Observed]:
    """Notes what the code inside does; connections to addresses that are not public fail in it, unless they are allowed."""
    _install()
    seen = Observed(allow_private)
    token = _current.set(seen)
    try:
        yield seen
    finally:
        _current.reset(token)


def _before_connect(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook (PEP 578): Python calls it with each address before it connects, whoever has looked it up."""
    if event != "socket.connect" or (seen := _current.get()) is None or seen.allow_private:
        return
    address = arguments[1]
    if not isinstance(address, tuple) or not is_public(str(address[0])):
        seen.refused = True
        raise NotPublic("an address that is not in the public internet")


@cache
def _install() -> None:
    """Once in a process: an audit hook cannot be taken away, and does nothing outside of `observing`."""
    sys.addaudithook(_before_connect)
    plain = requests.Session.send

    def send(self: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        seen = _current.get()
        try:
            response = plain(self, request, **more)
        except requests.RequestException as error:
            if seen is not None:
                seen.answers.append(error)
            raise
        if seen is not None:
            seen.answers.append(response)
        return response

    requests.Session.send = send  # type: ignore[method-assign]
