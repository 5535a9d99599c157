"""A dataclass with a quick `__init__` is the dataclass that it was."""

from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from reminders.policy.quick_init import quick_init


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    start: int
    place: str = "here"
    next: "Plain | None" = None


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    start: int
    place: str = "here"
    next: "Quick | None" = None


@pytest.mark.parametrize("given", [{"start": 1}, {"start": 1, "place": "there"}, {"start": 1, "next": None}])
def test_it_has_the_values_that_were_given_and_the_defaults_of_others(given):
    assert repr(Quick(**given)) == repr(Plain(**given)).replace("Plain", "Quick")


def test_it_is_frozen_equal_hashable_and_can_be_replaced():
    one = Quick(start=1)
    with pytest.raises(FrozenInstanceError):
        one.start = 2
    assert replace(one, place="there") == Quick(start=1, place="there") != one
    assert {one: "found"}[Quick(start=1)] == "found"


@pytest.mark.parametrize(("values", "given"), [((), {}), ((1,), {}), ((), {"start": 1, "end": 2})])
def test_what_is_missing_unnamed_or_unknown_is_refused(values, given):
    for cls in (Plain, Quick):
        with pytest.raises(TypeError):
            cls(*values, **given)


def test_a_class_that_it_does_not_fit_is_refused():
    @dataclass(frozen=True, slots=True, kw_only=True)
    class WithFactory:
        names: list[str] = field(default_factory=list)

    @dataclass(frozen=True, slots=True)
    class Unnamed:
        start: int

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Derived(Plain):
        end: int

    for cls in (WithFactory, Unnamed, Derived):
        with pytest.raises(TypeError, match="needs the __init__ of dataclasses"):
            quick_init(cls)
