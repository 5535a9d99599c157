"""The ledger: what is to be sent to whom and when, what became of it, and each attempt."""

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext

from assignments.models import Assignment
from assignments.team_scope import TeamScope


class Kind(models.TextChoices):
    """What a row is about."""

    REMINDER = "REMINDER"
    OVERDUE = "OVERDUE"
    CORRECTION = "CORRECTION"
    ESCALATION = "ESCALATION"
    EVENT = "EVENT"


class State(models.TextChoices):
    """Where a row is in its life."""

    PLANNED = "PLANNED"
    QUEUED = "QUEUED"
    SENDING = "SENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    UNKNOWN = "UNKNOWN"
    MARKED = "MARKED"


class Reason(models.TextChoices):
    """Why a row ended as it did, or why it waits. Every word a metric or a log line may show."""

    # SKIPPED
    MOVED = "moved"
    CANCELLED = "cancelled"
    REASSIGNED = "reassigned"
    STARTED = "started"
    REPLANNED = "replanned"
    TOO_LATE = "too_late"
    PAST = "past"
    ALREADY_TOLD = "already_told"
    SHORT_NOTICE = "short_notice"
    TOO_CLOSE = "too_close"
    QUIET_HOURS = "quiet_hours"
    IMPORTED = "imported"
    OPERATOR = "operator"
    UNSUBSCRIBED = "unsubscribed"
    DECLINED = "declined"
    CONFIRMED = "confirmed"
    AS_TOLD = "as_told"
    OPTED_OUT = "opted_out"
    FALLBACK = "fallback"
    REACHED = "reached"
    MERGED = "merged"
    # FAILED
    NO_CONTACT = "no_contact"
    REJECTED = "rejected"
    EXHAUSTED = "exhausted"
    TEMPLATE = "template"
    INTERNAL = "internal"
    # UNKNOWN
    AMBIGUOUS = "ambiguous"
    # still PLANNED: why it was not sent just now
    DISABLED = "disabled"
    PAUSED = "paused"
    TOO_EARLY = "too_early"
    CHANNEL_HELD = "channel_held"
    TO_BE_JOINED = "to_be_joined"
    # no write: the hint was not the row's
    STALE = "stale"


OPEN = (State.PLANNED, State.QUEUED, State.SENDING)
LEASED = (State.QUEUED, State.SENDING)
FINAL = (State.SENT, State.FAILED, State.SKIPPED, State.UNKNOWN, State.MARKED)
NO_CHANNEL = "none"
"""The channel of a row that marks its assignment and writes to nobody."""


class ReminderQuerySet(models.QuerySet["Reminder"]):
    """Rows of the ledger, by whom they are for."""

    def to_people(self) -> Self:
        """Messages to people and the markers (the ledger's `fragments.TO_PEOPLE`)."""
        return self.exclude(kind=Kind.EVENT)

    def visible_to(self, scope: TeamScope) -> Self:
        """Rows about work of these teams (`assignments.teams.effective_team_id`)."""
        if scope.teams is None:
            return self
        work = Q(assignment__team__in=scope.teams)
        return self.filter(
            work | Q(assignment__team__isnull=True, assignment__assignee__team__in=scope.teams)
        )

    def to_webhooks(self) -> Self:
        return self.filter(kind=Kind.EVENT)

    def messages_to_people(self) -> Self:
        """What people receive: without the markers, which write to nobody."""
        return self.to_people().exclude(channel=NO_CHANNEL)


class Reminder(models.Model):
    """One row of the ledger: a message that is to be sent or was, or a marker.

    `recipient` is 'assignee:<id>', 'person:<id>', 'ops:<hash>', 'subscription:<id>' or '' (nobody). `ticket` grows with each
    claim: whoever holds an older one has lost. `attempts` counts sends begun, `failures` those that count against
    the maximum, `ambiguous` those whose end nobody can know. `scan_id` is the scan that planned the row, if one did;
    the row may outlive it. `payload` is the content of an EVENT, as it was when it happened;
    of a reminder that an operator sends at once it is who asked for it and why (`ledger.reminding`). `digest_id` is the lead
    row of the message that holds this row and others; the lead itself has its own id, a row that goes by itself has none.
    `announced` is what a message to an assignee states (a list of `policy.announcements.Announcement`, the last attempt's
    last), written at begin. `channel` is the way to the recipient (`policy.ways`): a channel, and
    the contact point where it is not the person's first address of that channel.
    """

    # The unique key begins with it, and so does the key of the attempts: an index of its own would only cost writes.
    assignment = models.ForeignKey(
        Assignment, on_delete=models.PROTECT, related_name="reminders", db_index=False
    )
    version = models.PositiveIntegerField()
    kind = models.CharField(max_length=12, choices=Kind)
    rule = models.CharField(max_length=120, default="default")
    recipient = models.CharField(max_length=80, default="", blank=True)
    channel = models.CharField(max_length=20)
    planned_start = models.DateTimeField()
    planned_at = models.DateTimeField(db_default=Now())
    scan_id = models.BigIntegerField(null=True)
    due_at = models.DateTimeField()
    not_after = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.PLANNED)
    ticket = models.PositiveBigIntegerField(default=0, db_default=0)
    lease_until = models.DateTimeField(null=True)
    begun_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    ambiguous = models.PositiveSmallIntegerField(default=0, db_default=0)
    reason = models.CharField(max_length=24, choices=Reason, default="", db_default="", blank=True)
    sent_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    message_id = models.CharField(max_length=200, default="", db_default="", blank=True)
    payload = models.JSONField(null=True)
    digest_id = models.BigIntegerField(null=True)
    announced = models.JSONField(null=True)

    objects = ReminderQuerySet.as_manager()

    class Meta:
        ordering = ["due_at", "id"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], name="reminder_open_idx", condition=Q(closed_at__isnull=True)
            ),
            models.Index(
                fields=["closed_at"], name="reminder_closed_idx", condition=Q(closed_at__isnull=False)
            ),
            models.Index(fields=["id"], name="reminder_ambiguous_idx", condition=Q(ambiguous__gt=0)),
            models.Index(
                fields=["recipient", "next_attempt_at"],
                name="reminder_event_idx",
                condition=Q(closed_at__isnull=True, kind="EVENT"),
            ),
            models.Index(
                fields=["recipient", "channel", "next_attempt_at"],
                name="reminder_supervisor_idx",
                condition=Q(closed_at__isnull=True)
                & (Q(recipient__startswith="ops:") | Q(recipient__startswith="person:")),
            ),
            models.Index(
                fields=["recipient", "next_attempt_at"],
                name="reminder_person_open_idx",
                condition=Q(closed_at__isnull=True, kind="REMINDER"),
            ),
            models.Index(
                fields=["recipient", "closed_at"],
                name="reminder_person_closed_idx",
                condition=Q(closed_at__isnull=False, kind="REMINDER"),
            ),
            models.Index(
                fields=["digest_id"], name="reminder_digest_idx", condition=Q(digest_id__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["assignment", "version", "kind", "rule", "recipient", "channel"],
                name="reminder_once",
            ),
            models.CheckConstraint(
                name="reminder_state_known", condition=Q(state__in=State.values) & Q(kind__in=Kind.values)
            ),
            models.CheckConstraint(
                name="reminder_closed_when_final",
                condition=Q(state__in=FINAL, closed_at__isnull=False)
                | Q(state__in=OPEN, closed_at__isnull=True),
            ),
            models.CheckConstraint(
                name="reminder_leased_when_claimed",
                condition=Q(state__in=LEASED, lease_until__isnull=False)
                | (~Q(state__in=LEASED) & Q(lease_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="reminder_sent_has_instant",
                condition=Q(state=State.SENT, sent_at__isnull=False)
                | (~Q(state=State.SENT) & Q(sent_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="reminder_end_has_reason",
                condition=~Q(state__in=(State.FAILED, State.SKIPPED, State.UNKNOWN)) | ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="reminder_counts_add_up",
                condition=Q(attempts__gte=F("failures")) & Q(attempts__gte=F("ambiguous")),
            ),
        ]

    def __str__(self) -> str:
        return gettext("%(kind)s of assignment %(assignment_id)s, version %(version)s") % {
            "kind": gettext(str(self.get_kind_display())),
            "assignment_id": self.assignment_id,
            "version": self.version,
        }


class Attempt(models.Model):
    """One send that was begun and has ended. Written once, complete, and never changed.

    `template_version` is the id of the stored text that its message was made from, or was to be made from: with
    `template_fault` that could not be used, and the built-in text went out.
    """

    pk = models.CompositePrimaryKey("reminder_id", "number")
    reminder = models.ForeignKey(
        Reminder, on_delete=models.CASCADE, related_name="attempt_rows", db_index=False
    )
    number = models.PositiveSmallIntegerField()
    ticket = models.PositiveBigIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    outcome = models.CharField(max_length=16)
    code = models.CharField(max_length=40, default="", db_default="")
    detail = models.CharField(max_length=500, default="", db_default="")
    template_version = models.BigIntegerField(null=True)
    template_fault = models.CharField(max_length=200, default="", db_default="")

    class Meta:
        ordering = ["reminder_id", "number"]
        indexes = [
            models.Index(
                fields=["finished_at"], name="attempt_template_fault_idx", condition=~Q(template_fault="")
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome}"


class DeliveryKind(models.TextChoices):
    """What became of a message after it was accepted."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    OPENED = "opened"


class DeliveryEvent(models.Model):
    """What somebody said about a message after it was accepted. The state of its row does not change.

    `source` is who said it ("dsn", "sms"), `external_id` its identifier there, by which a repetition is known.
    `permanent`: a bounce that the next message to this address would meet too. `detail` holds no address.
    """

    # Without a constraint: the row may be in the archive. The unique key below begins with it.
    reminder = models.ForeignKey(
        Reminder,
        on_delete=models.DO_NOTHING,
        related_name="delivery_events",
        db_constraint=False,
        db_index=False,
    )
    at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=10, choices=DeliveryKind)
    permanent = models.BooleanField(default=False)
    source = models.CharField(max_length=20)
    external_id = models.CharField(max_length=100)
    detail = models.CharField(max_length=500, default="", db_default="", blank=True)

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["received_at"], name="delivery_event_received_idx")]
        constraints = [
            models.UniqueConstraint(fields=["reminder", "source", "external_id"], name="delivery_event_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind}: reminder {self.reminder_id}"


class ArchivedReminder(models.Model):
    """A reminder of long-past work with its attempts, as they stood in the ledger (see `reminders.ledger.archive`)."""

    id = models.BigIntegerField(primary_key=True)
    assignment_id = models.BigIntegerField(db_index=True)
    archived_at = models.DateTimeField(db_default=Now())
    row = models.JSONField()
    attempts = models.JSONField()

    def __str__(self) -> str:
        return f"archived reminder {self.pk} of assignment {self.assignment_id}"
