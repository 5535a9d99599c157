"""When a calendar has lost so much that an operator is asked first."""

FEW = 5
"""So many are cancelled without asking, unless nothing is left."""

PART = 0.3
"""Of the open work of a calendar."""


def asks(*, open_work: int, vanished: int) -> bool:
    """Whether work whose events are gone is not cancelled before an operator has seen it.

    A calendar that answers with nothing, or with little of what it had, is more often broken than empty.
    """
    if vanished == open_work:
        return open_work > 1
    return vanished > FEW and vanished > PART * open_work
