"""What a reminder would say as an SMS: its text, how it is encoded, and how many segments it takes."""

from dataclasses import dataclass
from datetime import datetime

from assignments.models import Assignment, Status
from notifications.channels.sms import alphabet
from reminders.content import compose
from reminders.content.contacts import contact_of
from reminders.content.message_templates import active
from reminders.insight.work_facts import facts_of
from reminders.ledger.records import Claim
from reminders.models import Kind, State
from reminders.policy import recipients
from reminders.policy.rows import Plan, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsPreview:
    """A text as it would leave. `units` are septets of GSM-7, or code units of 16 bits. `template_version` is the id of the
    version of a message template that it was made from; None: of the built-in text. `template_fault` says why that template
    cannot be used, where the text is the built-in one for that reason.
    """

    text: str
    encoding: str
    units: int
    segments: int
    template_version: int | None = None
    template_fault: str = ""


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
    plan = Plan(
        version=work.version,
        status=Status(work.status),
        scheduled_start=work.scheduled_start,
        recipient=recipient,
    )
    claim = Claim(row=row, plan=plan, facts=facts_of(work), number=1, begun_at=now)
    active.refresh()
    message = compose.compose(claim, contact=contact, address=person.phone, now=now)
    size = alphabet.size(message.text)
    return SmsPreview(
        text=message.text,
        encoding=size.encoding.value,
        units=size.units,
        segments=size.segments,
        template_version=message.wording.version,
        template_fault=message.wording.fault,
    )
