"""The ledger and its neighbours: the tables. Only `reminders.ledger` writes the columns of a life cycle.

One row of `Reminder` is one nudge that is to happen. Its life:

    PLANNED -> QUEUED -> SENDING -> SENT | FAILED | SKIPPED | UNKNOWN | MARKED

`closed_at` is set exactly in the final states, `lease_until` exactly while a worker may hold the row. The one
partial index that dispatch reads holds neither state nor lease, so that claiming and beginning are
heap-only updates.
"""

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

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
    """One nudge that is to happen: the ledger.

    `recipient` is 'assignee:<id>', 'person:<id>', 'ops:<hash>', 'subscription:<id>' or '' (nobody). `ticket` grows with each
    claim: whoever holds an older one has lost. `attempts` counts sends begun, `failures` those that count against
    the maximum, `ambiguous` those whose end nobody can know. `scan_id` is the scan that planned the row, if one did;
    the row may outlive it. `payload` is what an EVENT tells, as it was when it happened. `digest_id` is the lead row of the
    message that holds this row and others; the lead itself has its own id, a row that goes by itself has none. `announced`
    is what a message to an assignee states (a list of `policy.announcements.Announcement`, the last attempt's last),
    written at begin.
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
        return f"{self.kind} of assignment {self.assignment_id}, version {self.version}"


class Attempt(models.Model):
    """One send that was begun and has ended. Written once, complete, and never changed."""

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

    class Meta:
        ordering = ["reminder_id", "number"]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome}"


class ArchivedReminder(models.Model):
    """A reminder of long-past work with its attempts, as they stood in the ledger (see `reminders.ledger.archive`)."""

    id = models.BigIntegerField(primary_key=True)
    assignment_id = models.BigIntegerField(db_index=True)
    archived_at = models.DateTimeField(db_default=Now())
    row = models.JSONField()
    attempts = models.JSONField()

    def __str__(self) -> str:
        return f"archived reminder {self.pk} of assignment {self.assignment_id}"


class ScanRun(models.Model):
    """One scan: who asked for it, when, and what it found. Dead when `alive_until` has passed."""

    class Trigger(models.TextChoices):
        BEAT = "beat"
        API = "api"
        CLI = "cli"
        ADMIN = "admin"
        STARTUP = "startup"
        STANDBY = "standby"

    trigger = models.CharField(max_length=8, choices=Trigger)
    by = models.CharField(max_length=150, default="", blank=True)
    started_at = models.DateTimeField(db_default=Now())
    alive_until = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(null=True)
    error = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["finished_at"], name="scanrun_finished_idx")]

    def __str__(self) -> str:
        return f"scan {self.pk}"


PAUSE_IN_FORCE = Q(ended_at__isnull=True) & (Q(until__isnull=True) | Q(until__gt=Now()))
"""Which row of `Pause` holds sending now; the ledger's `fragments.ACTIVE_PAUSE` is the same in SQL."""


class Pause(models.Model):
    """The kill switch: while a row is in force nothing is sent. OVERDUE is still marked."""

    by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)
    since = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, default="", blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"paused by {self.by}: {self.reason}"


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """Subscriptions, by who may see them: a limited caller sees those that hear of nothing but its teams."""

    def visible_to(self, scope: TeamScope) -> Self:
        return self if scope.teams is None else self.filter(teams__contained_by=sorted(scope.teams))


class Subscription(models.Model):
    """A program that is told of events at its URL. `secret` signs what it gets; until `former_until` the one
    before does too, so that a change of secrets loses nothing. Both are texts as `webhooks.new_secret` makes them.
    `teams` are the ids of the teams of whose work it hears; null: of everything.
    """

    name = models.CharField(max_length=100)
    url = models.CharField(max_length=2_000)
    events = ArrayField(models.CharField(max_length=40))
    secret = models.CharField(max_length=100)
    former_secret = models.CharField(max_length=100, default="", db_default="", blank=True)
    former_until = models.DateTimeField(null=True, blank=True)
    active = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=150)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_why = models.CharField(max_length=500, default="", db_default="", blank=True)
    teams = ArrayField(models.BigIntegerField(), null=True, blank=True)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class CircuitBreaker(models.Model):
    """Keeps sends away from a route that does not work: a channel, or the endpoint of one subscription.

    It is open until `until`; each failure in a row doubles that time (5 s up to 60 s, for an endpoint up to 10 minutes).
    """

    channel = models.CharField(max_length=80, primary_key=True)
    since = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()
    failures = models.PositiveIntegerField(default=1)
    code = models.CharField(max_length=40, default="", blank=True)
    detail = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        db_table = "reminders_channelhold"

    def __str__(self) -> str:
        return f"{self.channel}: open until {self.until}"


class ChannelPace(models.Model):
    """How many messages a minute a channel takes that has said that it is sent too much, or whose limit is configured.

    `tokens` is what may be handed over now (see `policy.pace`). `throttled_at`, `code` and `detail` are its last
    complaint, `since` is the first one.
    """

    channel = models.CharField(max_length=80, primary_key=True)
    per_minute = models.FloatField()
    tokens = models.FloatField(default=0)
    refilled_at = models.DateTimeField()
    raised_at = models.DateTimeField()
    throttled_at = models.DateTimeField(null=True)
    since = models.DateTimeField(null=True)
    code = models.CharField(max_length=40, default="", db_default="", blank=True)
    detail = models.CharField(max_length=500, default="", db_default="", blank=True)

    def __str__(self) -> str:
        return f"{self.channel}: about {self.per_minute:.0f} a minute"


class DigestWindow(models.Model):
    """Until when notices to this supervisor over this channel wait to be joined in one message, for one has just left."""

    pk = models.CompositePrimaryKey("recipient", "channel")
    recipient = models.CharField(max_length=80)
    channel = models.CharField(max_length=20)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.recipient} over {self.channel}: until {self.until}"


class Counter(models.Model):
    """A business counter, or a bucket of a histogram; summed over the slots at scrape.

    A slot keeps processes off each other's rows. Values only grow.
    """

    pk = models.CompositePrimaryKey("name", "labels", "slot")
    name = models.CharField(max_length=80)
    labels = models.CharField(max_length=200)
    slot = models.SmallIntegerField()
    value = models.FloatField(default=0)

    def __str__(self) -> str:
        return f"{self.name}{{{self.labels}}}"


class Audit(models.Model):
    """What an operator did, to what, and why. Append-only: a trigger refuses all else for two years."""

    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=40)
    reason = models.CharField(max_length=500, default="", blank=True)
    selection = models.JSONField(default=dict)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["action"], name="audit_action_idx")]
        verbose_name_plural = "audit trail"
        permissions = [("operate", "May pause, resume, rescan, reset and resend")]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"


class StoredResponse(models.Model):
    """The response to a POST under its caller's Idempotency-Key, for the same request sent again."""

    caller = models.CharField(max_length=160)
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64, db_column="sent")
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.JSONField()
    at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        db_table = "reminders_keptanswer"
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="kept_answer_once")]

    def __str__(self) -> str:
        return f"response to {self.caller}"


class Process(models.Model):
    """A running process; its heartbeat is recorded every ten seconds.

    `clock_ahead_seconds` is how far its host's clock was ahead of the database's, `enabled` its master switch and
    `rules` the fingerprint of its settings. A row of kind "scrape" is a web process whose metrics were read.
    """

    kind = models.CharField(max_length=12)
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    clock_ahead_seconds = models.FloatField(null=True)
    enabled = models.BooleanField(null=True)
    rules = models.CharField(max_length=16, default="", db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "host", "pid"], name="process_once")]
        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return f"{self.kind} {self.pid} on {self.host}"


class Statistics(models.Model):
    """The one row of figures that page and metrics share, refreshed every 15 seconds."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    taken_at = models.DateTimeField()
    values = models.JSONField(default=dict)

    class Meta:
        db_table = "reminders_figures"
        verbose_name_plural = "statistics"

    def __str__(self) -> str:
        return f"statistics of {self.taken_at}"


class ReminderRuleQuerySet(models.QuerySet["ReminderRule"]):
    """Rules, by who may see them: a limited caller sees those made for its teams."""

    def visible_to(self, scope: TeamScope) -> Self:
        if scope.teams is None:
            return self
        return self.filter(scope="team", scope_value__in=[str(team) for team in scope.teams])


class ReminderRule(models.Model):
    """When somebody is reminded of which work, beside the built-in rules of the settings (see `policy.rules`).

    `minutes` is how long before the start, after the overdue instant or after a decline; `days_before` and `at` are a local
    time of the recipient. A rule for supervisors or Ops is due again every `repeat_minutes`, `repeat_times` times at most;
    both are null where it does not repeat. `scope_value` is a kind of work, or the id of a team, a person or an assignment.
    `changed_at` is when it was enabled or last changed: it makes nothing for instants before that.
    """

    class Audience(models.TextChoices):
        ASSIGNEE = "assignee"
        SUPERVISORS = "supervisors"
        OPS = "ops"

    class Trigger(models.TextChoices):
        BEFORE_START = "before_start"
        AT_LOCAL_TIME = "at_local_time"
        AFTER_OVERDUE = "after_overdue"
        ON_DECLINE = "on_decline"
        UNANSWERED = "unanswered"

    class Condition(models.TextChoices):
        ALWAYS = "always"
        NOT_CONFIRMED = "not_confirmed"
        NOT_STARTED = "not_started"

    class Scope(models.TextChoices):
        EVERYONE = "everyone"
        KIND = "kind"
        TEAM = "team"
        PERSON = "person"
        ASSIGNMENT = "assignment"

    class QuietHours(models.TextChoices):
        RESPECT = "respect"
        IGNORE = "ignore"

    class WhenPast(models.TextChoices):
        SEND = "send"
        SKIP = "skip"

    name = models.CharField(max_length=100, unique=True)
    enabled = models.BooleanField(default=True)
    audience = models.CharField(max_length=12, choices=Audience)
    trigger = models.CharField(max_length=16, choices=Trigger)
    minutes = models.PositiveIntegerField(null=True, blank=True)
    days_before = models.PositiveSmallIntegerField(null=True, blank=True)
    at = models.TimeField(null=True, blank=True)
    condition = models.CharField(max_length=16, choices=Condition, default=Condition.ALWAYS)
    scope = models.CharField(max_length=12, choices=Scope, default=Scope.EVERYONE)
    scope_value = models.CharField(max_length=60, default="", blank=True)
    quiet_hours = models.CharField(max_length=8, choices=QuietHours)
    when_past = models.CharField(max_length=4, choices=WhenPast, default=WhenPast.SEND)
    repeat_minutes = models.PositiveIntegerField(null=True, blank=True)
    repeat_times = models.PositiveSmallIntegerField(null=True, blank=True)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ReminderRuleQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RuleSchedule(models.Model):
    """Which assignments rules plan reminders for, and when the next row of one is to be made.

    An assignment that has the built-in rule alone has no row here. `known_at` is when its present plan became known;
    `planned_start` and `recipient` are that plan's. `next_at` is the earliest instant that has no row in the ledger yet.
    """

    assignment = models.OneToOneField(
        Assignment, on_delete=models.CASCADE, primary_key=True, related_name="rule_schedule"
    )
    known_at = models.DateTimeField()
    planned_start = models.DateTimeField()
    recipient = models.CharField(max_length=80)
    next_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_at"], name="rule_schedule_next_idx", condition=Q(next_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"schedule of assignment {self.assignment_id}"


class RuleChange(models.Model):
    """The one row that says how far the ledger has followed a change of rules: assignments up to `done_up_to`.

    `lead` is that of the built-in rule at the last scan. `waiting_since` is when the last batch ended, or when the change
    was made, where there was none yet.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    revision = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField(db_default=Now())
    done_up_to = models.BigIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    lead = models.DurationField(null=True)
    finished_at = models.DateTimeField(null=True)
    waiting_since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"change {self.revision} of the rules"
