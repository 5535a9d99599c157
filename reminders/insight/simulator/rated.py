"""The reminders of a simulation by person: by their rate some of them wait, and go in one message with others."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from reminders.conf import ReminderConfig
from reminders.insight.simulator.sends import SimulatedSend
from reminders.ledger import rates as ledger_rates
from reminders.ledger.rules import mandatory_rules
from reminders.policy import rates
from reminders.policy.rates import Due
from reminders.policy.recipients import assignee_recipient

MOST_HELD = 50_000
"""So many reminders are kept to be put together; those beyond leave when they are due."""


class RatedSends:
    """The reminders to assignees, which leave as their rate allows."""

    def __init__(self, config: ReminderConfig) -> None:
        self._limits = ledger_rates.limits_of(config)
        self._mandatory = mandatory_rules() if self._limits else set()
        self._by_person: dict[int, list[tuple[Due, SimulatedSend]]] = defaultdict(list)
        self._number = 0

    def takes(self, person: int | None, rule: str) -> bool:
        """Whether a reminder to this person is kept for `sends`, and not sent when it is due."""
        return bool(
            self._limits and person is not None and rule not in self._mandatory and self._number < MOST_HELD
        )

    def add(
        self, send: SimulatedSend, person: int, *, rule: str, way: str, not_after: datetime | None
    ) -> None:
        self._number += 1
        due = Due(send.at, send.start, not_after or send.start, way, f"{send.assignment_id}:{rule}")
        self._by_person[person].append((due, send))

    def sends(self) -> Iterator[tuple[SimulatedSend, int]]:
        """All that was added, each when it leaves."""
        recipients = {assignee_recipient(person) for person in self._by_person}
        recent = ledger_rates.recent_reminders(recipients)
        for person, found in self._by_person.items():
            begun = recent.get(assignee_recipient(person), [])
            if len(found) == 1 and not begun:
                yield found[0][1], person
                continue
            waiting: dict[Due, list[SimulatedSend]] = defaultdict(list)
            for due, send in found:
                waiting[due].append(send)
            last = -1
            for due, at, number in rates.departures(list(waiting), begun, self._limits):
                for send in waiting[due]:
                    yield replace(send, at=at, joined=number == last), person
                    last = number
