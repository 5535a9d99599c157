"""Switching a part of the schedule off and on: beat's entries, with an actor and a reason."""

from django.db import transaction
from django_celery_beat.models import PeriodicTask

from accounts.reasons import checked_reason
from reminders.ledger.switches import record_switch


@transaction.atomic
def switch(task: str, *, on: bool, by: str, reason: str) -> bool:
    """Switches the entries that run this task on or off and records who did so and why; False if they were so.

    An entry that was switched off is run by nobody until it is switched on: workers do not step in. Raises
    ValidationError where the reason is not accepted.
    """
    reason = checked_reason(reason)
    rows = list(PeriodicTask.objects.select_for_update().filter(task=task).exclude(enabled=on))
    for row in rows:
        row.enabled = on
        row.save()
    if rows:
        record_switch(task, on=on, by=by, reason=reason)
    return bool(rows)
