"""What is made of settings and needed for every message: to read a setting takes longer than most of what is done then."""

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

from django.core.signals import setting_changed

P = ParamSpec("P")
R = TypeVar("R")


def kept_while_settings_stay(*, maxsize: int = 1) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """An `lru_cache` that forgets everything when a setting changes, which only tests do in a running process."""

    def keeping(function: Callable[P, R]) -> Callable[P, R]:
        kept = lru_cache(maxsize=maxsize)(function)
        setting_changed.connect(lambda **_: kept.cache_clear(), weak=False)
        return cast("Callable[P, R]", kept)

    return keeping
