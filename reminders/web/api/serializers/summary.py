"""The statistics of the Ops overview."""

from typing import Any

from rest_framework import serializers

from assignments.models import ReminderStatus, Status
from reminders.models import State
from reminders.web.api.fields import InstantField
from reminders.web.api.serializers.operations import PauseSerializer


class StatusCountSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=Status.values)
    reminder_status = serializers.ChoiceField(choices=ReminderStatus.values)
    count = serializers.IntegerField()


class LastScanSerializer(serializers.Serializer[Any]):
    at = InstantField()
    by = serializers.CharField()


class OpenBreakerSerializer(serializers.Serializer[Any]):
    channel = serializers.CharField()
    until = InstantField()


class ChannelPaceSerializer(serializers.Serializer[Any]):
    channel = serializers.CharField()
    per_minute = serializers.FloatField(help_text="How many messages a minute it accepts, about.")
    since = InstantField(
        allow_null=True, help_text="When it first refused more; null where only EMAIL_RATE limits it."
    )
    code = serializers.CharField(help_text="The code of its last refusal of this kind; may be empty.")
    waiting = serializers.IntegerField(help_text="Due messages that wait for their turn.")
    last_leaves_at = InstantField(allow_null=True, help_text="When the last of these leaves, about.")
    too_late = serializers.IntegerField(
        help_text="Messages, due or due within the look-ahead, that cannot leave in time at this pace."
    )


class ProcessCountSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    count = serializers.IntegerField()
    last_seen_at = InstantField()


class MessageCountSerializer(serializers.Serializer[Any]):
    at = InstantField(help_text="The start of five minutes.")
    state = serializers.ChoiceField(choices=State.values)
    count = serializers.IntegerField()


class SummarySerializer(serializers.Serializer[Any]):
    """The state of all reminders, at most 15 seconds old, shared by all callers.

    A caller who is limited to teams gets the figures of their work.
    """

    taken_at = InstantField()
    enabled = serializers.BooleanField(help_text="The master switch of the process that answers.")
    pause = PauseSerializer(allow_null=True, help_text="The pause in force.")
    assignments = StatusCountSerializer(
        many=True, help_text="What starts within a day of now, and what is older and still SCHEDULED."
    )
    declined = serializers.IntegerField(help_text="SCHEDULED, and declined by the assignee.")
    declined_soon = serializers.IntegerField(help_text="What `starting_soon=declined` lists.")
    unanswered_soon = serializers.IntegerField(help_text="What `starting_soon=unanswered` lists.")
    awareness = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Work that starts within two hours, was to start or has been started since, by `awareness`.",
    )
    unaware_soon = serializers.IntegerField(help_text="Such work whose assignee may not know of it yet.")
    untold_soon = serializers.IntegerField(
        help_text="What of this no message will tell anybody, unless somebody acts."
    )
    overdue = serializers.IntegerField(help_text="Not started in time, by the clock.")
    due_unsent = serializers.IntegerField()
    oldest_due_age_seconds = serializers.FloatField()
    unaccounted = serializers.IntegerField(help_text="Due work without any row of the ledger: must be 0.")
    unknown = serializers.IntegerField(help_text="Reminders that an operator must decide about.")
    possible_duplicates = serializers.IntegerField(help_text="In the last 24 hours.")
    bounced = serializers.IntegerField(help_text="Messages that came back, in the last 24 hours.")
    ledger = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Rows by state: open ones, and those that ended in the last 24 hours.",
    )
    failed = serializers.DictField(
        child=serializers.IntegerField(), help_text="By reason, in the last 24 hours."
    )
    messages = MessageCountSerializer(
        many=True, help_text="What ended in the last hour, and what is planned."
    )
    last_scan = LastScanSerializer(allow_null=True)
    held_channels = OpenBreakerSerializer(many=True)
    paces = ChannelPaceSerializer(many=True, help_text="Channels that accept only so many messages a minute.")
    processes = ProcessCountSerializer(many=True, help_text="Processes with a recent heartbeat.")
    queue_depth = serializers.IntegerField(
        allow_null=True,
        help_text="Messages waiting for workers; null while Redis does not answer, and for callers limited to teams.",
    )
    scan_queue_depth = serializers.IntegerField(
        allow_null=True,
        help_text="Messages waiting for the scanner; null while Redis does not answer, and for callers limited to teams.",
    )
    switched_off = serializers.ListField(
        child=serializers.CharField(), help_text="Tasks of the schedule that an operator has switched off."
    )
