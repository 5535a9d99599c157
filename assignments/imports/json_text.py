"""One JSON text (RFC 8259) as this system takes it: in UTF-8, each name once in its object, and no NaN."""

import json
from collections import Counter
from typing import Any, NoReturn

from assignments.wording import quoted


def parsed(text: bytes) -> Any:
    """The value. Raises ValueError, which says what is wrong."""
    try:
        return json.loads(
            text.decode(), parse_constant=_refuse_constant, parse_int=_whole, object_pairs_hook=_once
        )
    except UnicodeDecodeError as error:
        raise ValueError("it is not in UTF-8") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object. Which of two values counts that have one name, no reader could know (RFC 8259, section 4)."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the name {quoted(twice)} occurs twice in one object")
    return found


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as error:
        raise ValueError(f"a number has {len(digits):,} digits") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
