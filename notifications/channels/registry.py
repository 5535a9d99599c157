"""Finds the channels: each folder of `notifications.channels` with a `channel.py` is one."""

import importlib
import os
import pkgutil
from functools import cache

from notifications import channels
from notifications.channels.base import Channel


class UnknownChannel(LookupError):
    """There is no channel of that name."""


_instances: dict[tuple[int, str], Channel] = {}


def get(name: str) -> Channel:
    """This process's instance of a channel. A forked child gets its own, so connections are never shared.

    Raises UnknownChannel, which lists the accepted names.
    """
    key = (os.getpid(), name)
    if key not in _instances:
        if name not in names():
            raise UnknownChannel(f"{name!r} is not a channel: one of {', '.join(names())} is needed")
        _instances.setdefault(key, _class_of(name)())
    return _instances[key]


def reaches_people(name: str) -> bool:
    """Whether a person receives what is sent over the channel of this name; False where there is none."""
    return name in names() and _class_of(name).reaches_people


def takes_short_text(name: str) -> bool:
    """Whether the channel of this name takes the short text of a message; False where there is none."""
    return name in names() and _class_of(name).short_text


def takes_calendar_files(name: str) -> bool:
    """Whether the channel of this name sends calendar files along; False where there is none."""
    return name in names() and _class_of(name).calendar_files


@cache
def names() -> tuple[str, ...]:
    """The names that `get` accepts, in alphabetical order."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(channels.__path__) if module.ispkg))


def import_checks() -> None:
    """Imports each channel's `checks.py`, if it has one, which registers its system checks."""
    for name in names():
        package = importlib.import_module(f"{channels.__name__}.{name}")
        if any(module.name == "checks" for module in pkgutil.iter_modules(package.__path__)):
            importlib.import_module(f"{package.__name__}.checks")


@cache
def _class_of(name: str) -> type[Channel]:
    module = importlib.import_module(f"{channels.__name__}.{name}.channel")
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Channel) and each.__module__ == module.__name__
    ]
    if len(found) != 1 or found[0].name != name:
        raise RuntimeError(f"{module.__name__} must define one Channel whose name is {name!r}")
    return found[0]
