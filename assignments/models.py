"""What is to be done, by whom and when: the tables. Only `assignments.services` writes them."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.module_loading import import_string

MAX_LEAD_MINUTES = 43_200
LONGEST_ANSWER_NOTE = 200


class Status(models.TextChoices):
    """The life of an assignment."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class ReminderStatus(models.TextChoices):
    """The roll-up that Ops knows. Only the ledger of `reminders` writes it."""

    NONE = "NONE"
    SENT = "SENT"
    OVERDUE = "OVERDUE"


class Answer(models.TextChoices):
    """What the assignee has said about the appointment in force; '' says nothing yet."""

    NONE = "", "no answer"
    CONFIRMED = "CONFIRMED", "confirmed"
    DECLINED = "DECLINED", "can't make it"


def default_time_zone() -> str:
    """The installation's own zone."""
    return str(settings.TIME_ZONE)


def validate_time_zone(name: str) -> None:
    """Refuses a name that the IANA time zone database does not know."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValidationError(
            "%(name)r is not a time zone: a name like Europe/Berlin is needed",
            code="unknown_time_zone",
            params={"name": name},
        ) from error


def validate_email_address(address: str) -> None:
    """Refuses what no message could be sent to; EMAIL_ADDRESS_VALIDATOR names the function that knows."""
    import_string(settings.EMAIL_ADDRESS_VALIDATOR)(address)


class Assignee(models.Model):
    """A person who is given work. `reference` is the person's key in the scheduling system."""

    reference = models.CharField(max_length=200, unique=True, null=True, blank=True)
    name = models.CharField(max_length=200)
    email = models.CharField(max_length=254, blank=True, default="", validators=[validate_email_address])
    phone = models.CharField(max_length=40, blank=True, default="")
    time_zone = models.CharField(max_length=64, default=default_time_zone, validators=[validate_time_zone])
    language = models.CharField(max_length=16, default="en")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        indexes = [models.Index(fields=["email"], name="assignee_email_idx")]

    def __str__(self) -> str:
        return self.name


class Assignment(models.Model):
    """A piece of work scheduled at a time.

    `version` counts changes of plan (start, assignee, lead, status, an operator's reset), nothing else.
    `known_at` is the instant at which the start in force became known: work that is entered after its start
    is not reminded of. Messages accepted before `renudge_at` do not count as told: an operator's reset sets it.
    `answer` is the assignee's own word on the start in force: another start, assignee or status takes it away.
    """

    reference = models.CharField(max_length=200, unique=True, null=True, blank=True)
    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=60, blank=True, default="")
    location = models.CharField(max_length=300, blank=True, default="")
    notes = models.TextField(max_length=10_000, blank=True, default="")
    assignee = models.ForeignKey(
        Assignee, on_delete=models.PROTECT, null=True, blank=True, related_name="assignments"
    )
    status = models.CharField(max_length=12, choices=Status, default=Status.SCHEDULED)
    scheduled_start = models.DateTimeField()
    scheduled_end = models.DateTimeField(null=True, blank=True)
    lead_minutes = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MAX_LEAD_MINUTES)]
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    known_at = models.DateTimeField(db_default=Now(), editable=False)
    renudge_at = models.DateTimeField(null=True, blank=True, editable=False)
    reminder_status = models.CharField(
        max_length=7, choices=ReminderStatus, default=ReminderStatus.NONE, editable=False
    )
    overdue_at = models.DateTimeField(null=True, blank=True, editable=False)
    answer = models.CharField(
        max_length=9, choices=Answer, blank=True, default=Answer.NONE, db_default=Answer.NONE, editable=False
    )
    answered_at = models.DateTimeField(null=True, blank=True, editable=False)
    answer_note = models.CharField(
        max_length=LONGEST_ANSWER_NOTE, blank=True, default="", db_default="", editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["scheduled_start", "id"]
        indexes = [
            models.Index(fields=["scheduled_start", "id"], name="assignment_start_idx"),
            # What a scan looks at. No index holds reminder_status, so that SENT is a heap-only update.
            models.Index(
                fields=["scheduled_start", "id"],
                name="assignment_open_idx",
                condition=Q(status=Status.SCHEDULED, overdue_at__isnull=True),
            ),
            models.Index(
                fields=["scheduled_start", "id"],
                name="assignment_own_lead_idx",
                condition=Q(status=Status.SCHEDULED, overdue_at__isnull=True, lead_minutes__isnull=False),
            ),
            models.Index(
                fields=["overdue_at"],
                name="assignment_overdue_idx",
                condition=Q(status=Status.SCHEDULED, overdue_at__isnull=False),
            ),
            models.Index(
                fields=["scheduled_start", "id"],
                name="assignment_declined_idx",
                condition=Q(status=Status.SCHEDULED, answer=Answer.DECLINED),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="assignment_status_known",
                condition=Q(status__in=Status.values) & Q(reminder_status__in=ReminderStatus.values),
            ),
            models.CheckConstraint(
                name="assignment_lead_in_range",
                condition=Q(lead_minutes__isnull=True) | Q(lead_minutes__range=(1, MAX_LEAD_MINUTES)),
            ),
            models.CheckConstraint(
                name="assignment_ends_after_start",
                condition=Q(scheduled_end__isnull=True) | Q(scheduled_end__gte=F("scheduled_start")),
            ),
            models.CheckConstraint(name="assignment_version_counts", condition=Q(version__gte=1)),
            models.CheckConstraint(
                name="assignment_overdue_has_instant",
                condition=Q(reminder_status=ReminderStatus.OVERDUE, overdue_at__isnull=False)
                | (~Q(reminder_status=ReminderStatus.OVERDUE) & Q(overdue_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="assignment_answer_has_instant",
                condition=Q(answer__in=[Answer.CONFIRMED, Answer.DECLINED], answered_at__isnull=False)
                | Q(answer=Answer.NONE, answered_at__isnull=True, answer_note=""),
            ),
        ]

    def __str__(self) -> str:
        return self.title
