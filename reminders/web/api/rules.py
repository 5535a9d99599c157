"""Reminder rules over HTTP. For operators only."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from reminders import conf
from reminders.insight.rule_preview import preview_change
from reminders.insight.rule_progress import rule_progress
from reminders.models import ReminderRule
from reminders.operations import reminder_rules
from reminders.operations.reminder_rules import UnknownRule
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.idempotency import IDEMPOTENCY_KEY, idempotent
from reminders.web.api.serializers import queries
from reminders.web.api.serializers import rules as shapes
from reminders.web.team_limits import TeamAccess

PREVIEW_BUDGET = timedelta(seconds=10)


class RuleEndpoint(Endpoint):
    """Rules are read and changed by operators. Who is limited to teams sees the rules made for them, and no others."""

    scope = scope_to_read = "ops"
    team_limit = TeamAccess.NARROWS
    path = ""
    """Before the names of a rule's fields, where the rule is inside of another object."""

    def visible(self) -> QuerySet[ReminderRule]:
        """The rules that the caller sees."""
        return ReminderRule.objects.visible_to(self.team_scope).order_by("name")

    def found(self, pk: int) -> ReminderRule:
        """The rule; UnknownRule where the caller sees none with this id."""
        found = self.visible().filter(pk=pk).first()
        if found is None:
            raise UnknownRule(f"there is no rule {pk}")
        return found

    def handle_exception(self, exc: Exception) -> Response:
        """Names the fields of a rule as they were sent."""
        if isinstance(exc, ValidationError) and hasattr(exc, "error_dict"):
            errors = exc.error_dict
            exc = ValidationError(
                {self.path + shapes.PLACES.get(name, name): found for name, found in errors.items()}
            )
        return super().handle_exception(exc)

    def refuse_wider(self, rule: ReminderRule) -> None:
        """A caller who is limited to teams makes rules for these teams only."""
        teams = self.team_scope.teams
        if teams is None or (rule.scope == ReminderRule.Scope.TEAM and rule.scope_value in map(str, teams)):
            return
        raise NotFound("a caller who is limited to teams makes rules for one of them")


class RuleListView(RuleEndpoint):
    """All rules."""

    @extend_schema(operation_id="rules_list", responses=responses({200: shapes.RuleListSerializer}))
    def get(self, request: Request) -> Response:
        """Lists the rules by their names, and how far scans have followed their last change."""
        self.address(queries.NoQuery)
        found = {"results": self.visible(), "progress": rule_progress(self.team_scope)}
        return Response(shapes.RuleListSerializer(found).data)

    @extend_schema(
        operation_id="rules_create",
        request=shapes.RuleInputSerializer,
        responses=responses({201: shapes.RuleSerializer}, 404, 409, 413, 415, 422),
        parameters=[IDEMPOTENCY_KEY],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Makes a rule. The ledger follows it with the next scan."""
        body = self.body(shapes.RuleInputSerializer)
        values = shapes.values_of(body)
        self.refuse_wider(reminder_rules.unsaved(values))
        made = reminder_rules.add_rule(values, by=self.by(), reason=body.get("reason", ""))
        return Response(shapes.RuleSerializer(made).data, status=201)

    def may_see_again(self, body: Any) -> bool:
        return self.visible().filter(pk=body["id"]).exists()


class RuleView(RuleEndpoint):
    """One rule."""

    @extend_schema(operation_id="rules_read", responses=responses({200: shapes.RuleSerializer}, 404))
    def get(self, request: Request, pk: int) -> Response:
        """Reads a rule."""
        return Response(shapes.RuleSerializer(self.found(pk)).data)

    @extend_schema(
        operation_id="rules_change",
        request=shapes.RuleInputSerializer(partial=True),
        responses=responses({200: shapes.RuleSerializer}, 404, 409, 413, 415),
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Changes the fields of a rule that are sent.

        `trigger`, `scope` and `repeat` are sent whole. Rows that nobody has begun move.
        """
        self.found(pk)
        body = self.body(shapes.RuleInputSerializer, partial=True)
        values = shapes.values_of(body)
        self.refuse_wider(reminder_rules.changed_copy(pk, values))
        changed = reminder_rules.change_rule(pk, values, by=self.by(), reason=body.get("reason", ""))
        return Response(shapes.RuleSerializer(changed).data)

    @extend_schema(operation_id="rules_remove", responses=responses({204: None}, 404))
    def delete(self, request: Request, pk: int) -> Response:
        """Removes a rule. What it has sent stays in the ledger."""
        self.found(pk)
        reminder_rules.remove_rule(pk, by=self.by())
        return Response(status=204)


class RulePreviewView(RuleEndpoint):
    """What a change would do."""

    path = "rule."

    @extend_schema(
        operation_id="rules_preview",
        request=shapes.RulePreviewInputSerializer,
        responses=responses({200: shapes.RulePreviewSerializer}, 404, 413, 415),
    )
    def post(self, request: Request) -> Response:
        """Compares the reminders of the coming seven days with those under the change. Nothing is written."""
        body = self.body(shapes.RulePreviewInputSerializer)
        pk, given = body.get("id"), body.get("rule")
        stored = self.found(pk) if pk is not None else None
        changed = None
        if given is not None:
            values = shapes.values_of(given)
            changed = reminder_rules.changed_copy(pk, values) if pk else reminder_rules.unsaved(values)
            self.refuse_wider(changed)
            reminder_rules.check_rule(changed)
        seen = preview_change(
            stored=stored,
            changed=changed,
            config=conf.current(),
            scope=self.team_scope,
            budget=PREVIEW_BUDGET,
        )
        return Response(shapes.RulePreviewSerializer(seen).data)
