"""Messages per five minutes as a picture: from counts to rectangles. Pure arithmetic, no clock and no database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reminders.insight.figure_queries import BEHIND, BUCKET
from reminders.models import State

BAR, GAP, HEIGHT = 10.0, 2.0, 100.0
LABEL_EVERY = timedelta(minutes=30)
MAX_LABELS = 6
MIN_HEIGHT = 2.5
"""Height of the smallest bar: one failure among a thousand stays visible."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle, in the units of the SVG's viewBox."""

    kind: str
    x: float
    y: float
    height: float
    width: float = BAR - GAP


@dataclass(frozen=True, slots=True)
class Slot:
    """Five minutes in numbers: a row of the table below the chart."""

    begin: datetime
    end: datetime
    sent: int
    failed: int
    planned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The bars, their labels, and the same in numbers."""

    bars: Sequence[Bar]
    width: float
    height: float
    now_x: float
    labels: Sequence[datetime]
    highest: int
    slots: Sequence[Slot]
    sent: int
    failed: int
    planned: int
    behind: timedelta
    ahead: timedelta

    @property
    def empty(self) -> bool:
        return not self.slots


def draw(messages: Sequence[tuple[int, str, int]], *, now: datetime, ahead: timedelta) -> Chart:
    """Draws what `Snapshot.messages` holds, from an hour behind `now` to `ahead` of it, on whole half hours."""
    first = _floor(now - BEHIND, LABEL_EVERY)
    last = _floor(now + ahead, LABEL_EVERY) + LABEL_EVERY
    slots = [slot for slot in _slots(messages) if first <= slot.begin < last]
    highest = max((slot.sent + slot.failed + slot.planned for slot in slots), default=0)
    scale = HEIGHT / highest if highest else 0.0
    return Chart(
        bars=[bar for slot in slots for bar in _stack(slot, x=_x(slot.begin, first), scale=scale)],
        width=_x(last, first),
        height=HEIGHT,
        now_x=_x(now, first),
        labels=[first + number * LABEL_EVERY for number in range((last - first) // LABEL_EVERY)],
        highest=highest,
        slots=slots,
        sent=sum(slot.sent for slot in slots),
        failed=sum(slot.failed for slot in slots),
        planned=sum(slot.planned for slot in slots),
        behind=BEHIND,
        ahead=ahead,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Counts over a range, with labels at the start of some spans."""

    bars: Sequence[Bar]
    width: float
    height: float
    labels: Sequence[datetime]
    highest: int


def spread(spans: Mapping[datetime, int], *, since: datetime, until: datetime, span: timedelta) -> Spread:
    """Draws counts by their spans, from the one that holds `since` to the one before `until`."""
    first = _floor(since, span)
    slots = max(1, -((first - until) // span))
    highest = max(spans.values(), default=0)
    bars = []
    for at, number in spans.items():
        height = max(MIN_HEIGHT, number * HEIGHT / highest)
        x = (at - first) / span * BAR + GAP / 2
        bars.append(Bar("planned", round(x, 2), round(HEIGHT - height, 2), round(height, 2)))
    shown = min(MAX_LABELS, slots)
    return Spread(
        bars=bars,
        width=slots * BAR,
        height=HEIGHT,
        labels=[first + number * slots // shown * span for number in range(shown)],
        highest=highest,
    )


def _slots(messages: Sequence[tuple[int, str, int]]) -> Iterator[Slot]:
    counts: dict[int, dict[str, int]] = {}
    for at, state, number in messages:
        counts.setdefault(at, {})[state] = number
    for at, by_state in sorted(counts.items()):
        begin = datetime.fromtimestamp(at, UTC)
        yield Slot(
            begin=begin,
            end=begin + BUCKET,
            sent=by_state.get(State.SENT, 0),
            failed=by_state.get(State.FAILED, 0) + by_state.get(State.UNKNOWN, 0),
            planned=by_state.get(State.PLANNED, 0),
        )


def _stack(slot: Slot, *, x: float, scale: float) -> Iterator[Bar]:
    top = HEIGHT
    for kind, number in (("sent", slot.sent), ("failed", slot.failed), ("planned", slot.planned)):
        if number:
            height = max(MIN_HEIGHT, number * scale)
            top = max(0.0, top - height)
            yield Bar(kind, round(x + GAP / 2, 2), round(top, 2), round(height, 2))


def _x(at: datetime, first: datetime) -> float:
    return round((at - first) / BUCKET * BAR, 2)


def _floor(at: datetime, step: timedelta) -> datetime:
    seconds = step.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)
