"""Rules that operators make, and how far the ledger follows them."""

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from assignments.contact_point import ContactChannel
from assignments.models import Assignment
from assignments.team_scope import TeamScope


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
    `channels`: an assignee is reminded over each of these over which they have an address; empty: over the first of their
    addresses. `mandatory`: nobody can opt out of it. `verified_only`: assignees are reminded at verified addresses
    alone. `changed_at` is when it was enabled or last changed: it makes nothing for instants before that.
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
        NOT_REACHED = "not_reached"

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
    mandatory = models.BooleanField(default=False, db_default=False)
    verified_only = models.BooleanField(default=False, db_default=False)
    channels = ArrayField(
        models.CharField(max_length=20, choices=ContactChannel), default=list, db_default=[], blank=True
    )
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
    `planned_start` and `recipient` are that plan's. `next_at` is the earliest of its instants that lies
    beyond the look-ahead, and so usually has no row yet.
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
