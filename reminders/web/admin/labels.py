"""What fields and columns are called in the reader's language.

The models have no names of their own for this: each would be a migration, and a text of pages in a layer that has none.
Processes that answer requests give them these names when they load the admin (`name_models`).
"""

from typing import Any

from django.apps import apps
from django.utils.functional import lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from reminders.web.admin.column_names import COLUMNS, MODELS, PARTS
from reminders.web.admin.contents import tables

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
    return LABELS.get(name) or COLUMNS.get(name) or name.removesuffix("_at").replace("_", " ")


def _within(text: Any) -> str:
    """A label within a sentence: a small letter at its beginning, but for German nouns and names in capitals."""
    written = str(text)
    if (get_language() or "").startswith("de") or written[1:2].isupper():
        return written
    return written[:1].lower() + written[1:]


within_sentence = lazy(_within, str)


def name_models() -> None:
    """Names our models and their fields as pages call them: heads of columns, filters, read-only fields, messages, and
    refusals such as "Person with this Reference already exists." Migrations see none of it.
    """
    plurals = {**{label: table.name for label, table in tables()}, **PARTS}
    for app in ("access", "assignments", "reminders"):
        for model in apps.get_app_config(app).get_models():
            named = model._meta
            if named.label_lower in MODELS:
                named.verbose_name = MODELS[named.label_lower]
            if named.label_lower in plurals:
                named.verbose_name_plural = within_sentence(plurals[named.label_lower])
            for field in named.local_fields + named.local_many_to_many:
                if field.name in LABELS:
                    field.verbose_name = within_sentence(LABELS[field.name])
                elif field.name in COLUMNS:
                    field.verbose_name = COLUMNS[field.name]
