"""What an import says about the calendars that it reads, where a calendar alone leaves it open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from assignments.imports.calendar_alarms import Alarms

DAYS_AHEAD = 180
MOST_DAYS_AHEAD = 731


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarOptions:
    """How events become rows.

    `zone` is the zone of local times and whole days for which the calendar names none, `all_day` the local time at which
    the work of a whole day begins. Of repeating events the dates from `now` to `days_ahead` days later are taken, with
    `only_ahead` of single ones too. `defaults` are fields of assignments that no event has, such as `kind` and `team`.
    """

    alarms: Alarms = Alarms.ONE
    zone: str = ""
    all_day: time | None = None
    days_ahead: int = DAYS_AHEAD
    only_ahead: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def until(self) -> datetime:
        """The end of the horizon: dates from this instant on are left for later imports."""
        return self.now + timedelta(days=self.days_ahead)
