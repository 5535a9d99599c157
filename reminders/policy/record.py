"""Records: values that are made once and never changed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform, overload

Made = TypeVar("Made")


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[Made]) -> type[Made]: ...


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(*, kw_only: bool) -> Callable[[type[Made]], type[Made]]: ...


def record(
    cls: type[Made] | None = None, *, kw_only: bool = False
) -> type[Made] | Callable[[type[Made]], type[Made]]:
    """A dataclass with slots whose fields the type checker holds to be read-only.

    For what is made for each message: where Python itself holds a dataclass frozen, each field takes 60 ns more
    (docs/decisions/0028-what-a-reminder-asks-for.md).
    """
    make = dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
    return make if cls is None else make(cls)
