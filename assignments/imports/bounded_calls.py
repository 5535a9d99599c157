"""Ends a computation that goes on for too long, by counting the calls that it makes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time
from types import FrameType
from typing import Any


class TooManyCalls(BaseException):
    """The computation has made more calls than it was given. No handler of `Exception` inside of it catches this."""


class CallBudget:
    """What computations may cost: calls for each of them, the same number on every machine, and processor time together."""

    def __init__(self, *, calls: int, seconds: float) -> None:
        self._calls = calls
        self._left = seconds

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts the calls of this thread in the block. Raises TooManyCalls out of the middle of it, and before it
        where the time of all is used up."""
        if self._left <= 0:
            raise TooManyCalls
        made = 0

        def count(_frame: FrameType, _event: str, _arg: Any) -> None:
            nonlocal made
            made += 1
            if made > self._calls:
                raise TooManyCalls

        before, begun = sys.getprofile(), thread_time()
        sys.setprofile(count)
        try:
            yield
        finally:
            sys.setprofile(before)
            self._left -= thread_time() - begun
