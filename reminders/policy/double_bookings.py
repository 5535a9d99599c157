"""Which pieces of work of one person are at the same time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A piece of work and when it is. `end` None: its length is not known, and it counts as a moment."""

    id: int
    title: str
    start: datetime
    end: datetime | None = None

    @property
    def until(self) -> datetime:
        return self.start if self.end is None else max(self.start, self.end)


def are_at_once(one: Booking, other: Booking) -> bool:
    """Whether nobody can do both: they start together, or each starts before the other ends."""
    return one.start == other.start or (one.start < other.until and other.start < one.until)


def double_bookings(
    given: Iterable[Booking], present: Iterable[Booking]
) -> Iterator[tuple[Booking, Booking]]:
    """What is given, each with what it is at once with: other work that is given, or that the person has.

    In the order of the later start of each pair. Work that the person has twice at once already is not told of.
    """
    queue = [(one, True) for one in given] + [(one, False) for one in present]
    under_way: list[tuple[Booking, bool]] = []
    for booking, is_given in sorted(queue, key=lambda item: (item[0].start, item[0].id)):
        under_way = [
            (other, other_is_given)
            for other, other_is_given in under_way
            if other.until > booking.start or other.start == booking.start
        ]
        for other, other_is_given in under_way:
            if is_given or other_is_given:
                yield (booking, other) if is_given else (other, booking)
        under_way.append((booking, is_given))
