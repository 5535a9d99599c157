"""What was changed of assignments, by whom: append-only, beside the acts of people (`models.Act`)."""

from typing import Self

from django.db import models

from assignments.models import Assignment, Way
from assignments.team_scope import TeamScope

RECORDED = (
    "title",
    "location",
    "assignee_id",
    "team_id",
    "status",
    "scheduled_start",
    "scheduled_end",
    "lead_minutes",
)
"""The fields of an assignment whose changes are recorded."""


class ChangeRecordQuerySet(models.QuerySet["ChangeRecord"]):
    """Changes, by the team of the work that they are about."""

    def visible_to(self, scope: TeamScope) -> Self:
        if scope.teams is None:
            return self
        return self.filter(assignment__in=Assignment.objects.visible_to(scope).values("pk"))


class ChangeRecord(models.Model):
    """One change of an assignment: `before` and `after` hold the fields of `RECORDED` that have got another value, by name;
    instants are ISO 8601 in UTC. `version` is the plan afterwards.

    A start or completion that is an act (`models.Act`) is not in it. `actor` is the name of an account, a token or a
    calendar, '' where nobody said who; `via` is '' then.
    """

    # The index below begins with it.
    assignment = models.ForeignKey(
        Assignment, on_delete=models.PROTECT, related_name="change_records", db_index=False
    )
    version = models.PositiveIntegerField()
    via = models.CharField(max_length=8, choices=Way, blank=True, default="", db_default="")
    actor = models.CharField(max_length=200, blank=True, default="", db_default="")
    at = models.DateTimeField()
    before = models.JSONField()
    after = models.JSONField()

    objects = ChangeRecordQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["assignment", "id"], name="change_assignment_idx"),
            models.Index(fields=["actor", "id"], name="change_actor_idx"),
            models.Index(fields=["at"], name="change_at_idx"),
        ]

    def __str__(self) -> str:
        return f"change of assignment {self.assignment_id}"
