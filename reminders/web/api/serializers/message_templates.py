"""Message templates as the API takes and shows them."""

from typing import Any

from rest_framework import serializers

from accounts.reasons import MAX_REASON_LENGTH
from assignments.contact_point import ContactChannel
from assignments.imports.fields import LARGEST_ID
from reminders.content.message_templates.checks import MOST_OF_BODY, MOST_OF_SUBJECT
from reminders.content.message_templates.variables import Role, TextForm
from reminders.insight.template_list import TextState
from reminders.models import MessageTemplate
from reminders.operations.message_templates import MOST_OCTETS
from reminders.web.api.fields import (
    InstantField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictSerializer,
)
from reminders.web.api.serializers.queries import NumberParameter, QuerySerializer

LANGUAGE = "One of en, de, es, fr, or a variant such as de-AT; it is shown as de-at."
SEEN = (
    "The number of the newest version that you know (0: none). If there is a newer one, 409 template_changed;"
    " without it, nothing is compared."
)


class TemplatePlaceInputSerializer(StrictSerializer):
    kind = StrictChoiceField(choices=MessageTemplate.Kind.values)
    channel = StrictChoiceField(choices=ContactChannel.values)
    language = StrictCharField(max_length=20, help_text=LANGUAGE)
    team = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="The id of the team whose work has this text; null: all work.",
    )


class TemplateTextInputSerializer(TemplatePlaceInputSerializer):
    subject = StrictCharField(
        required=False,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        max_length=MOST_OCTETS,
        help_text=f"Of a mail: one line of at most {MOST_OF_SUBJECT} characters. An SMS has none.",
    )
    body = StrictCharField(
        trim_whitespace=False,
        max_length=MOST_OCTETS,
        help_text=f"At most {MOST_OF_BODY[TextForm.MAIL]:,} characters of a mail, {MOST_OF_BODY[TextForm.SHORT]:,} of"
        " an SMS.",
    )


class MessageTemplateInputSerializer(TemplateTextInputSerializer):
    note = StrictCharField(
        max_length=MAX_REASON_LENGTH,
        required=False,
        allow_blank=True,
        help_text="Why, for the list of versions and the audit trail.",
    )
    seen = StrictIntegerField(required=False, min_value=0, max_value=LARGEST_ID, help_text=SEEN)


class TemplatePreviewInputSerializer(TemplateTextInputSerializer):
    sample = StrictCharField(
        required=False,
        max_length=40,
        help_text="On which row: one of `samples` of the starter. Else the usual one.",
    )
    assignment = StrictIntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="The id of an assignment: the row is about it, half an hour before its start.",
    )


class RestoreTemplateInputSerializer(StrictSerializer):
    version = StrictIntegerField(min_value=1, max_value=LARGEST_ID)
    note = StrictCharField(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True)
    seen = StrictIntegerField(required=False, min_value=0, max_value=LARGEST_ID, help_text=SEEN)


class MessageTemplateQuery(QuerySerializer):
    kind = StrictChoiceField(choices=MessageTemplate.Kind.values, required=False)
    channel = StrictChoiceField(choices=ContactChannel.values, required=False)
    language = StrictCharField(required=False, max_length=20)
    team = NumberParameter(required=False, help_text="The id of a team.")


class StarterQuery(QuerySerializer):
    kind = StrictChoiceField(choices=MessageTemplate.Kind.values)
    channel = StrictChoiceField(choices=ContactChannel.values)
    language = StrictCharField(required=False, max_length=20, help_text=LANGUAGE)


class MessageTemplateSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="template.pk")
    kind = serializers.ChoiceField(choices=MessageTemplate.Kind.values, source="template.kind")
    channel = serializers.ChoiceField(choices=ContactChannel.values, source="template.channel")
    language = serializers.CharField(source="template.language")
    team = serializers.IntegerField(source="template.team_id", allow_null=True)
    state = serializers.ChoiceField(
        choices=[one.value for one in TextState],
        help_text="off and broken: the built-in text is used. broken: this release refuses the version in force.",
    )
    problem = serializers.CharField(help_text="What is wrong with a broken one; else empty.")
    version = serializers.IntegerField(
        source="version.number", help_text="That in force; where it is off, the newest."
    )
    newest = serializers.IntegerField(help_text="The number of the newest version.")
    subject = serializers.CharField(source="version.subject")
    body = serializers.CharField(source="version.body")
    note = serializers.CharField(source="version.note")
    made_by = serializers.CharField(source="version.made_by")
    made_at = InstantField(source="version.made_at")
    changed_at = InstantField(source="template.changed_at")


class MessageTemplateListSerializer(serializers.Serializer[Any]):
    results = MessageTemplateSerializer(many=True)


class TemplateVersionSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    subject = serializers.CharField()
    body = serializers.CharField()
    note = serializers.CharField()
    made_by = serializers.CharField()
    made_at = InstantField()
    restored_from = serializers.IntegerField(allow_null=True, help_text="The version whose text it repeats.")


class TemplateVersionListSerializer(serializers.Serializer[Any]):
    results = TemplateVersionSerializer(many=True)


class TemplatePreviewSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField()
    text = serializers.CharField(help_text="As it would leave, with x in place of what opens its links.")
    html = serializers.CharField()
    encoding = serializers.CharField(help_text="Of an SMS: GSM-7 or UCS-2; else empty.")
    units = serializers.IntegerField(help_text="Of an SMS: septets, or code units of 16 bits.")
    segments = serializers.IntegerField()
    fault = serializers.CharField(
        help_text="Why this row would have the built-in text, which is shown then; else empty."
    )


class TemplateValueSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    role = serializers.ChoiceField(
        choices=[one.name.lower() for one in Role],
        help_text="flag: for conditions; block: several lines.",
    )
    description = serializers.CharField()
    example = serializers.CharField()

    def to_representation(self, instance: Any) -> Any:
        return {
            "name": instance.name,
            "role": instance.role.name.lower(),
            "description": instance.description,
            "example": instance.example,
        }


class StarterSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField()
    body = serializers.CharField()
    values = TemplateValueSerializer(many=True, help_text="What a text of this kind may name.")
    samples = serializers.ListField(
        child=serializers.CharField(), help_text="Rows on which a text can be tried."
    )
