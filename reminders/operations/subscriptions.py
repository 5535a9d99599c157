"""Subscriptions: which programs are notified of events, where, and what signs it. Secrets are shown when they are made."""

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments.clock import database_now
from assignments.models import Team
from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from notifications.channels import registry
from notifications.channels.webhook.channel import WebhookChannel
from notifications.message import Delivery
from reminders.conf import ReminderConfig
from reminders.content import webhooks
from reminders.delivery import log_lines
from reminders.ledger import events as ledger_events
from reminders.ledger.audit import record
from reminders.ledger.subscriptions import end_subscription
from reminders.models import Subscription
from reminders.operations.checked_urls import checked_url

BOTH_SIGN = timedelta(hours=24)
"""How long the former secret still signs beside a new one."""

LONGEST_NAME = 100
TEST = "subscription.test"


class _Kept:
    """Stands for a value that stays as it is, where None has a meaning of its own."""


KEPT = _Kept()


class UnknownSubscription(Refused):
    """There is none with this id."""

    code = "unknown_subscription"


class SubscriptionEnded(Refused):
    """The subscription has ended: nothing is sent to it."""

    code = "ended"


@atomically
def subscribe(
    *,
    name: str,
    url: str,
    events: Sequence[str],
    by: str,
    reason: str = "",
    teams: Sequence[int] | None = None,
    scope: TeamScope = EVERYTHING,
) -> tuple[Subscription, str]:
    """Makes a subscription. Returns it, and the secret that is shown this once.

    Raises ValidationError, which names the field and what is accepted.
    """
    reason = checked_reason(reason, needed=False)
    secret = webhooks.new_secret()
    made = Subscription.objects.create(
        name=_checked_name(name),
        url=checked_url(url, private=settings.WEBHOOK_ALLOW_PRIVATE),
        events=_checked_events(events),
        teams=_checked_teams(teams, scope),
        secret=secret,
        created_by=by,
    )
    record("subscribe", by=by, reason=reason, after=_described(made))
    return made, secret


@atomically
def change(
    pk: int,
    *,
    by: str,
    reason: str = "",
    name: str | None = None,
    url: str | None = None,
    events: Sequence[str] | None = None,
    active: bool | None = None,
    teams: Sequence[int] | _Kept | None = KEPT,
    scope: TeamScope = EVERYTHING,
) -> Subscription:
    """Changes what is given. `active` false ends it and what waits for it; true lets it hear of what happens from now on.

    Raises UnknownSubscription or ValidationError.
    """
    reason = checked_reason(reason, needed=False)
    found = _locked(pk)
    before = _described(found)
    if name is not None:
        found.name = _checked_name(name)
    if url is not None:
        found.url = checked_url(url, private=settings.WEBHOOK_ALLOW_PRIVATE)
    if events is not None:
        found.events = _checked_events(events)
    if not isinstance(teams, _Kept):
        found.teams = _checked_teams(teams, scope)
    if active and not found.active:
        found.active, found.ended_at, found.ended_why = True, None, ""
    found.save(update_fields=["name", "url", "events", "teams", "active", "ended_at", "ended_why"])
    if active is False and found.active:
        log_lines.log_ended(end_subscription(pk, why=f"ended by {by}"))
        found.refresh_from_db()
    if (after := _described(found)) != before:
        record("change_subscription", by=by, reason=reason, selection={"id": pk}, before=before, after=after)
    return found


@atomically
def rotate(pk: int, *, by: str, reason: str = "") -> tuple[Subscription, str]:
    """Gives it a new secret, shown this once. For a day the former one signs too. Raises UnknownSubscription."""
    reason = checked_reason(reason, needed=False)
    found = _locked(pk)
    secret = webhooks.new_secret()
    found.former_secret, found.secret = found.secret, secret
    found.former_until = database_now() + BOTH_SIGN
    found.save(update_fields=["secret", "former_secret", "former_until"])
    after = {"former_until": found.former_until.isoformat()}
    record("rotate_secret", by=by, reason=reason, selection={"id": pk}, after=after)
    return found, secret


@atomically
def remove(pk: int, *, by: str, reason: str = "") -> None:
    """Ends it and forgets its secrets; the ledger keeps what was sent. Raises UnknownSubscription."""
    reason = checked_reason(reason, needed=False)
    found = _locked(pk)
    log_lines.log_ended(end_subscription(pk, why=f"removed by {by}"))
    record("unsubscribe", by=by, reason=reason, before=_described(found))
    found.delete()


def try_out(pk: int, *, config: ReminderConfig) -> Delivery:
    """Sends a signed event of the type subscription.test now, beside the ledger, and says what came of it.

    Raises UnknownSubscription or SubscriptionEnded.
    """
    found = Subscription.objects.filter(pk=pk).first()
    if found is None:
        raise UnknownSubscription(gettext("there is no subscription %(pk)s") % {"pk": pk})
    if not found.active:
        raise SubscriptionEnded(
            gettext("subscription %(pk)s has ended: set active to true first") % {"pk": pk}
        )
    now = database_now()
    body = webhooks.event_body(TEST, now, {"subscription": {"id": found.pk, "name": found.name}})
    contact = webhooks.subscription_contact(found, now=now)
    message = webhooks.signed_message(
        str(uuid4()), body, contact=contact, address=found.url, now=now, type=TEST
    )
    return registry.get(WebhookChannel.name).send(message, timeout=config.send_timeout)


def _locked(pk: int) -> Subscription:
    found = Subscription.objects.select_for_update().filter(pk=pk).first()
    if found is None:
        raise UnknownSubscription(gettext("there is no subscription %(pk)s") % {"pk": pk})
    return found


def _described(one: Subscription) -> dict[str, object]:
    """For the audit trail: the host only, for the rest of a URL may be a secret."""
    return {
        "id": one.pk,
        "name": one.name,
        "host": urlsplit(one.url).hostname,
        "events": list(one.events),
        "teams": one.teams,
        "active": one.active,
    }


def _checked_teams(teams: Sequence[int] | None, scope: TeamScope) -> list[int] | None:
    """The teams of whose work it is to hear: for a limited caller some of its own, by default all of them."""
    if teams is None:
        return None if scope.teams is None else sorted(scope.teams)
    known = set(Team.objects.visible_to(scope).values_list("pk", flat=True))
    if unknown := sorted(set(teams) - known):
        told = gettext("%(list)s: ids of teams are needed") % {"list": ", ".join(map(str, unknown))}
        raise ValidationError({"teams": ValidationError(told, code="unknown_team")})
    return sorted(set(teams))


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        message = gettext("a name of 1 to %(longest_name)s printable characters is needed") % {
            "longest_name": LONGEST_NAME
        }
        raise ValidationError({"name": ValidationError(message, code="invalid")})
    return name


def _checked_events(events: Sequence[str]) -> list[str]:
    known = [type for type in ledger_events.TYPES if type in events]
    strangers = sorted(set(events) - set(known))
    if strangers or not known:
        message = gettext("%(value)s: some of %(list)s are needed") % {
            "value": ", ".join(strangers) or "nothing",
            "list": ", ".join(ledger_events.TYPES),
        }
        raise ValidationError({"events": ValidationError(message, code="invalid_choice")})
    return known
