"""Erasing a person, and what is known of one, over HTTP: for callers with the scope `privacy`."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reminders.operations import erasing, person_exports
from reminders.operations.contact_points import UnknownPerson, person_of
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.fields import InstantField, StrictBooleanField
from reminders.web.api.serializers.operations import ReasonInputSerializer
from reminders.web.team_limits import TeamAccess


class EraseInputSerializer(ReasonInputSerializer):
    dry_run = StrictBooleanField(
        default=False, help_text="Only say what would go and what would stay (`plan`); nothing is done."
    )


class ErasurePlanSerializer(serializers.Serializer[Any]):
    possible = serializers.BooleanField(help_text="Whether nothing is in the way, such as open work.")
    refusal = serializers.CharField(help_text="What is in the way; empty: nothing.")
    goes = serializers.DictField(child=serializers.IntegerField(), help_text="What would be removed.")
    stays = serializers.DictField(
        child=serializers.IntegerField(), help_text="What would stay, under the pseudonym."
    )
    texts = serializers.DictField(
        child=serializers.IntegerField(), help_text="Rows whose texts name the person, by table."
    )
    texts_counted = serializers.BooleanField(help_text="false: there was no time to look at all texts.")
    account_with_their_address = serializers.BooleanField(
        help_text="An account that signs in has an address of theirs; it stays."
    )


class ErasureSerializer(serializers.Serializer[Any]):
    person = serializers.IntegerField()
    pseudonym = serializers.CharField(help_text="What stands for this person from then on.")
    dry_run = serializers.BooleanField()
    plan = ErasurePlanSerializer(allow_null=True, help_text="With `dry_run`; else null.")
    erased_at = InstantField(allow_null=True)
    finished = serializers.BooleanField(help_text="false: texts are still being looked through.")
    texts = serializers.DictField(
        child=serializers.IntegerField(), help_text="Rows that were changed or removed so far, by table."
    )


class PersonExportSerializer(serializers.Serializer[Any]):
    """What is kept of a person; its parts are described in docs/reference.md."""

    exported_at = serializers.CharField()
    person = serializers.DictField()
    contact_points = serializers.ListField(child=serializers.DictField())
    assignments = serializers.ListField(child=serializers.DictField())
    messages = serializers.ListField(child=serializers.DictField())
    acts = serializers.ListField(child=serializers.DictField())
    opt_outs = serializers.ListField(child=serializers.DictField())
    verifications = serializers.ListField(child=serializers.DictField())
    sms_replies = serializers.ListField(child=serializers.DictField())
    audit = serializers.ListField(child=serializers.DictField())


class EraseView(Endpoint):
    """Erases a person."""

    scope = scope_to_read = "privacy"
    team_limit = TeamAccess.NARROWS

    @extend_schema(
        operation_id="people_erase",
        request=EraseInputSerializer,
        responses=responses(
            {
                200: OpenApiResponse(ErasureSerializer, "Nothing names the person any more; or a dry run."),
                202: OpenApiResponse(
                    ErasureSerializer, "The person is erased; some texts are still looked through."
                ),
            },
            *(404, 409, 413, 415),
        ),
    )
    def post(self, request: Request, pk: int) -> Response:
        """Erases a person for good; figures and history stay under a pseudonym.

        Name, addresses, notes and tokens go. Refused (409) while work of theirs is still to be done. The same call
        again does the rest, if there is any.
        """
        try:
            person_of(pk, scope=self.team_scope)
            asked = self.body(EraseInputSerializer)
            if asked["dry_run"]:
                plan = erasing.plan_erasure(pk, scope=self.team_scope)
                return self._shown(
                    {**NOTHING_DONE, "person": pk, "pseudonym": plan.pseudonym, "plan": plan.as_json()}
                )
            done = erasing.erase(pk, by=self.by(), reason=asked["reason"], scope=self.team_scope)
        except UnknownPerson:
            raise Http404 from None
        state = {
            "person": done.person,
            "pseudonym": done.pseudonym,
            "dry_run": False,
            "plan": None,
            "erased_at": done.erased_at,
            "finished": done.finished,
            "texts": done.texts,
        }
        return self._shown(state, status=200 if done.finished else 202)

    @staticmethod
    def _shown(state: dict[str, Any], status: int = 200) -> Response:
        return Response(ErasureSerializer(state).data, status=status)


NOTHING_DONE: dict[str, Any] = {"dry_run": True, "erased_at": None, "finished": False, "texts": {}}


class PersonExportView(Endpoint):
    """What is known of a person."""

    scope = scope_to_read = "privacy"
    team_limit = TeamAccess.NARROWS

    @extend_schema(operation_id="people_export", responses=responses({200: PersonExportSerializer}, 404, 409))
    def get(self, request: Request, pk: int) -> Response:
        """Exports everything that is kept of a person, for somebody who asks. That it was read is in the audit trail."""
        try:
            return Response(person_exports.export_person(pk, by=self.by(), scope=self.team_scope))
        except UnknownPerson:
            raise Http404 from None
