"""What a person was told of an assignment, and how it differs from the plan in force.

An `Announcement` is kept with the row of each message (`Reminder.announced`) from its begin on. What a person may have
been told is the last message that was certainly accepted and every one after it that may have been.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from reminders.policy.record import record


class PlanDifference(Enum):
    """One thing that is not as the person was told; the order is that in which a message states them."""

    CANCELLED = "cancelled"
    REASSIGNED = "reassigned"
    RESTORED = "restored"
    MOVED = "moved"
    PLACE = "place"
    TITLE = "title"


@record(kw_only=True)
class Announcement:
    """What one message states. `theirs`: the work is to be done, by the reader. A field that is None is unknown, as in
    rows of releases that did not keep it; what is unknown differs from nothing.
    """

    start: datetime
    place: str | None = None
    title: str | None = None
    theirs: bool = True

    def as_json(self) -> dict[str, object]:
        return {
            "start": self.start.isoformat(),
            "place": self.place,
            "title": self.title,
            "theirs": self.theirs,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Announcement":
        return cls(
            start=datetime.fromisoformat(value["start"]),
            place=value.get("place"),
            title=value.get("title"),
            theirs=value.get("theirs", True),
        )


@record(kw_only=True)
class HeardMessage:
    """A message that was accepted, or (not `certain`) may have been. It may have stated several things, if it was sent
    more than once; the last attempt stated the last of them."""

    stated: tuple[Announcement, ...]
    certain: bool


def known(messages: Iterable[HeardMessage]) -> tuple[Announcement, ...]:
    """All that a person may have been told last; `messages` are in the order in which they were begun."""
    possible: list[Announcement] = []
    for message in messages:
        if message.certain:
            possible = [message.stated[-1]]
        else:
            possible += message.stated
    return tuple(dict.fromkeys(possible))


def messages_from_json(values: Sequence[Mapping[str, Any]] | None) -> Iterable[HeardMessage]:
    """Messages as `ledger.fragments.ANNOUNCED` gives them."""
    for value in values or ():
        stated = value["announced"] or [{"start": value["start"]}]
        yield HeardMessage(
            stated=tuple(Announcement.from_json(one) for one in stated), certain=bool(value["certain"])
        )


def changes(told: Announcement, present: Announcement, *, cancelled: bool) -> tuple[PlanDifference, ...]:
    """What is not as it was announced; empty where nothing that is known differs.

    To whom the work no longer belongs, start, place and title do not matter. `cancelled` says why it does not.
    """
    if not told.theirs and not present.theirs:
        return ()
    if not present.theirs:
        return (PlanDifference.CANCELLED if cancelled else PlanDifference.REASSIGNED,)
    found = [] if told.theirs else [PlanDifference.RESTORED]
    if told.start != present.start:
        found.append(PlanDifference.MOVED)
    if None not in (told.place, present.place) and told.place != present.place:
        found.append(PlanDifference.PLACE)
    if None not in (told.title, present.title) and told.title != present.title:
        found.append(PlanDifference.TITLE)
    return tuple(found)


def outdated(
    possible: Iterable[Announcement], present: Announcement, *, cancelled: bool = False
) -> Announcement | None:
    """The latest of these that is not what is planned now; None where all are, or there are none."""
    wrong = [one for one in possible if changes(one, present, cancelled=cancelled)]
    return wrong[-1] if wrong else None
