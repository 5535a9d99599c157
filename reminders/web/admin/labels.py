"""What fields and columns are called in the reader's language.

The models have no names of their own for this: each would be a migration, and a text of pages in a layer that has none.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _

LABELS: dict[str, Any] = {
    "title": _("Title"),
    "reference": _("Reference"),
    "kind": _("Kind"),
    "location": _("Location"),
    "notes": _("Notes"),
    "assignee": _("Assignee"),
    "team": _("Team"),
    "status": _("Status"),
    "scheduled_start": _("Scheduled start"),
    "scheduled_end": _("Scheduled end"),
    "lead_minutes": _("Lead minutes"),
    "reminder_status": _("Reminder status"),
    "answered_at": _("Answered"),
    "on_my_way_at": _("On my way"),
    "expected_start": _("Expected start"),
    "started_at": _("Started"),
    "completed_at": _("Completed"),
    "overdue_at": _("Overdue"),
    "known_at": _("Known"),
    "created_at": _("Created"),
    "updated_at": _("Updated"),
    "name": _("Name"),
    "email": _("Email"),
    "phone": _("Phone"),
    "time_zone": _("Time zone"),
    "language": _("Language"),
    "quiet_from": _("Quiet from"),
    "quiet_until": _("Quiet until"),
    "state": _("State"),
    "reason": _("Reason"),
}
"""By the name of the field; whatever is not here is called as Django calls it."""


def label(name: str) -> Any:
    """What a column is called."""
    return LABELS.get(name) or name.removesuffix("_at").replace("_", " ")
