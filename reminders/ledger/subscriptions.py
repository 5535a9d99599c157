"""Ends a webhook subscription together with what waits for it."""

from collections.abc import Sequence

from django.db.models.functions import Now

from assignments.transactions import atomically
from reminders.ledger.events import end_events
from reminders.ledger.records import Ended
from reminders.models import Subscription


@atomically
def end_subscription(subscription_id: int, *, why: str) -> Sequence[Ended]:
    """Ends a subscription and whatever waits for it. Events that are raised at this moment are waited for."""
    Subscription.objects.select_for_update().filter(pk=subscription_id).first()
    Subscription.objects.filter(pk=subscription_id, active=True).update(
        active=False, ended_at=Now(), ended_why=why
    )
    return end_events(subscription_id)
