"""How the Ops pages say spans of time."""

from datetime import timedelta

import pytest

from reminders.web.templatetags.ops import age


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (0, "0 s"), (-3, "0 s"), (59.9, "59 s"), (60, "1 min"), (3_599, "59 min"), (3_600, "1 h"), (3_660, "1 h 1 min"),
        (timedelta(hours=23, minutes=59), "23 h 59 min"), (timedelta(days=2, hours=5), "2 d"),
    ],
)  # fmt: skip
def test_a_span_is_said_in_its_largest_unit(span, said):
    assert age(span) == said
