"""The command `up` reads the settings, and then its process begins anew without them: what it starts reads its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

PARAMETERS = "_UP_PARAMETERS"
"""Names the descriptor from which this process reads what the command has made of the settings."""


def begin_anew(parameters: Mapping[str, Any]) -> NoReturn:
    """This process begins anew, under its number and its command line; then it finds these `parameters`.

    They hold secrets, so they travel neither on the command line nor in the environment.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)  # what is longer than a pipe holds would else wait for ever
    with os.fdopen(write, "w") as handle:
        json.dump(parameters, handle)
    os.set_inheritable(read, True)
    os.environ[PARAMETERS] = str(read)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - the same program


def parameters() -> dict[str, Any] | None:
    """What this process was given when it began anew; None where it has not."""
    descriptor = os.environ.pop(PARAMETERS, None)
    if descriptor is None:
        return None
    with os.fdopen(int(descriptor)) as handle:
        given: dict[str, Any] = json.load(handle)
    return given
