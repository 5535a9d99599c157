"""What operators send to and get from rescan, reset, pause and resume."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.reasons import MAX_REASON_LENGTH
from assignments.models import ReminderStatus
from reminders.models import ScanRun, State
from reminders.operations.pauses import BacklogPart
from reminders.operations.plans import Effect, Why
from reminders.web.api.fields import (
    IdField,
    InstantField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictListField,
    StrictSerializer,
)
from reminders.web.api.serializers.explanations import ChannelField

MAX_IDS = 10_000


MAX_LISTED = 1_000


class ReasonInputSerializer(StrictSerializer):
    reason = StrictCharField(max_length=MAX_REASON_LENGTH, help_text="Kept in the audit trail.")


class OptionalReasonInputSerializer(StrictSerializer):
    reason = StrictCharField(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True, default="")


class RemindInputSerializer(ReasonInputSerializer):
    wait_while_paused = StrictBooleanField(
        default=False, help_text="While sending is paused: send it once sending goes on. Else it is refused."
    )


class RemindedSerializer(serializers.Serializer[Any]):
    """The row of the ledger by which the assignee is reminded."""

    reminder_id = serializers.IntegerField(source="reminder.id")
    assignment_id = serializers.IntegerField(source="reminder.assignment_id")
    version = serializers.IntegerField(source="reminder.version")
    rule = serializers.CharField(source="reminder.rule")
    channel = ChannelField(source="reminder.channel")
    state = serializers.ChoiceField(choices=State.values, source="reminder.state")
    due_at = InstantField(source="reminder.due_at")
    not_after = InstantField(
        source="reminder.not_after", help_text="After this it is of no use, and is not sent."
    )
    repeated = serializers.BooleanField(
        help_text="It was asked for within the last minute: nothing more is sent."
    )


class ResetInputSerializer(ReasonInputSerializer):
    """Without `ids` and `future`: what is out of sync."""

    ids = StrictListField(child=IdField(), required=False, min_length=1, max_length=MAX_IDS)
    future = StrictBooleanField(
        default=False,
        help_text="Every future assignment that is SENT: their assignees get a second message.",
    )
    starts_after = InstantField(required=False)
    starts_before = InstantField(required=False)
    dry_run = StrictBooleanField(default=False, help_text="Only a preview.")
    plan = StrictCharField(
        required=False, max_length=64, help_text="The plan that a dry run has shown: any other is refused."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "ids" in attrs and (attrs["future"] or attrs.keys() & {"starts_after", "starts_before"}):
            raise serializers.ValidationError("with ids, leave future and the window out", "contradiction")
        return attrs


class SkippedAssignmentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    why = serializers.ChoiceField(choices=[why.value for why in Why])


class ResetTargetSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    scheduled_start = InstantField(source="start")
    reminder_status = serializers.ChoiceField(choices=ReminderStatus.values)
    effect = serializers.ChoiceField(choices=[effect.value for effect in Effect], source="effect.value")


class ResetSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    plan = serializers.CharField(help_text="The name of what was shown; send it with the run.")
    reset = serializers.IntegerField(help_text="Assignments that are, or would be, reset.")
    people_nudged_again = serializers.IntegerField()
    targets = ResetTargetSerializer(many=True, help_text=f"The first {MAX_LISTED} of them.")
    skipped = SkippedAssignmentSerializer(
        many=True, help_text=f"The first {MAX_LISTED} that are left alone, and why."
    )


class PauseInputSerializer(ReasonInputSerializer):
    until = InstantField(required=False, allow_null=True, default=None)


class ResumeInputSerializer(OptionalReasonInputSerializer):
    """What is skipped needs a reason."""

    skip = StrictListField(
        child=StrictChoiceField(choices=[part.value for part in BacklogPart]),
        default=list,
        max_length=len(BacklogPart),
        help_text="Parts of the backlog that are skipped instead of sent.",
    )


class PauseSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    by = serializers.CharField()
    reason = serializers.CharField()
    since = InstantField()
    until = InstantField(allow_null=True)
    ended_at = InstantField(allow_null=True)
    ended_by = serializers.CharField()


class BacklogSerializer(serializers.Serializer[Any]):
    useful = serializers.IntegerField(help_text="Reminders of work that is still ahead: sent at once.")
    late = serializers.IntegerField(help_text="Reminders of work that has begun by the clock.")
    too_late = serializers.IntegerField(help_text="No longer useful: skipped automatically.")
    overdue_notices = serializers.IntegerField(
        source="notices", help_text="To supervisors, about work that nobody has started."
    )
    corrections = serializers.IntegerField(help_text="To assignees who were told another plan: sent at once.")
    escalations = serializers.IntegerField(
        help_text="To supervisors, about what an assignee did: sent at once."
    )
    unplanned = serializers.IntegerField(
        help_text="Due assignments that no scan has planned yet: a rescan adds them to the figures above."
    )


class ResumeSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    pause = PauseSerializer(allow_null=True)
    backlog = BacklogSerializer()
    skipped = serializers.IntegerField()


@extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}, "nullable": True})
class ScanCountsField(serializers.Field[Any, Any, Any, Any]):
    """What a scan did, by kind."""

    def to_representation(self, value: Any) -> Any:
        return value


class ScanSerializer(serializers.Serializer[Any]):
    scan_id = serializers.IntegerField(source="id")
    trigger = serializers.ChoiceField(choices=ScanRun.Trigger.values)
    by = serializers.CharField()
    started_at = InstantField()
    finished_at = InstantField(allow_null=True)
    counts = ScanCountsField(allow_null=True, help_text="null while the scan runs.")
    error = serializers.CharField()


class ScanPlanSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    complete = serializers.BooleanField(help_text="false: there is more than could be counted in a request.")
    counts = ScanCountsField()
