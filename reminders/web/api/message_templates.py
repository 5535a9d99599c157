"""Message templates over HTTP: what people read, in the organisation's own words."""

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from assignments.models import Assignment
from assignments.services import UnknownAssignment
from reminders.content.message_templates import active
from reminders.content.message_templates.starters import starter
from reminders.content.message_templates.variables import variables
from reminders.insight.template_list import StoredText, stored_text, stored_texts
from reminders.insight.template_preview import preview_text, sample_names
from reminders.operations import message_templates
from reminders.operations.message_templates import UnknownTemplate
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.serializers import message_templates as shapes
from reminders.web.api.serializers import queries
from reminders.web.api.serializers.operations import OptionalReasonInputSerializer
from reminders.web.team_limits import TeamAccess


class MessageTemplateEndpoint(Endpoint):
    """Read by all, written by operators. Who is limited to teams sees and writes the texts of these, and no others."""

    scope = "ops"
    team_limit = TeamAccess.NARROWS

    def found(self, pk: int) -> StoredText:
        """The template; UnknownTemplate where the caller sees none with this id."""
        found = stored_text(pk, self.team_scope)
        if found is None:
            raise UnknownTemplate(f"there is no template {pk}")
        return found


class MessageTemplateListView(MessageTemplateEndpoint):
    """All templates."""

    @extend_schema(
        operation_id="message_templates_list",
        parameters=[shapes.MessageTemplateQuery],
        responses=responses({200: shapes.MessageTemplateListSerializer}),
    )
    def get(self, request: Request) -> Response:
        """Lists the stored texts, by kind, channel, language and team."""
        asked = self.address(shapes.MessageTemplateQuery)
        asked["team_id"] = asked.pop("team", None)
        found = {"results": stored_texts(scope=self.team_scope, **asked)}
        return Response(shapes.MessageTemplateListSerializer(found).data)

    @extend_schema(
        operation_id="message_templates_save",
        request=shapes.MessageTemplateInputSerializer,
        responses=responses(
            {200: shapes.MessageTemplateSerializer, 201: shapes.MessageTemplateSerializer}, 409, 413, 415
        ),
    )
    def post(self, request: Request) -> Response:
        """Puts a text into force, as the next version (201).

        The text that is in force already changes nothing (200). What is wrong is named with field, line and character.
        """
        body = self.body(shapes.MessageTemplateInputSerializer)
        saved, is_new = message_templates.save_template(
            kind=body["kind"],
            channel=body["channel"],
            language=body["language"],
            team_id=body.get("team"),
            subject=body["subject"],
            body=body["body"],
            by=self.by(),
            note=body.get("note", ""),
            seen=body.get("seen"),
            scope=self.team_scope,
        )
        answer = shapes.MessageTemplateSerializer(self.found(saved.template_id))
        return Response(answer.data, status=201 if is_new else 200)


class MessageTemplateView(MessageTemplateEndpoint):
    """One template."""

    @extend_schema(
        operation_id="message_templates_read",
        responses=responses({200: shapes.MessageTemplateSerializer}, 404),
    )
    def get(self, request: Request, pk: int) -> Response:
        """Reads a stored text: the version in force, or, where it is off, the newest."""
        return Response(shapes.MessageTemplateSerializer(self.found(pk)).data)


class TemplateVersionListView(MessageTemplateEndpoint):
    """The versions of a template."""

    @extend_schema(
        operation_id="message_templates_versions",
        responses=responses({200: shapes.TemplateVersionListSerializer}, 404),
    )
    def get(self, request: Request, pk: int) -> Response:
        """Lists the versions of a template, the newest first."""
        self.address(queries.NoQuery)
        found = {"results": message_templates.versions_of(self.found(pk).template)}
        return Response(shapes.TemplateVersionListSerializer(found).data)


class RestoreTemplateView(MessageTemplateEndpoint):
    """A former version again."""

    @extend_schema(
        operation_id="message_templates_restore",
        request=shapes.RestoreTemplateInputSerializer,
        responses=responses({200: shapes.MessageTemplateSerializer}, 404, 409, 413, 415),
    )
    def post(self, request: Request, pk: int) -> Response:
        """Puts the text of a former version into force, as a version of its own."""
        body = self.body(shapes.RestoreTemplateInputSerializer)
        message_templates.restore_version(
            pk,
            body["version"],
            by=self.by(),
            note=body.get("note", ""),
            seen=body.get("seen"),
            scope=self.team_scope,
        )
        return Response(shapes.MessageTemplateSerializer(self.found(pk)).data)


class DeactivateTemplateView(MessageTemplateEndpoint):
    """The built-in text again."""

    @extend_schema(
        operation_id="message_templates_deactivate",
        request=OptionalReasonInputSerializer,
        responses=responses({200: shapes.MessageTemplateSerializer}, 404, 413, 415),
    )
    def post(self, request: Request, pk: int) -> Response:
        """Takes a text out of force: the built-in one is used again. Its versions stay."""
        body = self.body(OptionalReasonInputSerializer)
        message_templates.deactivate_template(
            pk, by=self.by(), reason=body.get("reason", ""), scope=self.team_scope
        )
        return Response(shapes.MessageTemplateSerializer(self.found(pk)).data)


class StarterView(MessageTemplateEndpoint):
    """What a text begins as."""

    @extend_schema(
        operation_id="message_templates_starter",
        parameters=[shapes.StarterQuery],
        responses=responses({200: shapes.StarterSerializer}),
    )
    def get(self, request: Request) -> Response:
        """Reads a text to begin with, the values that it may name, and rows to try it on."""
        asked = self.address(shapes.StarterQuery)
        form = active.form_of(asked["channel"])
        begun = starter(asked["kind"], form, asked.get("language", "en"))
        answer = {
            "subject": begun.subject,
            "body": begun.body,
            "values": list(variables(asked["kind"], form).values()),
            "samples": sample_names(asked["kind"], asked["channel"]),
        }
        return Response(shapes.StarterSerializer(answer).data)


class TemplatePreviewView(MessageTemplateEndpoint):
    """What a text makes of a row."""

    @extend_schema(
        operation_id="message_templates_preview",
        request=shapes.TemplatePreviewInputSerializer,
        responses=responses({200: shapes.TemplatePreviewSerializer}, 404, 413, 415),
    )
    def post(self, request: Request) -> Response:
        """Shows the message that a text makes of a sample row or of an assignment.

        Nothing is stored or sent. What is wrong is named with field, line and character. What opens a link is replaced by x.
        """
        body = self.body(shapes.TemplatePreviewInputSerializer)
        shown = preview_text(
            **message_templates.checked_text(
                kind=body["kind"],
                channel=body["channel"],
                language=body["language"],
                team_id=body.get("team"),
                subject=body["subject"],
                body=body["body"],
                scope=self.team_scope,
            ),
            sample=_sample(body),
            work=self._work(body.get("assignment")),
        )
        return Response(shapes.TemplatePreviewSerializer(shown).data)

    def _work(self, pk: int | None) -> Assignment | None:
        if pk is None:
            return None
        known = Assignment.objects.visible_to(self.team_scope).select_related("assignee__team", "team")
        found = known.filter(pk=pk).first()
        if found is None:
            raise UnknownAssignment(f"there is no assignment {pk}")
        return found


def _sample(body: Any) -> str:
    names = sample_names(body["kind"], body["channel"])
    asked: str = body.get("sample", names[0])
    if asked not in names:
        raise ValidationError({"sample": f"one of {', '.join(names)} is needed"})
    return asked
