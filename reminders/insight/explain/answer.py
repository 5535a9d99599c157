"""What an explanation consists of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Outlook(Enum):
    """How things stand for the reminder of the present plan."""

    COMING = "coming"
    SENDING = "sending"
    WAITS = "waits"
    SENT = "sent"
    NOT_SENT = "not_sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class GateResult:
    """A gate as people read it: what must hold, whether it does, what was observed; `consequence` while it does not."""

    name: str
    passed: bool
    observed: str
    consequence: str = ""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened, or will happen if nobody changes anything. `at` is None where nobody can know when."""

    at: datetime | None
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActView:
    """What somebody did about the work. `actor` is assignee:<id>, or the name of an account or token."""

    id: int
    act: str
    via: str
    actor: str
    at: datetime
    version: int
    minutes: int | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """What somebody changed of the work: the fields that have got another value, before and after. `actor` is the name of an
    account, a token or a calendar, '' where it is not known; `summary` is a sentence."""

    id: int
    via: str
    actor: str
    at: datetime
    version: int
    before: Mapping[str, object]
    after: Mapping[str, object]
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One attempt that has ended."""

    number: int
    started_at: datetime
    finished_at: datetime
    outcome: str
    code: str
    detail: str
    template_version: int | None
    template_fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEventView:
    """What became of a message after it was accepted. `source` is who said it.

    `permanent`: a bounce that the next message to this address would meet too.
    """

    at: datetime
    received_at: datetime
    kind: str
    permanent: bool
    source: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderExplanation:
    """One row of the ledger: its gates now, what happens next and when, and what happened so far.

    `gates` is empty where the row has ended. `contact_point` is the id of the address, None for the person's first one of
    the channel. `to` names the recipient, never an address. `digest_id` is the row that leads
    the message which holds this row and `others_in_message` more.
    """

    reminder_id: int
    version: int
    kind: str
    rule: str
    recipient: str
    to: str
    channel: str
    contact_point: int | None
    state: str
    reason: str
    due_at: datetime
    not_after: datetime | None
    next_at: datetime | None
    sent_at: datetime | None
    message_id: str
    digest_id: int | None
    others_in_message: int
    possible_duplicate: bool
    gates: Sequence[GateResult]
    summary: str
    attempts: Sequence[AttemptView]
    delivery_events: Sequence[DeliveryEventView]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleExplanation:
    """What one rule does for the assignment. `rule` is its key in the ledger. `due_at` is None where it has no instant, or
    others replace it.
    """

    rule: str
    name: str
    applies: bool
    due_at: datetime | None
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer.

    `awareness` is how far the assignee is known to know of the work (`policy.awareness.Rung`), with its words; None and ""
    where it is cancelled. `summary` is one sentence; `will_send` whether a reminder of the present plan is still to come by
    itself.
    `next_at` is when something becomes of it; None where it has ended, or where a person must act first.
    `gates` are those of that reminder in the order in which they are tried; while it has no row yet, those of
    planning. `advice` is what an operator can do; empty where nothing is needed. `upcoming` is what comes if nobody
    changes anything, `history` what happened. `rules` is empty where the built-in rule is alone. `problems` are things that
    are wrong with the machinery at this moment. `changes` are the latest changes of the work.
    """

    assignment_id: int
    reference: str
    title: str
    status: str
    version: int
    scheduled_start: datetime
    reminder_status: str
    answer: str
    answered_at: datetime | None
    answer_note: str
    expected_start: datetime | None
    on_my_way_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    awareness: str | None
    awareness_summary: str
    asked_at: datetime
    to: str
    outlook: Outlook
    will_send: bool
    next_at: datetime | None
    summary: str
    advice: str
    gates: Sequence[GateResult]
    upcoming: Sequence[TimelineEntry]
    history: Sequence[TimelineEntry]
    problems: Sequence[str]
    acts: Sequence[ActView]
    changes: Sequence[ChangeView]
    rules: Sequence[RuleExplanation]
    reminders: Sequence[ReminderExplanation]
