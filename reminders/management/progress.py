"""How far a command has come, for who watches it in a terminal; nothing in a pipe, a log file or under --json."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from django.core.management.base import OutputWrapper
from tqdm import tqdm

COLUMNS = 79
"""Of a terminal that does not know its size, as some in containers do not; tqdm would show nothing."""
SECONDS_BETWEEN = 0.1
"""No line is drawn sooner after the one before."""


class Watched(Protocol):
    """What a command tells how far it has come."""

    def advance(self, number: int = 1, about: str = "") -> None: ...
    def reach(self, position: int, about: str = "") -> None: ...
    def aside(self, write: Callable[[], object]) -> None: ...


class Unwatched:
    """Nobody watches."""

    def advance(self, number: int = 1, about: str = "") -> None:
        """So much more is done; `about` says what was."""

    def reach(self, position: int, about: str = "") -> None:
        """So much is done in all; `about` says more than the figure does."""

    def aside(self, write: Callable[[], object]) -> None:
        """Writes lines of the command itself, above the bar."""
        write()


class _Terminal:
    """The stream behind a command's stderr, without the colour and the line ends that Django adds."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if isinstance(self._stream, OutputWrapper):
            self._stream.write(text, style_func=lambda plain: plain, ending="")
        else:
            self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return int(self._stream.fileno())

    @property
    def encoding(self) -> str:
        return str(self._stream.encoding)


class _Bar(tqdm):  # type: ignore[type-arg]
    monitor_interval = 0  # No thread beside the command.


class ProgressBar:
    """A bar of one line, which is gone when the work is, or the command is stopped."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def advance(self, number: int = 1, about: str = "") -> None:
        if about:
            self._bar.set_postfix_str(about, refresh=False)
        self._bar.update(number)

    def reach(self, position: int, about: str = "") -> None:
        further = max(0, position - self._bar.n)
        self.advance(further, about)
        if not further:
            self._bar.refresh()  # What is said of it has changed.

    def aside(self, write: Callable[[], object]) -> None:
        self._bar.clear()
        write()
        self._bar.refresh()


@contextmanager
def progress(
    label: str, *, stream: TextIO | OutputWrapper, unit: str, total: int | None = None, hidden: bool = False
) -> Iterator[Watched]:
    """Shows how far the block has come on `stream`, if that is a terminal; `total` is None where nobody knows it.

    `unit` is what is counted; "B" are bytes. With `hidden` it is shown nowhere: a command asks for that under --json. When
    the block ends, also by Ctrl-C or an error, the line is empty again.
    """
    if hidden or not stream.isatty():
        yield Unwatched()
        return
    of_bytes, sized = unit == "B", all(os.get_terminal_size(stream.fileno()))
    with _Bar(
        desc=label,
        total=total,
        unit=unit if of_bytes else f" {unit}",
        unit_scale=of_bytes,
        file=_Terminal(stream),
        leave=False,
        dynamic_ncols=sized,
        ncols=None if sized else COLUMNS,
        mininterval=SECONDS_BETWEEN,
    ) as bar:
        yield ProgressBar(bar)
