"""Finds the channels: each module here that defines a `Channel` is one. Add a channel: one file."""

import importlib
import os
import pkgutil
from abc import ABC, abstractmethod
from datetime import timedelta
from functools import cache
from typing import ClassVar

from notifications.message import Contact, Delivery, Message


class Channel(ABC):
    """A way to reach people. Its instances may keep a connection; each thread uses its own."""

    name: ClassVar[str]

    @abstractmethod
    def address(self, contact: Contact) -> str | None:
        """Where this contact is reached over this channel, ready for `Message.address`; None: not at all."""

    @abstractmethod
    def send(self, message: Message, *, timeout: timedelta) -> Delivery:
        """Sends the message and says how that ended. `timeout` bounds all of it, connecting included.

        Whatever can be expected to go wrong is in the Delivery. An exception is a fault of the program.
        """

    def rehearse(self, address: str | None, *, timeout: timedelta) -> Delivery | None:
        """Asks whether a message, to this address if one is given, would be taken, and sends none.

        None where this channel has nobody to ask.
        """
        return None

    def close(self) -> None:  # noqa: B027  most channels keep nothing open
        """Lets go of this thread's connection. The next send opens a new one."""


class UnknownChannel(LookupError):
    """No module of this package defines a channel of that name."""


_instances: dict[tuple[int, str], Channel] = {}


def get(name: str) -> Channel:
    """This process's instance of a channel. A forked child gets its own, so connections are never shared.

    Raises UnknownChannel, which names the accepted ones.
    """
    key = (os.getpid(), name)
    if key not in _instances:
        try:
            channel = _classes()[name]
        except KeyError:
            raise UnknownChannel(
                f"{name!r} is not a channel: one of {', '.join(names())} is needed"
            ) from None
        _instances.setdefault(key, channel())
    return _instances[key]


def names() -> tuple[str, ...]:
    """The names that `get` accepts, in alphabetical order."""
    return tuple(sorted(_classes()))


@cache
def _classes() -> dict[str, type[Channel]]:
    found: dict[str, type[Channel]] = {}
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, Channel) and thing.__module__ == module.__name__:
                if thing.name in found:
                    raise RuntimeError(f"two channels are called {thing.name!r}")
                found[thing.name] = thing
    return found
