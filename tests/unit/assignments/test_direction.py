"""User text beside other text, whatever direction it is written in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assignments.direction import CONTROLS, isolated, without_controls

FSI, PDI = "\u2068", "\u2069"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Lift", "Lift"),
        ("Müller, Straße 5 - 東京", "Müller, Straße 5 - 東京"),
        ("a\u202eb", "ab"),
        ("\u2066a\u2069", "a"),
        ("\u05d0 5", f"{FSI}\u05d0 5{PDI}"),
        ("\u0639\u200f", f"{FSI}\u0639\u200f{PDI}"),
        ("one\n\u05d0\u2067\n\nthree", f"one\n{FSI}\u05d0{PDI}\n\nthree"),
    ],
)
def test_what_is_written_from_right_to_left_is_isolated_and_overrides_are_gone(text, shown):
    assert isolated(text) == shown


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("Pump 3", "Pump 3"),
        ("Tor\u0308", "Tor\u0308"),
        ("one\r\n\ttwo", "one\r\n\ttwo"),
        ("a\x1b[31mb\x07", "a[31mb"),
        ("\x7fa\x85b\x9f", "ab"),
        ("\u05d0\u200f\x0b\u202e", "\u05d0\u200f"),
        ("a\0b", "a\0b"),
    ],
)
def test_controls_that_nobody_sees_are_not_stored(text, stored):
    assert without_controls(text) == stored


@given(st.text())
def test_every_line_ends_in_the_direction_in_which_it_began(text):
    for line in isolated(text).split("\n"):
        found = CONTROLS.findall(line)
        assert found in ([], [FSI, PDI])
    assert without_controls(isolated(text)) == without_controls(text)
