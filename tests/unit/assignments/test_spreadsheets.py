"""CSV cells that no spreadsheet takes for a formula, and that come back unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assignments.spreadsheets import guarded, unguarded


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("'=1+1", "''=1+1"),
        ("x;=1+1", "x;'=1+1"),
        ("x; =1+1", "x; '=1+1"),
        ("a\n@b", "a\n'@b"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("x|\uff0b1", "x|'\uff0b1"),
        ("a - b = c", "a - b = c"),
        ("it's", "it's"),
        ("'quoted'", "'quoted'"),
    ],
)
def test_what_a_spreadsheet_would_calculate_is_text(text, cell):
    assert guarded(text) == cell


@given(st.text(alphabet="ab'=+-@;|\t\r\n \u00a0\uff1d\uff0b,\"", max_size=12))
def test_every_text_comes_back_as_it_was(text):
    assert unguarded(guarded(text)) == text
