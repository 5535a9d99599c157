"""Instants in admin forms, in the installation's zone: an hour that comes twice keeps the one that is stored."""

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.forms import SplitDateTimeField
from django.utils import timezone
from django.utils.translation import gettext


class StoredInstantField(SplitDateTimeField):
    """A local time in a form. One that is sent back as it was shown is the stored instant, whatever its clock time.

    When the clocks are put back an hour comes twice. Django refuses its times (`forms.utils.from_current_timezone`),
    so that nothing at all could be changed about an assignment in that hour.
    """

    stored: datetime | None = None

    def keep(self, stored: datetime | None) -> None:
        """Tells the field the instant that the form shows."""
        self.stored = stored
        if stored is not None and _comes_twice(stored):
            local = timezone.localtime(stored)
            # Django's format character T is empty for such a time.
            shown = f"{local:%H:%M} {local.tzname()}"
            self.help_text = (
                gettext("%(help_text)s This time comes twice on that day; stored is %(shown)s.")
                % {"help_text": self.help_text, "shown": shown}
            ).strip()

    def clean(self, value: Any) -> Any:
        return self.stored if self._is_as_shown(value) else super().clean(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return not self._is_as_shown(data) and super().has_changed(initial, data)

    def _is_as_shown(self, value: Any) -> bool:
        if self.stored is None or not isinstance(value, (list, tuple)) or len(value) != 2:
            return False
        local = timezone.localtime(self.stored).replace(microsecond=0)
        try:
            date, time = (field.clean(part) for field, part in zip(self.fields, value, strict=True))
        except ValidationError:
            return False
        return bool((date, time) == (local.date(), local.time()))


def _comes_twice(instant: datetime) -> bool:
    local = timezone.localtime(instant)
    return any(
        timezone.localtime(instant + step).replace(tzinfo=None) == local.replace(tzinfo=None)
        for step in (timedelta(minutes=minutes) for minutes in (-120, -60, -30, 30, 60, 120))
    )
