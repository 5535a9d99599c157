"""What a reminder would say as an SMS: its text, how it is encoded, and how many segments it takes."""

from dataclasses import dataclass
from datetime import datetime

from assignments.models import Assignment, Status
from notifications.channels.sms import alphabet
from reminders.content import compose
from reminders.content.contacts import contact_of
from reminders.ledger.records import Claim, Facts
from reminders.models import Kind, State
from reminders.policy import recipients
from reminders.policy.rows import Plan, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsPreview:
    """A text as it would leave. `units` are septets of GSM-7, or code units of 16 bits."""

    text: str
    encoding: str
    units: int
    segments: int


def preview(work: Assignment, *, now: datetime) -> SmsPreview | None:
    """The reminder of this assignment, as its assignee would get it now by SMS; None where nobody is assigned."""
    person = work.assignee
    if person is None:
        return None
    contact = contact_of(person)
    recipient = recipients.assignee_recipient(person.pk)
    row = Row(
        id=0,
        assignment_id=work.pk,
        version=work.version,
        kind=Kind.REMINDER,
        rule="",
        recipient=recipient,
        channel="sms",
        planned_start=work.scheduled_start,
        planned_at=now,
        due_at=now,
        not_after=None,
        next_attempt_at=now,
        state=State.SENDING,
        ticket=0,
        attempts=0,
        failures=0,
        ambiguous=0,
    )
    facts = Facts(
        title=work.title,
        kind=work.kind,
        location=work.location,
        notes=work.notes,
        reference=work.reference or "",
        start=work.scheduled_start,
        end=work.scheduled_end,
        assignee_name=person.name,
        assignee_email=person.email,
        assignee_phone=person.phone,
        assignee_zone=person.time_zone,
        assignee_language=person.language,
    )
    plan = Plan(
        version=work.version,
        status=Status(work.status),
        scheduled_start=work.scheduled_start,
        recipient=recipient,
    )
    claim = Claim(row=row, plan=plan, facts=facts, number=1, begun_at=now)
    text = compose.compose(claim, contact=contact, address=person.phone, now=now).text
    size = alphabet.size(text)
    return SmsPreview(text=text, encoding=size.encoding.value, units=size.units, segments=size.segments)
