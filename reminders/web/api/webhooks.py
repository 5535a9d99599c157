"""Webhook subscriptions over HTTP. For operators only: a URL may hold a secret."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.reasons import MAX_REASON_LENGTH
from reminders import conf
from reminders.insight import subscription_health
from reminders.ledger import events as ledger_events
from reminders.models import Subscription
from reminders.operations import subscriptions as operations_subscriptions
from reminders.operations.subscriptions import UnknownSubscription
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.fields import (
    IdField,
    InstantField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictListField,
    StrictSerializer,
)
from reminders.web.api.serializers import queries
from reminders.web.team_limits import TeamAccess

MAX_TEAMS = 1_000
NO_STORE = {"Cache-Control": "no-store"}


class SubscriptionInputSerializer(StrictSerializer):
    answered = ("id", "secret", "created_at", "created_by", "ended_at", "ended_why", "health")

    name = StrictCharField(max_length=100, help_text="A name for people.")
    url = StrictCharField(max_length=2_000, help_text="https:// and a host in the public internet.")
    events = StrictListField(
        child=StrictChoiceField(choices=list(ledger_events.TYPES)),
        min_length=1,
        max_length=len(ledger_events.TYPES),
    )
    teams = StrictListField(
        child=IdField(),
        required=False,
        allow_null=True,
        min_length=1,
        max_length=MAX_TEAMS,
        help_text="Ids of the teams of whose work it hears; null: of all work. A caller who is limited to teams: of"
        " those, if none are given.",
    )
    reason = StrictCharField(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True, default="")


class SubscriptionPatchSerializer(SubscriptionInputSerializer):
    active = StrictBooleanField(required=False, help_text="false ends it, and what waits for it.")

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for name in ("name", "url", "events"):
            fields[name].required = False
        return fields


class SubscriptionHealthSerializer(serializers.Serializer[Any]):
    waiting = serializers.IntegerField(help_text="Events that are still to be delivered.")
    failing_since = InstantField(
        allow_null=True,
        help_text="Since when its endpoint does not answer or refuses an event that still waits; else null.",
    )
    breaker_open_until = InstantField(allow_null=True, help_text="Until when nothing is sent to it.")
    code = serializers.CharField(help_text="What it answered last, or how far the request got.")
    detail = serializers.CharField()


class SubscriptionSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(choices=list(ledger_events.TYPES)))
    teams = serializers.ListField(child=serializers.IntegerField(), allow_null=True)
    active = serializers.BooleanField()
    created_at = InstantField()
    created_by = serializers.CharField()
    ended_at = InstantField(allow_null=True)
    ended_why = serializers.CharField()
    former_until = InstantField(allow_null=True, help_text="Until then the former secret signs too.")
    health = serializers.SerializerMethodField()

    def get_health(self, one: Subscription) -> dict[str, Any]:
        health: dict[str, Any] = SubscriptionHealthSerializer(self.context["health"][one.pk]).data
        return health

    get_health.__annotations__["return"] = SubscriptionHealthSerializer


class SubscriptionWithSecretSerializer(SubscriptionSerializer):
    secret = serializers.CharField(help_text="Shown this once. It signs what is sent.")


class SubscriptionListSerializer(serializers.Serializer[Any]):
    results = SubscriptionSerializer(many=True)


class RotateInputSerializer(StrictSerializer):
    reason = StrictCharField(max_length=MAX_REASON_LENGTH, required=False, allow_blank=True, default="")


class TestResultSerializer(serializers.Serializer[Any]):
    outcome = serializers.CharField(help_text="accepted, or why not.")
    code = serializers.CharField(help_text="The status that was answered, or how far the request got.")
    detail = serializers.CharField()


class SubscriptionEndpoint(Endpoint):
    """For operators only. A caller who is limited to teams has the subscriptions that hear of nothing else."""

    scope = scope_to_read = "ops"
    team_limit = TeamAccess.NARROWS

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.team_scope.limited and "pk" in self.kwargs:
            self.found()

    def found(self) -> Subscription:
        """The subscription that the address names."""
        pk = self.kwargs["pk"]
        found = Subscription.objects.visible_to(self.team_scope).filter(pk=pk).first()
        if found is None:
            raise UnknownSubscription(f"there is no subscription {pk}")
        return found


class WebhookListView(SubscriptionEndpoint):
    """The subscriptions."""

    @extend_schema(operation_id="webhooks_list", responses=responses({200: SubscriptionListSerializer}))
    def get(self, request: Request) -> Response:
        """Lists all subscriptions, those that have ended too, and the health of each."""
        self.address(queries.NoQuery)
        return Response({"results": _shown(list(Subscription.objects.visible_to(self.team_scope)))})

    @extend_schema(
        operation_id="webhooks_subscribe",
        request=SubscriptionInputSerializer,
        responses=responses({201: SubscriptionWithSecretSerializer}, 413, 415),
    )
    def post(self, request: Request) -> Response:
        """Creates a subscription to events.

        The secret is in this answer and in no other, so no Idempotency-Key is kept for it.
        """
        made, secret = operations_subscriptions.subscribe(
            by=self.by(), scope=self.team_scope, **self.body(SubscriptionInputSerializer)
        )
        return Response({**_shown([made])[0], "secret": secret}, status=201, headers=NO_STORE)


class WebhookView(SubscriptionEndpoint):
    """One subscription."""

    @extend_schema(operation_id="webhooks_read", responses=responses({200: SubscriptionSerializer}, 404))
    def get(self, request: Request, pk: int) -> Response:
        """Reads a subscription and its health."""
        return Response(_shown([self.found()])[0])

    @extend_schema(
        operation_id="webhooks_change",
        request=SubscriptionPatchSerializer,
        responses=responses({200: SubscriptionSerializer}, 404, 413, 415),
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Changes the fields of a subscription that are sent.

        With `active` false it receives no more events, and waiting ones end.
        """
        changed = operations_subscriptions.change(
            pk, by=self.by(), scope=self.team_scope, **self.body(SubscriptionPatchSerializer)
        )
        return Response(_shown([changed])[0])

    @extend_schema(operation_id="webhooks_unsubscribe", responses=responses({204: None}, 404))
    def delete(self, request: Request, pk: int) -> Response:
        """Removes a subscription with its secrets. What was delivered stays in the ledger."""
        operations_subscriptions.remove(pk, by=self.by())
        return Response(status=204)


class RotateView(SubscriptionEndpoint):
    """A new secret."""

    @extend_schema(
        operation_id="webhooks_rotate",
        request=RotateInputSerializer,
        responses=responses({200: SubscriptionWithSecretSerializer}, 404, 413, 415),
    )
    def post(self, request: Request, pk: int) -> Response:
        """Gives a subscription a new secret, shown this once. For a day the former one signs too."""
        changed, secret = operations_subscriptions.rotate(
            pk, by=self.by(), reason=self.body(RotateInputSerializer)["reason"]
        )
        return Response({**_shown([changed])[0], "secret": secret}, headers=NO_STORE)


class TestView(SubscriptionEndpoint):
    """A test."""

    @extend_schema(
        operation_id="webhooks_try",
        request=inline_serializer("Nothing", {}),
        responses=responses({200: TestResultSerializer}, 404, 409, 413, 415),
    )
    def post(self, request: Request, pk: int) -> Response:
        """Sends a signed test event now, and returns what the endpoint answers. Its type is `subscription.test`."""
        self.body(StrictSerializer)
        delivery = operations_subscriptions.try_out(pk, config=conf.current())
        shown = {"outcome": delivery.outcome.value, "code": delivery.code, "detail": delivery.detail}
        return Response(TestResultSerializer(shown).data)


def _shown(subscriptions: list[Subscription]) -> list[dict[str, Any]]:
    context = {"health": subscription_health.health(subscriptions)}
    return [SubscriptionSerializer(one, context=context).data for one in subscriptions]
