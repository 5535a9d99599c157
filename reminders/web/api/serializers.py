"""What travels over the API, field by field, in both directions."""

from typing import Any

from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.reasons import MAX_REASON_LENGTH
from assignments.models import MAX_LEAD_MINUTES, Answer, ReminderStatus, Status
from assignments.services import ANSWER_FIELDS
from reminders.insight.explain.answer import Outlook
from reminders.models import Kind, Reason, ScanRun, State
from reminders.operations.pauses import BacklogPart
from reminders.operations.plans import Effect, Why
from reminders.web.api.fields import (
    BIGGEST_ID,
    AnswerWord,
    Email,
    Id,
    Instant,
    Strict,
    Switch,
    Text,
    Whole,
    Word,
)

MOST_PER_PAGE = 500
MOST_IDS = 10_000
SHOWN = 1_000
ORDERINGS = ("scheduled_start", "-scheduled_start", "id", "-id")


# --- assignments -----------------------------------------------------------------------------------------------


class AssigneeInputSerializer(Strict):
    """Who does the work: by `id`, else by `reference`, else by `email`, else somebody new called `name`.

    What is given besides is written to the person.
    """

    id = Id(required=False)
    reference = Text(required=False, allow_null=True, max_length=200)
    name = Text(required=False, max_length=200)
    email = Email(required=False, allow_blank=True, max_length=254)
    phone = Text(required=False, allow_blank=True, max_length=40)
    time_zone = Text(required=False, max_length=64)
    language = Text(required=False, max_length=16)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() & {"id", "reference", "name", "email"}:
            raise serializers.ValidationError(
                "an id, a reference, an e-mail address or a name is needed", "required"
            )
        return attrs


class AssignmentInputSerializer(Strict):
    """An assignment as it is made or replaced."""

    answered: tuple[str, ...] = (
        *("id", "reminder_status", "version", "created_at", "updated_at"),
        *ANSWER_FIELDS,
    )

    reference = Text(
        required=False, allow_null=True, max_length=200, help_text="The key in the scheduling system."
    )
    title = Text(max_length=200)
    kind = Text(required=False, allow_blank=True, max_length=60)
    location = Text(required=False, allow_blank=True, max_length=300)
    notes = Text(required=False, allow_blank=True, max_length=10_000)
    assignee = AssigneeInputSerializer(required=False, allow_null=True)
    status = Word(choices=Status.values, required=False)
    scheduled_start = Instant()
    scheduled_end = Instant(required=False, allow_null=True)
    lead_minutes = Whole(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_LEAD_MINUTES,
        help_text="Minutes before the start at which the reminder is due; null: the installation's own lead.",
    )


class AssignmentPutInputSerializer(AssignmentInputSerializer):
    """An assignment by its reference, which stands in the address. What is left out takes its default; status stays."""

    answered = (*AssignmentInputSerializer.answered, "reference")
    reference = None  # type: ignore[assignment]


class Reference(Strict):
    """The reference in an address."""

    reference = Text(max_length=200, trim_whitespace=False)

    def validate_reference(self, value: str) -> str:
        if value != value.strip():
            raise serializers.ValidationError("no space is accepted before or after it", "spaces")
        return value


class Nothing(Strict):
    """A body that says nothing, or none at all."""


class Rescheduling(Strict):
    """A new start; without an end the length stays as it was."""

    scheduled_start = Instant()
    scheduled_end = Instant(required=False)


class ImportInputSerializer(AssignmentInputSerializer):
    """One assignment of an import: brought to these values if its reference is known, else made."""

    reminder_status = Word(
        choices=ReminderStatus.values,
        required=False,
        help_text="SENT: the former system has told this plan, so nobody is told again. Others change nothing.",
    )


class ImportSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    ids = serializers.ListField(
        child=serializers.IntegerField(), help_text="In the order of the rows; empty when dry."
    )


class AssigneeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    reference = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    email = serializers.CharField()
    phone = serializers.CharField()
    time_zone = serializers.CharField()
    language = serializers.CharField()


class AssignmentSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    reference = serializers.CharField(allow_null=True)
    title = serializers.CharField()
    kind = serializers.CharField()
    location = serializers.CharField()
    notes = serializers.CharField()
    assignee = AssigneeSerializer(allow_null=True)
    status = serializers.ChoiceField(choices=Status.values)
    scheduled_start = Instant()
    scheduled_end = Instant(allow_null=True)
    lead_minutes = serializers.IntegerField(allow_null=True)
    reminder_status = serializers.ChoiceField(choices=ReminderStatus.values)
    answer = AnswerWord(help_text="The assignee's own word on this start; another start takes it away.")
    answered_at = Instant(allow_null=True)
    answer_note = serializers.CharField(help_text="Why they can't make it, in their own words.")
    version = serializers.IntegerField()
    created_at = Instant()
    updated_at = Instant()


class AnyList(serializers.ListSerializer[Any]):
    """Flat objects with the columns of the CSV file."""

    child = serializers.DictField()


class AssignmentPage(serializers.Serializer[Any]):
    next = serializers.CharField(
        allow_null=True, help_text="The address of the next page; null on the last one."
    )
    results = AssignmentSerializer(many=True)


class Query(Strict):
    """Values out of an address: each is text there, and given once."""

    @classmethod
    def values_of(cls, query: QueryDict) -> dict[str, Any]:
        """One text each; what is given more than once is a list, which no field accepts."""
        return {name: values[0] if len(values) == 1 else values for name, values in query.lists()}


class Number(Whole):
    """A whole number from 1 on as it stands in an address."""

    def __init__(self, *, max_value: int = BIGGEST_ID, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=max_value, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not data.isascii() or not data.isdigit() or len(data) > 19:
            self.fail("invalid")
        return super().to_internal_value(int(data))


class Flag(serializers.BooleanField):
    """1, 0, true or false in an address."""

    def to_internal_value(self, data: Any) -> bool:
        match data:
            case "1" | "true":
                return True
            case "0" | "false":
                return False
        self.fail("invalid", input="this value")


class AssignmentFilter(Query):
    status = Word(choices=Status.values, required=False)
    reminder_status = Word(choices=ReminderStatus.values, required=False)
    answer = Word(choices=Answer.names, required=False, help_text="What the assignee has answered.")
    assignee = Number(required=False, help_text="The id of an assignee.")
    starts_after = Instant(required=False, help_text="Work that starts at this instant or later.")
    starts_before = Instant(required=False, help_text="Work that starts before this instant.")
    search = Text(
        required=False, max_length=200, help_text="A part of reference, title or the assignee's name."
    )


class ExportQuery(AssignmentFilter):
    format = Word(choices=("csv", "json"), default="csv")


class AssignmentQuery(AssignmentFilter):
    ordering = Word(choices=ORDERINGS, default="scheduled_start")
    limit = Number(max_value=MOST_PER_PAGE, default=100, help_text="Assignments a page.")
    cursor = Text(required=False, max_length=200, help_text="Where the page begins; taken from `next`.")


class LogQuery(Query):
    due_after = Instant(required=False, help_text="Due at this instant or later.")
    due_before = Instant(required=False, help_text="Due before this instant.")
    state = Word(choices=State.values, required=False)
    format = Word(choices=("csv", "json"), default="csv")


class DryRun(Query):
    dry_run = Flag(default=False, help_text="Only say what would happen.")


# --- the ledger ------------------------------------------------------------------------------------------------


class AttemptSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    started_at = Instant()
    finished_at = Instant()
    outcome = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ReminderSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    version = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Kind.values)
    rule = serializers.CharField()
    recipient = serializers.CharField()
    channel = serializers.CharField()
    state = serializers.ChoiceField(choices=State.values)
    reason = serializers.ChoiceField(choices=["", *Reason.values])
    planned_at = Instant()
    planned_start = Instant()
    due_at = Instant()
    not_after = Instant(allow_null=True)
    next_attempt_at = Instant()
    sent_at = Instant(allow_null=True)
    closed_at = Instant(allow_null=True)
    ambiguous = serializers.IntegerField(help_text="Sends whose end nobody can know.")
    message_id = serializers.CharField()
    attempts = AttemptSerializer(many=True, source="attempt_rows")


class Ledger(serializers.Serializer[Any]):
    results = ReminderSerializer(many=True)


class GateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    passed = serializers.BooleanField()
    observed = serializers.CharField(help_text="The value that was looked at.")
    consequence = serializers.CharField(
        help_text="What it means while it does not hold; empty where it does."
    )


class TimelineEntrySerializer(serializers.Serializer[Any]):
    at = Instant(allow_null=True)
    summary = serializers.CharField()


class ReminderExplanationSerializer(serializers.Serializer[Any]):
    """One row of the ledger. `gates` is empty where it has ended."""

    reminder_id = serializers.IntegerField()
    version = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Kind.values)
    recipient = serializers.CharField()
    to = serializers.CharField()
    channel = serializers.CharField()
    state = serializers.ChoiceField(choices=State.values)
    reason = serializers.ChoiceField(choices=["", *Reason.values])
    due_at = Instant()
    not_after = Instant(allow_null=True)
    next_at = Instant(allow_null=True)
    sent_at = Instant(allow_null=True)
    possible_duplicate = serializers.BooleanField()
    gates = GateSerializer(many=True)
    summary = serializers.CharField()
    attempts = AttemptSerializer(many=True)


class ExplanationSerializer(serializers.Serializer[Any]):
    """Will it be sent, when and to whom; and if not, why not."""

    assignment_id = serializers.IntegerField()
    reference = serializers.CharField()
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.values)
    version = serializers.IntegerField()
    scheduled_start = Instant()
    reminder_status = serializers.ChoiceField(choices=ReminderStatus.values)
    answer = serializers.ChoiceField(choices=Answer.names)
    answered_at = Instant(allow_null=True)
    answer_note = serializers.CharField()
    asked_at = Instant()
    to = serializers.CharField(help_text="Who is reminded; never an address.")
    outlook = serializers.ChoiceField(choices=[outlook.value for outlook in Outlook], source="outlook.value")
    will_send = serializers.BooleanField(help_text="A reminder is still to come, by itself.")
    next_at = Instant(
        allow_null=True, help_text="When something happens next; null where a person must act first."
    )
    summary = serializers.CharField(help_text="The answer in one sentence.")
    advice = serializers.CharField(help_text="What an operator can do; empty where nothing is needed.")
    gates = GateSerializer(many=True, help_text="What must hold, in the order in which it is tried.")
    upcoming = TimelineEntrySerializer(many=True, help_text="What comes if nobody changes anything.")
    history = TimelineEntrySerializer(many=True, help_text="What happened.")
    problems = serializers.ListField(
        child=serializers.CharField(), help_text="What is wrong with the machinery at this moment."
    )
    reminders = ReminderExplanationSerializer(
        many=True, help_text="Every row of the ledger, the newest version first."
    )


# --- operators -------------------------------------------------------------------------------------------------


class Reasoned(Strict):
    reason = Text(max_length=MAX_REASON_LENGTH, help_text="Kept in the audit trail.")


class MaybeReasoned(Strict):
    reason = Text(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True, default="")


class ResetInputSerializer(Reasoned):
    """Without `ids` and `future`: what is out of sync."""

    ids = serializers.ListField(child=Id(), required=False, min_length=1, max_length=MOST_IDS)
    future = Switch(
        default=False,
        help_text="Every future assignment that is SENT: their people are nudged a second time.",
    )
    starts_after = Instant(required=False)
    starts_before = Instant(required=False)
    dry_run = Switch(default=False, help_text="Only say what would happen.")
    plan = Text(
        required=False, max_length=64, help_text="The plan that a dry run has shown: any other is refused."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "ids" in attrs and (attrs["future"] or attrs.keys() & {"starts_after", "starts_before"}):
            raise serializers.ValidationError(
                "ids stand alone: leave future and the window out", "contradiction"
            )
        return attrs


class SkippedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    why = serializers.ChoiceField(choices=[why.value for why in Why])


class TargetSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    scheduled_start = Instant(source="start")
    reminder_status = serializers.ChoiceField(choices=ReminderStatus.values)
    effect = serializers.ChoiceField(choices=[effect.value for effect in Effect], source="effect.value")


class ResetSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    plan = serializers.CharField(help_text="The name of what was shown; send it with the run.")
    reset = serializers.IntegerField(help_text="Assignments that are, or would be, reset.")
    people_nudged_again = serializers.IntegerField()
    targets = TargetSerializer(many=True, help_text=f"The first {SHOWN} of them.")
    skipped = SkippedSerializer(many=True, help_text=f"The first {SHOWN} that are left alone, and why.")


class PauseInputSerializer(Reasoned):
    until = Instant(required=False, allow_null=True, default=None)


class ResumeInputSerializer(MaybeReasoned):
    """What is skipped needs a reason."""

    skip = serializers.ListField(
        child=Word(choices=[part.value for part in BacklogPart]),
        default=list,
        max_length=len(BacklogPart),
        help_text="Parts of the backlog that are skipped instead of sent.",
    )


class PauseSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    by = serializers.CharField()
    reason = serializers.CharField()
    since = Instant()
    until = Instant(allow_null=True)
    ended_at = Instant(allow_null=True)
    ended_by = serializers.CharField()


class BacklogSerializer(serializers.Serializer[Any]):
    useful = serializers.IntegerField(help_text="Reminders of work that is still ahead: sent at once.")
    late = serializers.IntegerField(help_text="Reminders of work that has begun by the clock.")
    too_late = serializers.IntegerField(help_text="Of no use any more: skipped by itself.")
    overdue_notices = serializers.IntegerField(
        source="notices", help_text="To supervisors, about work that nobody has started."
    )
    unplanned = serializers.IntegerField(
        help_text="Due work that no scan has seen yet: a rescan sorts it into the figures above."
    )


class ResumeSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    pause = PauseSerializer(allow_null=True)
    backlog = BacklogSerializer()
    skipped = serializers.IntegerField()


class CountedSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=Status.values)
    reminder_status = serializers.ChoiceField(choices=ReminderStatus.values)
    count = serializers.IntegerField()


class LastScanSerializer(serializers.Serializer[Any]):
    at = Instant()
    by = serializers.CharField()


class OpenBreakerSerializer(serializers.Serializer[Any]):
    channel = serializers.CharField()
    until = Instant()


class SeenSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    count = serializers.IntegerField()
    last_seen_at = Instant()


class MessagesSerializer(serializers.Serializer[Any]):
    at = Instant(help_text="The begin of five minutes.")
    state = serializers.ChoiceField(choices=State.values)
    count = serializers.IntegerField()


class SummarySerializer(serializers.Serializer[Any]):
    """How reminders do, at most 15 seconds old; one set of figures for everybody who asks."""

    taken_at = Instant()
    enabled = serializers.BooleanField(help_text="The master switch of the process that answers.")
    pause = PauseSerializer(allow_null=True, help_text="The pause in force.")
    assignments = CountedSerializer(
        many=True, help_text="What starts within a day of now, and what is older and still SCHEDULED."
    )
    declined = serializers.IntegerField(help_text="SCHEDULED, and its assignee can't make it.")
    overdue = serializers.IntegerField(help_text="Not started in time, by the clock.")
    due_unsent = serializers.IntegerField()
    oldest_due_age_seconds = serializers.FloatField()
    unaccounted = serializers.IntegerField(help_text="Due work without any row of the ledger: must be 0.")
    unknown = serializers.IntegerField(help_text="Reminders that an operator must decide about.")
    possible_duplicates = serializers.IntegerField(help_text="In the last 24 hours.")
    ledger = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Rows by state: open ones, and those that ended in the last 24 hours.",
    )
    failed = serializers.DictField(
        child=serializers.IntegerField(), help_text="By reason, in the last 24 hours."
    )
    messages = MessagesSerializer(many=True, help_text="What ended in the last hour, and what is coming.")
    last_scan = LastScanSerializer(allow_null=True)
    held_channels = OpenBreakerSerializer(many=True)
    processes = SeenSerializer(many=True, help_text="Who was seen at work lately.")
    queue_depth = serializers.IntegerField(
        allow_null=True, help_text="Messages that wait for workers; null while Redis does not answer."
    )


@extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}, "nullable": True})
class Counts(serializers.Field[Any, Any, Any, Any]):
    """How much of what a scan did."""

    def to_representation(self, value: Any) -> Any:
        return value


class ScanSerializer(serializers.Serializer[Any]):
    scan_id = serializers.IntegerField(source="id")
    trigger = serializers.ChoiceField(choices=ScanRun.Trigger.values)
    by = serializers.CharField()
    started_at = Instant()
    finished_at = Instant(allow_null=True)
    counts = Counts(allow_null=True, help_text="null while the scan runs.")
    error = serializers.CharField()


class ScanPlan(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    complete = serializers.BooleanField(help_text="false: there is more than could be counted in a request.")
    counts = Counts()


# --- errors ----------------------------------------------------------------------------------------------------


class FieldErrorSerializer(serializers.Serializer[Any]):
    row = serializers.IntegerField(
        required=False, help_text="Of an import: which assignment, from 1; in a CSV file the header is row 1."
    )
    field = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()


class ErrorSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    title = serializers.CharField()
    errors = FieldErrorSerializer(many=True)  # type: ignore[assignment]  # a field of that name
