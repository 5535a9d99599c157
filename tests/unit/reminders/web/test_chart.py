"""The picture of messages: where the bars stand, and that small numbers are seen."""

from datetime import UTC, datetime, timedelta

from reminders.web.ops import chart

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
LOOKAHEAD = timedelta(hours=2)


def at(minutes: int) -> int:
    return int((NOON + timedelta(minutes=minutes)).timestamp())


def test_nothing_is_an_empty_picture():
    drawn = chart.draw([], now=NOON, ahead=LOOKAHEAD)
    assert (drawn.empty, drawn.bars, drawn.highest) == (True, [], 0)


def test_a_picture_spans_whole_half_hours_from_an_hour_behind_to_the_look_ahead():
    drawn = chart.draw([], now=NOON + timedelta(minutes=7), ahead=LOOKAHEAD)
    assert drawn.labels[0] == NOON - timedelta(hours=1)
    assert drawn.labels[-1] == NOON + timedelta(hours=2)
    assert (len(drawn.labels), drawn.width) == (7, 7 * 6 * chart.BAR)
    assert drawn.now_x == (67 / 5) * chart.BAR


def test_bars_are_stacked_from_the_ground_in_proportion():
    drawn = chart.draw(
        [(at(-5), "SENT", 6), (at(-5), "FAILED", 1), (at(-5), "UNKNOWN", 1), (at(10), "PLANNED", 4)],
        now=NOON,
        ahead=LOOKAHEAD,
    )
    assert [(bar.kind, bar.x, bar.y, bar.height) for bar in drawn.bars] == [
        ("sent", 111.0, 25.0, 75.0),
        ("failed", 111.0, 0.0, 25.0),
        ("planned", 141.0, 50.0, 50.0),
    ]
    assert (drawn.sent, drawn.failed, drawn.planned, drawn.highest) == (6, 2, 4, 8)


def test_one_failure_among_a_thousand_is_seen():
    drawn = chart.draw([(at(-5), "SENT", 1_000), (at(-10), "FAILED", 1)], now=NOON, ahead=LOOKAHEAD)
    assert [bar.height for bar in drawn.bars if bar.kind == "failed"] == [chart.MIN_HEIGHT]


def test_what_lies_outside_is_left_out():
    drawn = chart.draw([(at(-70), "SENT", 1), (at(160), "PLANNED", 1)], now=NOON, ahead=LOOKAHEAD)
    assert drawn.empty


def test_counts_over_a_range_are_drawn_by_their_spans():
    hour = timedelta(hours=1)
    drawn = chart.spread(
        {NOON: 2, NOON + 23 * hour: 4}, since=NOON + timedelta(minutes=10), until=NOON + 24 * hour, span=hour
    )
    assert [(bar.x, bar.y, bar.height) for bar in drawn.bars] == [(1.0, 50.0, 50.0), (231.0, 0.0, 100.0)]
    assert (drawn.width, drawn.highest) == (240.0, 4)
    assert drawn.labels == [NOON + 4 * number * hour for number in range(6)]
