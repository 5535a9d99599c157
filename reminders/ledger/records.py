"""What travels between the ledger and its callers, and how a stored row becomes it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from assignments.models import Answer, Status
from notifications.message import BUILT_IN, Wording
from reminders.ledger import counters
from reminders.models import Kind, Reason, State
from reminders.policy import announcements, corrections, recipients
from reminders.policy.announcements import Announcement
from reminders.policy.record import record
from reminders.policy.retries import Result, Transition
from reminders.policy.rows import News, Plan, Row


@record
class Hint:
    """What travels in a message: a ledger row and the ticket under which it was claimed."""

    reminder_id: int
    ticket: int


@record(kw_only=True)
class Claimed:
    """A row that dispatch has just claimed. `wait` is how long after `claimed_at` it is due; zero when it was."""

    hint: Hint
    assignment_id: int
    version: int
    kind: str
    due_at: datetime
    claimed_at: datetime
    wait: timedelta
    alone: bool
    scan_id: int | None


@record
class TeamContact:
    """Whom a reader may ask: what the work's team says of it; '' where that of the settings holds."""

    organisation: str = ""
    phone: str = ""
    reply_to: str = ""


NO_TEAM_CONTACT = TeamContact()


@record(kw_only=True)
class Facts:
    """What a message may say about the assignment, and where the person can be reached."""

    title: str
    kind: str
    location: str
    notes: str
    reference: str
    start: datetime
    end: datetime | None
    assignee_name: str
    assignee_email: str
    assignee_phone: str
    assignee_zone: str
    assignee_language: str
    answer_note: str = ""
    answered_at: datetime | None = None
    expected_start: datetime | None = None
    overdue_at: datetime | None = None
    team_contact: TeamContact = NO_TEAM_CONTACT
    team_id: int | None = None
    visible_changes: int = 0
    brief_cause: str = ""


@record(kw_only=True)
class Digest:
    """A message that holds several rows. It has the Message-ID of `lead`.

    `entries` are the rows that it lists, in their order, with what it may say of each. `members` are the rows that were
    begun with the claim that carries this. `waiting` further notices to the same recipient wait for a later message.
    """

    lead: Row
    entries: tuple[tuple[Row, Facts], ...]
    members: tuple["Claim", ...]
    waiting: int


@record(kw_only=True)
class Claim:
    """A row that this worker may send now, under `number`, until its lease is over. `payload` is an event's JSON,
    `announced` what a message to an assignee states. `mandatory`: nobody can opt out of its rule. `verified_only`: it
    goes to addresses alone that the person has verified. `digest` is there where one message holds this row and others.
    """

    row: Row
    plan: Plan
    facts: Facts
    number: int
    begun_at: datetime
    was_open_breaker: bool = False
    announced: Announcement | None = None
    mandatory: bool = False
    verified_only: bool = False
    payload: str = ""
    digest: Digest | None = None

    @property
    def message(self) -> tuple["Claim", ...]:
        """All claims that are sent by one message: this one and the members of its digest."""
        return (self, *self.digest.members) if self.digest else (self,)


@record(kw_only=True)
class Ended:
    """A row that was settled, or put back, without a send; a line for the log."""

    reminder_id: int
    assignment_id: int
    version: int
    kind: str
    due_at: datetime
    state: str
    reason: str
    scan_id: int | None = None


@record
class Begun:
    """What `begin` made of its hints. `busy` are rows that somebody else held locked: worth another try. `later` are
    events that were not begun, because they were not asked for.
    """

    claims: list[Claim]
    marked: list[Ended]
    settled: list[Ended]
    stale: list[Hint]
    busy: list[Hint]
    later: list[Hint]


@record(kw_only=True)
class Finished:
    """How one send ended. `code` and `detail` hold no address. `half` is the digest in which the row is sent again, where
    its message was refused for its content. `presumed`: the reply leaves open what it is about.
    """

    claim: Claim
    result: Result
    transition: Transition
    code: str
    detail: str
    finished_at: datetime
    message_id: str
    retry_after: timedelta | None = None
    half: int | None = None
    wording: Wording = BUILT_IN
    presumed: bool = False


@record
class Recorded:
    """What `finish` has written: the ends that landed, and rows that ended with them without a send: of an outdated plan,
    or of a start that this person has just been notified of.
    """

    landed: list[Finished]
    ended: list[Ended]

    @property
    def outdated(self) -> set[int]:
        """Rows whose send failed for now, and which are not tried again: their plan has changed meanwhile."""
        return {row.reminder_id for row in self.ended}


# For every row that is begun: a look-up takes a tenth of the time of `Kind(value)`.
_KINDS = {kind.value: kind for kind in Kind}
_STATES = {state.value: state for state in State}
_STATUSES = {status.value: status for status in Status}
_DECLINED, _CONFIRMED = Answer.DECLINED.value, Answer.CONFIRMED.value


def row_of(found: Mapping[str, Any]) -> Row:
    return Row(
        id=found["id"],
        assignment_id=found["assignment_id"],
        version=found["version"],
        kind=_KINDS[found["kind"]],
        rule=found["rule"],
        recipient=found["recipient"],
        channel=found["channel"],
        planned_start=found["planned_start"],
        planned_at=found["planned_at"],
        due_at=found["due_at"],
        not_after=found["not_after"],
        next_attempt_at=found["next_attempt_at"],
        state=_STATES[found["state"]],
        ticket=found["ticket"],
        attempts=found["attempts"],
        failures=found["failures"],
        ambiguous=found["ambiguous"],
        scan_id=found["scan_id"],
        digest_id=found["digest_id"],
    )


def plan_of(found: Mapping[str, Any]) -> Plan:
    status = _STATUSES[found["plan_status"]]
    assigned_to = recipients.assignee_recipient(found["assignee_id"])
    return Plan(
        version=found["plan_version"],
        status=status,
        scheduled_start=found["scheduled_start"],
        recipient=assigned_to,
        overdue=found["overdue_at"] is not None,
        declined=found["answer"] == _DECLINED,
        confirmed=found["answer"] == _CONFIRMED,
        news=_news_of(found, status, assigned_to),
        supervisors=frozenset(found.get("supervisors") or ()),
        given_away=bool(found.get("given_away")),
        told_otherwise=found.get("told_otherwise") is not False,
        opted_out=bool(found.get("opted_out")),
        reached=bool(found.get("reached")),
    )


def _news_of(found: Mapping[str, Any], status: Status, assigned_to: str) -> News | None:
    """The plan as its assignee, or who was told of it, should know it; None for rows that state no plan to them."""
    kind = _KINDS[found["kind"]]
    if kind not in (Kind.REMINDER, Kind.CORRECTION):
        return None
    heard = json.loads(found["heard"]) if found.get("heard") else ()
    return News(
        present=corrections.announcement_for(
            found["recipient"],
            assigned_to=assigned_to,
            status=status,
            start=found["scheduled_start"],
            place=found["location"],
            title=found["title"],
        ),
        known=announcements.known(announcements.messages_from_json(heard)) if heard else (),
        cancelled=status is Status.CANCELLED,
        in_flight=kind is Kind.CORRECTION and any(one["sending"] for one in heard),
        reminded=bool(found.get("reminded")),
        reminded_at=found.get("reminded_at"),
    )


def facts_of(found: Mapping[str, Any]) -> Facts:
    return Facts(
        title=found["title"],
        kind=found["assignment_kind"],
        location=found["location"],
        notes=found["notes"],
        reference=found["reference"] or "",
        start=found["scheduled_start"],
        end=found["scheduled_end"],
        assignee_name=found["name"] or "",
        assignee_email=found["email"] or "",
        assignee_phone=found["phone"] or "",
        assignee_zone=found["time_zone"] or "UTC",
        assignee_language=found["language"] or "",
        answer_note=found["answer_note"],
        answered_at=found["answered_at"],
        expected_start=found["expected_start"],
        overdue_at=found["overdue_at"],
        team_contact=TeamContact(*found["team_contact"]) if found["team_contact"] else NO_TEAM_CONTACT,
        team_id=found["team_id"],
        visible_changes=found["visible_changes"],
        brief_cause=found.get("brief_cause") or "",
    )


def claim_of(row: Row, plan: Plan, found: Mapping[str, Any]) -> Claim:
    return Claim(
        row=row,
        plan=plan,
        facts=facts_of(found),
        number=row.attempts + 1,
        begun_at=found["now"],
        was_open_breaker=found["held_until"] is not None,
        announced=plan.news.present if plan.news else None,
        mandatory=bool(found.get("mandatory")),
        verified_only=bool(found.get("verified_only")),
        payload=found["payload"] or "",
    )


def ended_row(row: Row, state: State, reason: str) -> Ended:
    return Ended(
        reminder_id=row.id,
        assignment_id=row.assignment_id,
        version=row.version,
        kind=row.kind.value,
        due_at=row.due_at,
        state=state.value,
        reason=reason,
        scan_id=row.scan_id,
    )


def ended_from_json(values: Sequence[Any]) -> Ended:
    reminder_id, assignment_id, version, kind, due_at, state, reason = values
    return Ended(
        reminder_id=reminder_id,
        assignment_id=assignment_id,
        version=version,
        kind=kind,
        due_at=datetime.fromisoformat(due_at),
        state=state,
        reason=reason,
    )


def count_ended(ended: Iterable[Ended]) -> counters.Counts:
    counts = counters.Counts()
    for row in ended:
        if row.kind == Kind.EVENT:
            counts[counters.EVENTS, counters.labels(state=row.state)] += 1
            continue
        if row.kind == Kind.CORRECTION and row.state in (State.SKIPPED, State.UNKNOWN):
            counts[counters.correction(State(row.state), row.reason)] += 1
        if row.state == State.SKIPPED:
            counts[counters.SKIPPED, counters.labels(reason=row.reason)] += 1
        elif row.state == State.UNKNOWN:
            counts[counters.FAILED, counters.labels(reason=Reason.AMBIGUOUS.value)] += 1
    return counts
