from dataclasses import fields, replace

import pytest

from reminders.policy.record import record


@record
class Point:
    x: int
    y: int = 0


@record(kw_only=True)
class Named:
    name: str


def test_a_record_is_a_dataclass_with_slots() -> None:
    assert Point(1) == Point(1, 0) != Point(1, 2)
    assert replace(Point(1), y=3) == Point(1, 3)
    assert [one.name for one in fields(Point)] == ["x", "y"]
    assert not hasattr(Point(1), "__dict__")


def test_equal_records_are_one_key() -> None:
    assert {Point(1): "a"}[Point(1)] == "a"


def test_the_fields_of_one_may_have_to_be_named() -> None:
    assert Named(name="a").name == "a"
    with pytest.raises(TypeError):
        Named("a")  # type: ignore[misc]


def test_the_type_checker_holds_it_to_be_frozen() -> None:
    point = Point(1)
    point.x = 2  # type: ignore[misc]  # mypy refuses a comment that is not needed (warn_unused_ignores).
