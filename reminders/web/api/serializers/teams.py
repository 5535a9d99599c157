"""Teams and people, as the API takes and returns them."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from assignments.imports.fields import ASSIGNEE, QUIET_HOURS, Field
from assignments.models import Team
from reminders.web.api.fields import IdField, InstantField, StrictCharField, StrictListField, TimeOfDayField
from reminders.web.api.serializers.assignments import AssigneeSerializer, DeclaredSerializer
from reminders.web.api.serializers.contact_points import ContactPointSerializer

MAX_SUPERVISORS = 100


class TeamInputSerializer(DeclaredSerializer):
    """A team as it is created or changed."""

    declarations: Mapping[str, Field] = {"time_zone": ASSIGNEE["time_zone"], **QUIET_HOURS}
    answered = ("id", "created_at", "updated_at")

    name = StrictCharField(max_length=100, help_text="Unique.")
    organisation = StrictCharField(
        max_length=100,
        required=False,
        allow_blank=True,
        help_text="Ends mails about the team's work; empty: ORGANISATION_NAME.",
    )
    phone = StrictCharField(
        max_length=40,
        required=False,
        allow_blank=True,
        help_text="Whom assignees may call about its work; empty: ORGANISATION_PHONE.",
    )
    reply_to = StrictCharField(
        max_length=254,
        required=False,
        allow_blank=True,
        help_text="Where answers to mails about its work go; empty: EMAIL_REPLY_TO.",
    )
    supervisors = StrictListField(
        child=IdField(),
        required=False,
        max_length=MAX_SUPERVISORS,
        help_text="Ids of the people who are notified when work of the team is overdue.",
    )


class TeamSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    time_zone = serializers.CharField(
        help_text="Where the team works; quiet hours go by the clock of each person."
    )
    quiet_from = TimeOfDayField(allow_null=True)
    quiet_until = TimeOfDayField(allow_null=True)
    organisation = serializers.CharField()
    phone = serializers.CharField()
    reply_to = serializers.CharField()
    supervisors = serializers.SerializerMethodField()
    created_at = InstantField()
    updated_at = InstantField()

    def get_supervisors(self, team: Team) -> list[int]:
        return sorted(person.pk for person in team.supervisors.all())


class TeamListSerializer(serializers.Serializer[Any]):
    results = TeamSerializer(many=True)


class PersonInputSerializer(DeclaredSerializer):
    """A person as it is created or changed."""

    declarations: Mapping[str, Field] = {
        **{name: one for name, one in ASSIGNEE.items() if name not in ("id", "name")},
        **QUIET_HOURS,
    }
    answered = ("id", "contact_points", "erased_at", "created_at", "updated_at")

    name = StrictCharField(max_length=200)


class OptOutSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField(help_text="default: the built-in rule; rule:ID: one of the reminder rules.")
    via = serializers.CharField()
    at = InstantField()


class PersonSerializer(AssigneeSerializer):
    opt_outs = OptOutSerializer(
        many=True, source="opt_outs_in_force", help_text="The rules of which this person wants no reminders."
    )
    contact_points = ContactPointSerializer(
        many=True,
        help_text="In the order in which they are tried; the first of their channel are `email` and `phone`.",
    )
    quiet_from = TimeOfDayField(allow_null=True, help_text="On this person's clock; null: those of the team.")
    quiet_until = TimeOfDayField(allow_null=True)
    erased_at = InstantField(
        allow_null=True, help_text="Since when nothing is known of this person; null: they were not erased."
    )
    created_at = InstantField()
    updated_at = InstantField()


class PersonPageSerializer(serializers.Serializer[Any]):
    next = serializers.CharField(
        allow_null=True, help_text="The address of the next page; null on the last one."
    )
    results = PersonSerializer(many=True)
