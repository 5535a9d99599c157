"""The ledger of one assignment, and the explanation of its reminders."""

from typing import Any

from rest_framework import serializers

from assignments.models import Answer, ReminderStatus, Status
from reminders.insight.explain.answer import Outlook
from reminders.models import DeliveryKind, Kind, Reason, State
from reminders.policy.awareness import RUNGS
from reminders.policy.ways import channel_name, contact_point_of
from reminders.web.api.fields import InstantField
from reminders.web.api.serializers.acts import ActSerializer, ChangeSerializer

OF_CONTACT_POINT = "The id of the address; null: the person's first one of this channel."


class ChannelField(serializers.CharField):
    """The channel of a row, out of its way."""

    def to_representation(self, value: Any) -> str:
        return channel_name(value)


class ContactPointField(serializers.IntegerField):
    """The contact point of a row, out of its way."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, help_text=OF_CONTACT_POINT, **kwargs)

    def to_representation(self, value: Any) -> int | None:  # type: ignore[override]
        return contact_point_of(value)


class AttemptSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    started_at = InstantField()
    finished_at = InstantField()
    outcome = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()
    template_version = serializers.IntegerField(
        allow_null=True,
        help_text="The version of a message template that it was made from; null: the built-in text.",
    )
    template_fault = serializers.CharField(
        help_text="Why that version could not be used, so that the built-in text went out."
    )


class DeliveryEventSerializer(serializers.Serializer[Any]):
    at = InstantField()
    received_at = InstantField()
    kind = serializers.ChoiceField(choices=DeliveryKind.values)
    permanent = serializers.BooleanField(
        help_text="A bounce that the next message to this address would meet too."
    )
    source = serializers.CharField(  # type: ignore[assignment]  # hides an attribute of the base
        help_text="Who said it: a mail server (dsn), a complaint (arf), or a provider by its name."
    )
    detail = serializers.CharField()


class ReminderSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    version = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Kind.values)
    rule = serializers.CharField()
    recipient = serializers.CharField()
    channel = ChannelField()
    contact_point = ContactPointField(source="channel")
    state = serializers.ChoiceField(choices=State.values)
    reason = serializers.ChoiceField(choices=["", *Reason.values])
    planned_at = InstantField()
    planned_start = InstantField()
    due_at = InstantField()
    not_after = InstantField(allow_null=True)
    next_attempt_at = InstantField()
    sent_at = InstantField(allow_null=True)
    closed_at = InstantField(allow_null=True)
    ambiguous = serializers.IntegerField(help_text="Attempts whose outcome cannot be known.")
    message_id = serializers.CharField(
        help_text="Of the message that was accepted; several notices may share one."
    )
    digest_id = serializers.IntegerField(
        allow_null=True, help_text="The row that leads the message which holds this row and others."
    )
    attempts = AttemptSerializer(many=True, source="attempt_rows")
    delivery_events = DeliveryEventSerializer(
        many=True, source="delivery_events.all", help_text="What became of it after it was accepted."
    )


class ReminderListSerializer(serializers.Serializer[Any]):
    results = ReminderSerializer(many=True)


class GateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    passed = serializers.BooleanField()
    observed = serializers.CharField(help_text="The value that was checked.")
    consequence = serializers.CharField(help_text="What follows while it fails; empty where it passes.")


class TimelineEntrySerializer(serializers.Serializer[Any]):
    at = InstantField(allow_null=True)
    summary = serializers.CharField()


class ReminderExplanationSerializer(serializers.Serializer[Any]):
    """One row of the ledger. `gates` is empty where it has ended."""

    reminder_id = serializers.IntegerField()
    version = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Kind.values)
    rule = serializers.CharField()
    recipient = serializers.CharField()
    to = serializers.CharField()
    channel = serializers.CharField()
    contact_point = serializers.IntegerField(allow_null=True, help_text=OF_CONTACT_POINT)
    state = serializers.ChoiceField(choices=State.values)
    reason = serializers.ChoiceField(choices=["", *Reason.values])
    due_at = InstantField()
    not_after = InstantField(allow_null=True)
    next_at = InstantField(allow_null=True)
    sent_at = InstantField(allow_null=True)
    message_id = serializers.CharField()
    digest_id = serializers.IntegerField(allow_null=True)
    others_in_message = serializers.IntegerField(
        help_text="How many other notices are in the same message to a supervisor."
    )
    possible_duplicate = serializers.BooleanField()
    gates = GateSerializer(many=True)
    summary = serializers.CharField()
    attempts = AttemptSerializer(many=True)
    delivery_events = DeliveryEventSerializer(many=True)


class RuleExplanationSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField(help_text="Its key in the ledger.")
    name = serializers.CharField()
    applies = serializers.BooleanField()
    due_at = InstantField(allow_null=True)
    summary = serializers.CharField()


class ExplanationSerializer(serializers.Serializer[Any]):
    """Will it be sent, when and to whom; and if not, why not."""

    assignment_id = serializers.IntegerField()
    reference = serializers.CharField()
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.values)
    version = serializers.IntegerField()
    scheduled_start = InstantField()
    reminder_status = serializers.ChoiceField(choices=ReminderStatus.values)
    answer = serializers.ChoiceField(choices=Answer.names)
    answered_at = InstantField(allow_null=True)
    answer_note = serializers.CharField()
    expected_start = InstantField(allow_null=True)
    on_my_way_at = InstantField(allow_null=True)
    started_at = InstantField(allow_null=True)
    completed_at = InstantField(allow_null=True)
    awareness = serializers.ChoiceField(choices=RUNGS, allow_null=True)
    awareness_summary = serializers.CharField(
        help_text="The same in words; empty where the work is cancelled."
    )
    asked_at = InstantField()
    to = serializers.CharField(help_text="Who is reminded; never an address.")
    outlook = serializers.ChoiceField(choices=[outlook.value for outlook in Outlook], source="outlook.value")
    will_send = serializers.BooleanField(help_text="A reminder is still planned.")
    next_at = InstantField(
        allow_null=True, help_text="When something happens next; null where a person must act first."
    )
    summary = serializers.CharField(help_text="The answer in one sentence.")
    advice = serializers.CharField(help_text="What an operator can do; empty where nothing is needed.")
    gates = GateSerializer(many=True, help_text="Conditions, in the order in which they are checked.")
    upcoming = TimelineEntrySerializer(many=True, help_text="What happens if nothing changes.")
    history = TimelineEntrySerializer(many=True, help_text="What happened.")
    problems = serializers.ListField(
        child=serializers.CharField(), help_text="Problems of the system at this moment."
    )
    acts = ActSerializer(many=True, help_text="What people did about the work, in the order of time.")
    changes = ChangeSerializer(
        many=True, help_text="What was changed of the work, and by whom, the latest 200."
    )
    rules = RuleExplanationSerializer(
        many=True, help_text="What each rule does for this work; empty where the built-in one is alone."
    )
    reminders = ReminderExplanationSerializer(
        many=True, help_text="Every row of the ledger, the newest version first."
    )
