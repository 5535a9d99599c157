"""What a decision is about, and what it can be: the row, the plan, the situation, the verdict."""

import hashlib
from collections.abc import Mapping, Set
from dataclasses import field
from datetime import datetime
from enum import Enum
from uuid import NAMESPACE_URL, uuid5

from assignments.models import Status
from reminders.models import NO_CHANNEL, Kind, Reason, Reminder, State
from reminders.policy import announcements, chains, ways
from reminders.policy.announcements import Announcement
from reminders.policy.rates import Hold
from reminders.policy.record import record

NAMESPACE = uuid5(NAMESPACE_URL, "urn:assignment-reminders").bytes


class Action(Enum):
    """What is done with a row. DROP: none is made."""

    SEND = "send"
    MARK = "mark"
    WAIT = "wait"
    END = "end"
    DROP = "drop"


@record
class Verdict:
    """What to do, and why. `state` is the final state where `action` is END; `until` is when to look again."""

    action: Action
    reason: Reason | None = None
    state: State | None = None
    until: datetime | None = None


SEND = Verdict(Action.SEND)


MARK = Verdict(Action.MARK)


@record(kw_only=True)
class Row:
    """What the ledger believes about one row. Instants are aware UTC. `channel` is a way (`policy.ways`).
    `digest_id` is the lead row of the message that holds this row and others; None where none is settled."""

    id: int
    assignment_id: int
    version: int
    kind: Kind
    rule: str
    recipient: str
    channel: str
    planned_start: datetime
    planned_at: datetime
    due_at: datetime
    not_after: datetime | None
    next_attempt_at: datetime
    state: State
    ticket: int
    attempts: int
    failures: int
    ambiguous: int
    scan_id: int | None = None
    digest_id: int | None = None

    @property
    def is_correction(self) -> bool:
        """Whether this tells an assignee that the plan is no longer as they were told."""
        return self.kind is Kind.CORRECTION

    @property
    def is_escalation(self) -> bool:
        """Whether this tells a supervisor what somebody did."""
        return self.kind is Kind.ESCALATION

    @property
    def rule_key(self) -> str:
        """The rule that made this row, as `ledger.rules` names it; of a step of a chain without trigger and number."""
        return chains.rule_key_of(self.rule) if self.is_escalation else self.rule

    @property
    def is_marker(self) -> bool:
        """Whether this is the marker of its version: it writes to nobody."""
        return self.channel == NO_CHANNEL

    @property
    def is_webhook(self) -> bool:
        """Whether this is an event for a subscription: a webhook."""
        return self.kind is Kind.EVENT

    @property
    def route(self) -> str:
        """What is held when it does not work: the channel for people, the endpoint of one subscription for events."""
        return self.recipient if self.is_webhook else ways.channel_name(self.channel)


def from_model(reminder: Reminder) -> Row:
    """What policy needs of a row of the ledger."""
    values = {name: getattr(reminder, name) for name in Row.__dataclass_fields__}
    return Row(**{**values, "kind": Kind(reminder.kind), "state": State(reminder.state)})


@record(kw_only=True)
class Plan:
    """The assignment as it stands now. `declined`: the assignee can't make it; `confirmed`: they have
    said that they will. `supervisors` are the recipients who supervise its team; `given_away`: the steps of its rules were
    planned for the work of another assignee. Both matter to notices alone, and are left out elsewhere. `told_otherwise`:
    whoever is to hear that the assignee can make it after all may have been told last that they can't; it matters to that
    notice alone. `opted_out`: the assignee wants no reminders of the row's rule. `reached`: the assignee knows of the
    work, or a message will tell them, and the rule of the row tells only of others; it matters to a brief alone."""

    version: int
    status: Status
    scheduled_start: datetime
    recipient: str
    overdue: bool = False
    declined: bool = False
    confirmed: bool = False
    news: "News | None" = None
    supervisors: frozenset[str] = frozenset()
    given_away: bool = False
    told_otherwise: bool = True
    opted_out: bool = False
    reached: bool = False


@record(kw_only=True)
class News:
    """What the plan is to one person, beside what they may have been told last (`announcements.known`).

    `in_flight`: another message to them about the same work is being sent right now. `reminded`: so is a reminder of the
    plan in force, now or within the grace; it states what has changed, so that one message does both. `reminded_at`: when
    another rule last reminded them of the present start, since any reset.
    """

    present: Announcement
    known: tuple[Announcement, ...] = ()
    cancelled: bool = False
    in_flight: bool = False
    reminded: bool = False
    reminded_at: datetime | None = None

    @property
    def outdated(self) -> Announcement | None:
        """The latest that this person may have been told and that is not so any more."""
        return announcements.outdated(self.known, self.present, cancelled=self.cancelled)

    @property
    def changes(self) -> tuple[announcements.PlanDifference, ...]:
        told = self.outdated
        return () if told is None else announcements.changes(told, self.present, cancelled=self.cancelled)


@record(kw_only=True)
class Situation:
    """What holds for every row at this moment: the switch, the pause, the open breakers; and until when notices to a
    recipient over a channel wait to be joined; `unless_confirmed` are the rules that do not remind who has confirmed.
    `rates` are the people who had as many reminders as their rate allows, by recipient; `exempt` are the rules that are not
    held by it."""

    now: datetime
    enabled: bool = True
    paused: bool = False
    paused_until: datetime | None = None
    held: Mapping[str, datetime]
    windows: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    unless_confirmed: Set[str] = frozenset()
    rates: Mapping[str, Hold] = field(default_factory=dict)
    exempt: Set[str] = frozenset()


def message_uuid(row: Row) -> str:
    """The same for every attempt at one row, different for any other row (UUID version 5: RFC 9562, 5.5)."""
    key = f"{row.assignment_id}:{row.version}:{row.kind.value}:{row.rule}:{row.recipient}:{row.channel}"
    # As `uuid.uuid5` does it, in half of its time.
    octets = bytearray(hashlib.sha1(NAMESPACE + key.encode(), usedforsecurity=False).digest()[:16])
    octets[6] = octets[6] & 0x0F | 0x50
    octets[8] = octets[8] & 0x3F | 0x80
    digits = octets.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
