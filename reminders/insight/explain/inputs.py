"""What an explanation asks: of the database about work and machinery, of the worker's own steps about addresses."""

from collections.abc import Iterator
from datetime import UTC, datetime

from django.db.models import (
    BooleanField,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
)
from django.db.models.functions import Cast, Coalesce, Concat

from assignments.clock import database_now
from assignments.models import Assignee, Assignment, Status
from notifications.channels import registry
from notifications.message import Contact
from reminders.conf import ReminderConfig
from reminders.content import contacts
from reminders.delivery import beat_schedule, heartbeats
from reminders.insight.forecast import AssignmentFacts
from reminders.models import CircuitBreaker, Kind, Pause, Reminder, State
from reminders.policy import recipients
from reminders.policy.rows import Situation


def situation_of(pause: Pause | None, config: ReminderConfig) -> Situation:
    """What holds for every row at this moment, by the database's clock."""
    return Situation(
        now=database_now(),
        enabled=config.enabled,
        paused=pause is not None,
        paused_until=pause.until if pause else None,
        held=dict(CircuitBreaker.objects.values_list("channel", "until")),
    )


def with_notified(assignments: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """Adds `is_told`: whether the last message begun for this person said this very start, after any reset."""
    ever = datetime(1970, 1, 1, tzinfo=UTC)
    same = Q(
        state=State.SENT,
        planned_start=OuterRef("scheduled_start"),
        sent_at__gt=Coalesce(OuterRef("renudge_at"), Value(ever)),
    )
    last = (
        Reminder.objects.filter(
            Q(state__in=(State.SENT, State.SENDING, State.UNKNOWN)) | Q(ambiguous__gt=0),
            assignment=OuterRef("pk"),
            kind=Kind.REMINDER,
            recipient=Concat(Value("assignee:"), Cast(OuterRef("assignee_id"), TextField())),
            begun_at__isnull=False,
        )
        .order_by("-begun_at")
        .annotate(same=ExpressionWrapper(same, output_field=BooleanField()))
    )
    return assignments.annotate(is_told=Subquery(last.values("same")[:1]))


def facts_of(assignment: Assignment) -> AssignmentFacts:
    """An assignment out of `with_notified`, as planning sees it."""
    told = assignment.is_told  # type: ignore[attr-defined]  # annotated
    return AssignmentFacts(
        assignment_id=assignment.pk,
        version=assignment.version,
        status=Status(assignment.status),
        scheduled_start=assignment.scheduled_start,
        lead_minutes=assignment.lead_minutes,
        recipient=recipients.assignee_recipient(assignment.assignee_id),
        known_at=assignment.known_at,
        overdue=assignment.overdue_at is not None,
        told=assignment.version > 1 and bool(told),
    )


def contact_of(assignee: Assignee | None) -> Contact:
    """The assignee, as a channel needs to know them; nobody has no name and no address."""
    if assignee is None:
        return Contact(name="")
    return Contact(
        name=assignee.name,
        email=assignee.email,
        phone=assignee.phone,
        language=assignee.language,
        time_zone=assignee.time_zone,
    )


def can_reach(recipient: str, channel: str, person: Contact, config: ReminderConfig) -> bool:
    """Whether a worker would find an address for this recipient: the very steps it takes."""
    contact = contacts.contact_for(recipient, person, config)
    return contact is not None and registry.get(channel).address(contact) is not None


def problems(config: ReminderConfig) -> Iterator[str]:
    """What is wrong with the machinery right now, so that even what may be sent is not."""
    for entry in beat_schedule.check_entries(config):
        if not entry.exists or not entry.enabled:
            yield f"beat does not run {entry.task}: its entry is {'switched off' if entry.exists else 'missing'}"
    seen = heartbeats.recent_by_kind()
    for kind in ("beat", "scanner", "worker"):
        if kind not in seen:
            yield f"no {kind} was seen in the last {heartbeats.RECENT_SECONDS} seconds"
