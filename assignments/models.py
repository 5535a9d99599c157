"""The tables: teams, assignees, assignments and acts. Only `teams`, `people`, `services`, `acts` and `imports.writer`
write them."""

from collections.abc import Collection
from typing import Self

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now, Upper
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.entry_way import EntryWay
from assignments.team_scope import TeamScope
from assignments.validators import (
    default_language,
    default_time_zone,
    quiet_hours_constraints,
    validate_email_address,
    validate_language,
    validate_time_zone,
)
from assignments.wording import code_in_words

MAX_LEAD_MINUTES = 43_200
LONGEST_ANSWER_NOTE = 200
ANSWER_FIELDS = ("answer", "answered_at", "answer_note")
ACT_FIELDS = (*ANSWER_FIELDS, "expected_start", "on_my_way_at", "started_at", "completed_at")
"""What acts set (`assignments.acts`): shown and exported, and never set by a value that is sent."""


class Status(models.TextChoices):
    """The life of an assignment."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class ReminderStatus(models.TextChoices):
    """The roll-up of an assignment's reminders. Only the ledger of `reminders` writes it."""

    NONE = "NONE"
    SENT = "SENT"
    OVERDUE = "OVERDUE"


class Answer(models.TextChoices):
    """The assignee's answer for the appointment in force; '' is no answer yet."""

    NONE = "", _("no answer")
    CONFIRMED = "CONFIRMED", _("confirmed")
    DECLINED = "DECLINED", _("can't make it")


class ActKind(models.TextChoices):
    """What people do about their work."""

    CONFIRM = "confirm"
    DECLINE = "decline"
    ON_MY_WAY = "on_my_way", "on my way"
    LATE = "late", "running late"
    START = "start"
    COMPLETE = "complete"


class Way(models.TextChoices):
    """How an act came in."""

    LINK = "link"
    SMS = "sms"
    API = "api"
    OPS = "ops"


class TeamQuerySet(models.QuerySet["Team"]):
    """Teams, by who may see them."""

    def visible_to(self, scope: TeamScope) -> Self:
        return self if scope.teams is None else self.filter(pk__in=scope.teams)


class Team(models.Model):
    """People who work under the same supervisors. `quiet_from` and `quiet_until` are local times of `time_zone`.

    A person and an assignment belong to at most one team; `assignments.teams` says to which an assignment belongs.
    `organisation`, `phone` and `reply_to` are whom messages about its work name for questions; empty: those of the settings.
    `calendar_number` is which of its calendar addresses is in force, unless it was revoked.
    """

    name = models.CharField(max_length=100, unique=True)
    time_zone = models.CharField(max_length=64, default=default_time_zone, validators=[validate_time_zone])
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    organisation = models.CharField(max_length=100, blank=True, default="", db_default="")
    phone = models.CharField(max_length=40, blank=True, default="", db_default="")
    reply_to = models.CharField(
        max_length=254, blank=True, default="", db_default="", validators=[validate_email_address]
    )
    supervisors: "models.ManyToManyField[Assignee, models.Model]" = models.ManyToManyField(
        "Assignee", blank=True, related_name="supervised_teams"
    )
    calendar_number = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    calendar_revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TeamQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = quiet_hours_constraints("team")

    def __str__(self) -> str:
        return self.name


class AssigneeQuerySet(models.QuerySet["Assignee"]):
    """People, by who may see them."""

    def visible_to(self, scope: TeamScope) -> Self:
        return self if scope.teams is None else self.filter(team__in=scope.teams)

    def present(self) -> Self:
        """Without those who were merged into others, and those who were erased."""
        return self.filter(merged_into=None, erased_at=None)


class Assignee(models.Model):
    """A person who is given work. `reference` is the person's key in the scheduling system.

    `calendar_number` is which of their calendar addresses is in force, unless it was revoked.
    """

    reference = models.CharField(max_length=200, unique=True, null=True, blank=True)
    name = models.CharField(max_length=200)
    email = models.CharField(max_length=254, blank=True, default="", validators=[validate_email_address])
    phone = models.CharField(max_length=40, blank=True, default="")
    time_zone = models.CharField(max_length=64, default=default_time_zone, validators=[validate_time_zone])
    language = models.CharField(max_length=16, default=default_language, validators=[validate_language])
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="people")
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    way = models.CharField(max_length=20, default="", db_default="", editable=False)
    """How messages reach this person first, kept by a trigger (`ContactPoint`): "" by the first e-mail address, "sms" or
    "chat" by the first address of that channel, "email:42" by contact point 42, "none" where they have opted out of all."""
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="merged_people"
    )
    """Who this person is since they were found to be entered twice (`assignments.merging`)."""
    calendar_number = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    calendar_revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Since when nothing is known of this person (`assignments.erasing`): the name is a pseudonym."""
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = AssigneeQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = quiet_hours_constraints("assignee")
        indexes = [
            # Earlier releases look addresses up by their case; they may run beside this one.
            models.Index(fields=["email"], name="assignee_email_idx"),
            models.Index(Lower("email"), name="assignee_email_lower_idx"),
            models.Index(
                fields=["name", "id"],
                name="assignee_name_idx",
                condition=Q(merged_into__isnull=True, erased_at__isnull=True),
            ),
            # What a search reads. The migration leaves it out where PostgreSQL has no pg_trgm.
            GinIndex(
                *(OpClass(Upper(name), name="gin_trgm_ops") for name in ("reference", "name", "email")),
                name="assignee_trigram_idx",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    """Assignments, by the team that they belong to (`assignments.teams.effective_team_id`)."""

    def of_teams(self, teams: Collection[int]) -> Self:
        # A subquery instead of a join: the rows can be locked, and each side of the OR has an index.
        members = Assignee.objects.filter(team__in=teams).values("pk")
        return self.filter(Q(team__in=teams) | Q(team__isnull=True, assignee__in=members))

    def visible_to(self, scope: TeamScope) -> Self:
        return self if scope.teams is None else self.of_teams(scope.teams)


class Assignment(models.Model):
    """A piece of work scheduled at a time. Without a `team` of its own it belongs to that of its assignee.

    `version` counts changes of plan (start, assignee, lead, status, an operator's reset), nothing else.
    `known_at` is the instant at which the start in force became known: work that is entered after its start
    is not reminded of. An operator's reset sets `reset_at`: messages accepted before do not count as notified.
    `answer` is the assignee's answer for the start in force: another start, assignee or status removes it, and with it
    `on_my_way_at`, `expected_start` (when the assignee says that they will begin) and `times_late` (how often they have
    said so). `started_at` and `completed_at` are of the present run: work that is SCHEDULED has neither.
    `calendar_sequence` is the SEQUENCE (RFC 5545) of the calendar event that was imported last, `calendar_event` the key
    of that event, which all its dates and people have in common, `calendar_source` the feed that made it, and
    `calendar_gone_at` when the calendar cancelled it: if the event comes back, so does the work. `visible_changes` is the
    SEQUENCE of the events that people get: how often title, place, start, end, assignee or whether it is cancelled have
    changed. A trigger counts, whoever writes. `entered_by` is the name of the account, token or calendar that made it, ''
    where nobody said who; `entered_via` is '' then.
    """

    reference = models.CharField(max_length=200, unique=True, null=True, blank=True)
    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=60, blank=True, default="")
    location = models.CharField(max_length=300, blank=True, default="")
    notes = models.TextField(max_length=10_000, blank=True, default="")
    assignee = models.ForeignKey(
        Assignee, on_delete=models.PROTECT, null=True, blank=True, related_name="assignments"
    )
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, blank=True, related_name="assignments", db_index=False
    )
    status = models.CharField(max_length=12, choices=Status, default=Status.SCHEDULED)
    scheduled_start = models.DateTimeField()
    scheduled_end = models.DateTimeField(null=True, blank=True)
    lead_minutes = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MAX_LEAD_MINUTES)]
    )
    further_lead_minutes = models.CharField(
        max_length=40, default="", db_default="", blank=True, editable=False
    )
    """The longer ones of several lead times, such as "60 1440"; `lead_minutes` is the shortest. Text, since Django inserts
    rows with an array one value at a time (`assignments.leads`)."""
    version = models.PositiveIntegerField(default=1, editable=False)
    known_at = models.DateTimeField(db_default=Now(), editable=False)
    reset_at = models.DateTimeField(null=True, blank=True, editable=False, db_column="renudge_at")
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
    expected_start = models.DateTimeField(null=True, blank=True, editable=False)
    times_late = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    on_my_way_at = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    calendar_sequence = models.PositiveIntegerField(null=True, blank=True, editable=False)
    calendar_event = models.CharField(max_length=200, null=True, blank=True, editable=False)
    # The index below begins with it.
    calendar_source = models.ForeignKey(
        "CalendarSource",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="assignments",
        db_index=False,
    )
    calendar_gone_at = models.DateTimeField(null=True, blank=True, editable=False)
    visible_changes = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    entered_via = models.CharField(
        max_length=8, choices=EntryWay, blank=True, default="", db_default="", editable=False
    )
    entered_by = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        ordering = ["scheduled_start", "id"]
        indexes = [
            models.Index(fields=["scheduled_start", "id"], name="assignment_start_idx"),
            # What a scan reads. No index holds reminder_status, so that SENT is a heap-only update.
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
            models.Index(
                fields=["team", "scheduled_start"],
                name="assignment_team_idx",
                condition=Q(team__isnull=False),
            ),
            models.Index(
                fields=["calendar_event"],
                name="assignment_event_idx",
                condition=Q(calendar_event__isnull=False),
            ),
            models.Index(
                fields=["calendar_source", "scheduled_start"],
                name="assignment_source_idx",
                condition=Q(calendar_source__isnull=False),
            ),
            # What a search reads. The migration leaves it out where PostgreSQL has no pg_trgm.
            GinIndex(
                *(OpClass(Upper(name), name="gin_trgm_ops") for name in ("reference", "title", "location")),
                name="assignment_trigram_idx",
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


class ActQuerySet(models.QuerySet["Act"]):
    """Acts, by the team of the work that they are about."""

    def visible_to(self, scope: TeamScope) -> Self:
        if scope.teams is None:
            return self
        return self.filter(assignment__in=Assignment.objects.visible_to(scope).values("pk"))


class Act(models.Model):
    """One thing that somebody did about an assignment: the history of its acts, append-only.

    `actor` is 'assignee:<id>' for who acts by link or SMS, else the name of the account or token. `version` is the plan
    on which they acted; `minutes` is what they said with ON_MY_WAY and LATE.
    """

    # The index below begins with it.
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="acts", db_index=False)
    version = models.PositiveIntegerField()
    act = models.CharField(max_length=12, choices=ActKind)
    via = models.CharField(max_length=8, choices=Way)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()
    minutes = models.PositiveIntegerField(null=True)
    note = models.CharField(max_length=LONGEST_ANSWER_NOTE, blank=True, default="", db_default="")

    objects = ActQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["assignment", "id"], name="act_assignment_idx")]

    def __str__(self) -> str:
        return gettext("%(act)s of assignment %(assignment_id)s") % {
            "act": code_in_words(self.act),
            "assignment_id": self.assignment_id,
        }


# Models of this app, in files of their own: Django finds models by this module.
from assignments.calendar_source import CalendarSource as CalendarSource  # noqa: E402
from assignments.change_record import ChangeRecord as ChangeRecord  # noqa: E402
from assignments.contact_point import ContactPoint as ContactPoint  # noqa: E402
from assignments.erasure_models import ErasedKey as ErasedKey  # noqa: E402
from assignments.erasure_models import Erasure as Erasure  # noqa: E402
from assignments.import_models import ImportMapping, TableUpload, TableUploadPart  # noqa: E402, F401
