"""People act, for tests: each act by whom it usually comes from."""

from typing import Any

from assignments import acts
from assignments.history import Actor
from assignments.models import Assignment

OLGA = Actor.ops("olga")
API = Actor.api("scheduler")


def by_link(work: Assignment) -> Actor:
    """The assignee, by the link in the mail."""
    return Actor.assignee(work.assignee_id or 0)


def confirm(work: Assignment, **more: Any) -> Assignment:
    """The assignee confirms by the link."""
    return acts.confirm(work.pk, actor=by_link(work), **{"version": work.version, **more})


def decline(work: Assignment, **more: Any) -> Assignment:
    """The assignee declines by the link."""
    return acts.decline(work.pk, actor=by_link(work), **{"version": work.version, **more})


def start(pk: int) -> Assignment:
    """A program says that the work has begun."""
    return acts.start(pk, actor=API)


def complete(pk: int) -> Assignment:
    """A program says that the work is done."""
    return acts.complete(pk, actor=API)
