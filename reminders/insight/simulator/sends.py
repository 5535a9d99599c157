"""What a simulation counts: sends, the first of them, and their turns where a channel accepts only so many."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext

from assignments.direction import isolated
from notifications.addresses import masked
from notifications.channels import registry
from notifications.message import Contact
from reminders.conf import ReminderConfig
from reminders.content import contacts
from reminders.insight import pace_outlook
from reminders.insight.explain.inputs import contact_of
from reminders.insight.simulator.prospects import SimulatedMessage
from reminders.models import Kind, Reason
from reminders.policy import recipients
from reminders.policy.departures import Waiting
from reminders.policy.ways import channel_name


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SimulatedSend:
    """One message that would be sent. `contact` is masked; it is empty where there is no address, and it
    would fail.

    `due` is when it would leave if its channel took any number of messages. `too_late`: at the channel's pace its turn does
    not come by `at`, after which it is of no use, and it would be skipped. `joined`: it goes in the message of another one.
    """

    at: datetime
    assignment_id: int
    reference: str
    title: str
    start: datetime
    to: str
    channel: str
    contact: str
    due: datetime
    kind: Kind = Kind.REMINDER
    too_late: bool = False
    joined: bool = False

    @property
    def wait(self) -> timedelta:
        """How much later it leaves for the channel's pace or the person's rate; zero where that is not noticeable."""
        wait = self.at - self.due
        return wait if wait >= pace_outlook.NOTICEABLE and not self.too_late else timedelta()


def send_of(prospect: SimulatedMessage, at: datetime, config: ReminderConfig) -> SimulatedSend:
    """What is shown of a message that would leave at this instant."""
    assignment, person = prospect.assignment, prospect.person
    contact: Contact | None = contact_of(person) if person else None
    if recipients.is_ops(prospect.recipient):
        contact = contacts.contact_for(prospect.recipient, Contact(name=""), config, way=prospect.channel)
    address = registry.get(channel_name(prospect.channel)).address(contact) if contact else None
    return SimulatedSend(
        at=at,
        assignment_id=assignment.pk,
        reference=assignment.reference or "",
        title=assignment.title,
        start=assignment.scheduled_start,
        to=_named(prospect),
        channel=channel_name(prospect.channel),
        contact=masked(address) if address else "",
        due=at,
        kind=prospect.kind,
    )


def _named(prospect: SimulatedMessage) -> str:
    if recipients.is_ops(prospect.recipient):
        return gettext("Ops")
    if prospect.person is None:
        return gettext("nobody")
    named = (
        gettext("%(name)s (supervisor, person %(pk)s)")
        if prospect.recipient
        else gettext("%(name)s (assignee %(pk)s)")
    )
    return named % {"name": isolated(prospect.person.name), "pk": prospect.person.pk}


@dataclass(slots=True, kw_only=True)
class Tally:
    """What is counted, and the first sends."""

    since: datetime
    until: datetime
    span: timedelta
    limit: int
    spans: Counter[datetime] = field(default_factory=Counter)
    by_channel: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    people: set[int | None] = field(default_factory=set)
    unreachable: int = 0
    joined: int = 0
    first: list["_Latest"] = field(default_factory=list)

    def skip(self, reason: Reason, at: datetime) -> None:
        if self.since <= at < self.until:
            self.skipped[reason.value] += 1

    def add(self, send: SimulatedSend, person: int | None) -> None:
        if not self.since <= send.at < self.until:
            return
        if not send.contact:
            self.unreachable += 1
        elif send.too_late:
            self.skip(Reason.TOO_LATE, send.at)
        else:
            self.people.add(person)
            self.joined += send.joined
            self.by_channel[send.channel] += 1
            self.spans[_start_of(self.span, send.at)] += 1
        heapq.heappush(self.first, _Latest(send))
        if len(self.first) > self.limit:
            heapq.heappop(self.first)


class _Latest:
    """Orders sends the other way round, so that the heap's first is the latest of those that are kept."""

    def __init__(self, send: SimulatedSend) -> None:
        self.send = send

    def __lt__(self, other: "_Latest") -> bool:
        return other.send < self.send


class PacedQueue:
    """The sends over a channel that has a pace, and what else the ledger has waiting for it."""

    def __init__(self, known: pace_outlook.PaceInForce, *, until: datetime) -> None:
        # As everywhere here, nothing is held: the breaker that a complaint opens is over in a moment.
        self.known = replace(known, opens_at=known.pace.refilled_at)
        self._rows = {row.id: row for row in pace_outlook.waiting(known.channel, until=until)}
        self._sends: list[tuple[SimulatedSend, int | None, Waiting]] = []

    @property
    def is_full(self) -> bool:
        return len(self._sends) >= pace_outlook.MOST_WAITING

    def leave_out(self, row_id: int) -> None:
        """What the ledger has waiting is asked like all other work, under these rules."""
        self._rows.pop(row_id, None)

    def add(self, send: SimulatedSend, person: int | None, message: Waiting) -> None:
        self._sends.append((send, person, message))

    def sends(self) -> Iterator[tuple[SimulatedSend, int | None]]:
        """Each send at its turn."""
        simulated = {id(message): (send, person) for send, person, message in self._sends}
        queue = [*self._rows.values(), *(message for _, _, message in self._sends)]
        for departure in pace_outlook.leaving(queue, self.known):
            if id(departure.message) not in simulated:
                continue
            send, person = simulated[id(departure.message)]
            if departure.at is not None:
                yield replace(send, at=departure.at), person
            elif departure.message.not_after is not None:
                yield replace(send, at=departure.message.not_after, too_late=True), person


def _start_of(span: timedelta, instant: datetime) -> datetime:
    return datetime.fromtimestamp(instant.timestamp() // span.total_seconds() * span.total_seconds(), UTC)
