"""The addresses of people, as the API takes and returns them."""

from typing import Any

from rest_framework import serializers

from assignments.contact_point import ContactChannel, ContactPoint
from assignments.contact_points import LONGEST_ADDRESS, MOST_POINTS
from reminders.web.api.fields import (
    InstantField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictSerializer,
)


class ContactPointSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    channel = serializers.ChoiceField(choices=ContactChannel.values)
    address = serializers.SerializerMethodField(
        help_text="An e-mail address, a telephone number (E.164), or the URL of a chat service. Of the last whoever may not"
        " change it sees only the scheme, for the rest may be a secret."
    )
    order = serializers.IntegerField(help_text="They are tried in this order, the lowest first.")
    verified_at = InstantField(allow_null=True, help_text="When the person answered from there.")
    opted_out_at = InstantField(allow_null=True, help_text="Since when no message goes there.")
    failing_since = InstantField(
        allow_null=True, help_text="Since when messages come back: it is tried after all others."
    )
    failing_reason = serializers.CharField(help_text="Why they come back; empty where they do not.")

    def get_address(self, point: ContactPoint) -> str:
        return point.address if self.context.get("may_write") else point.shown_address


class ContactPointListSerializer(serializers.Serializer[Any]):
    results = ContactPointSerializer(many=True)


class _Answered(StrictSerializer):
    answered: tuple[str, ...] = ("id", "verified_at", "opted_out_at", "failing_since", "failing_reason")

    address = StrictCharField(max_length=LONGEST_ADDRESS, help_text="Checked and stored in one spelling.")
    order = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=MOST_POINTS,
        help_text="Its place among those of the person, 1 for the first; a new one comes last without it.",
    )


class ContactPointInputSerializer(_Answered):
    """An address that a person gets."""

    channel = StrictChoiceField(choices=ContactChannel.values)


class ContactPointPatchSerializer(_Answered):
    """Another address, or another place. Another address is neither verified nor opted out."""

    answered = (*_Answered.answered, "channel")


class VerificationInputSerializer(StrictSerializer):
    """The code that the person has read, or nothing: then a message goes there."""

    code = StrictCharField(required=False, max_length=20, help_text="Of the last message by SMS.")


class VerificationSerializer(serializers.Serializer[Any]):
    """A message by which the person confirms the address; after a code, the time at which they did."""

    contact_point = serializers.IntegerField(source="contact_point_id")
    outcome = serializers.CharField(
        help_text="How the send ended: accepted, or unknowable where it may have arrived."
    )
    code = serializers.CharField(help_text="What the other side answered.")
    requested_at = InstantField()
    expires_at = InstantField(help_text="Until when the link or the code is good.")
    used_at = InstantField(allow_null=True, help_text="When the person used it.")
