"""Makes people and work for tests, through the services, as everybody else does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import factory

from assignments import people, services
from assignments.models import Assignee, Assignment
from assignments.services import NewAssignment
from reminders.models import Kind, Reminder

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
"""The instant at which the tests' clock stands."""


class AssigneeFactory(factory.Factory[Assignee]):
    """A person who can be reached."""

    class Meta:
        model = Assignee

    name = factory.Sequence(lambda n: f"Person {n}")
    email = factory.Sequence(lambda n: f"person{n}@example.test")
    phone = ""
    time_zone = "Europe/Berlin"

    class Params:
        unreachable = factory.Trait(email="")

    @classmethod
    def _create(cls, model_class: type[Assignee], *args: Any, **kwargs: Any) -> Assignee:
        return people.add_assignee(**kwargs)


class AssignmentFactory(factory.Factory[Assignment]):
    """Work an hour from noon, for a person of its own."""

    class Meta:
        model = Assignment

    title = factory.Sequence(lambda n: f"Job {n}")
    scheduled_start = NOON + timedelta(hours=1)
    assignee = factory.SubFactory(AssigneeFactory)

    class Params:
        soon = factory.Trait(scheduled_start=NOON + timedelta(minutes=10))
        far = factory.Trait(scheduled_start=NOON + timedelta(days=3))
        past = factory.Trait(scheduled_start=NOON - timedelta(minutes=5))
        unassigned = factory.Trait(assignee=None)

    @classmethod
    def _create(cls, model_class: type[Assignment], *args: Any, **kwargs: Any) -> Assignment:
        assignee = kwargs.pop("assignee")
        return services.create(NewAssignment(assignee_id=assignee.pk if assignee else None, **kwargs))


def overdue_notice(
    work: Assignment, *, due_at: datetime, recipient: str = "ops:one", **more: Any
) -> Reminder:
    """A notice to a supervisor that waits to be handed over, as marking the work plans it."""
    values = {"version": 1, "channel": "memory", "planned_start": work.scheduled_start, **more}
    return Reminder.objects.create(
        assignment=work,
        kind=Kind.OVERDUE,
        recipient=recipient,
        due_at=due_at,
        next_attempt_at=due_at,
        **values,
    )
