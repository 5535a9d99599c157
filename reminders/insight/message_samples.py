"""Sample rows of every kind of message: what a template is tried on before it is saved."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from assignments.models import Status
from notifications.message import Contact, Message
from reminders.content import compose
from reminders.content.message_templates.custom_text import CustomText, TemplateUnusable, check_size, fault_of
from reminders.content.message_templates.tree import TOP, Problem
from reminders.ledger.records import Claim, Digest, Facts
from reminders.models import Kind as RowKind
from reminders.models import MessageTemplate, State
from reminders.policy.announcements import Announcement
from reminders.policy.rows import News, Plan, Row

Kind = MessageTemplate.Kind

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
START = NOW + timedelta(minutes=30)
ADDRESS = "ana@example.test"

_FACTS = Facts(
    title="Repair the lift",
    kind="Repair",
    location="Main Street 5",
    notes="Ring twice.",
    reference="A-17",
    start=START,
    end=START + timedelta(hours=2),
    assignee_name="Ana Müller",
    assignee_email=ADDRESS,
    assignee_phone="+49 170 7654321",
    assignee_zone="Europe/Berlin",
    assignee_language="en",
    answer_note="The train is late.",
    answered_at=NOW - timedelta(minutes=5),
    expected_start=START + timedelta(minutes=20),
)
_BARE = replace(
    _FACTS, kind="", location="", notes="", reference="", end=None, answer_note="", expected_start=None
)
_ROW = Row(
    id=1,
    assignment_id=17,
    version=1,
    kind=RowKind.REMINDER,
    rule="default",
    recipient="assignee:3",
    channel="email",
    planned_start=START,
    planned_at=NOW - timedelta(hours=1),
    due_at=NOW,
    not_after=None,
    next_attempt_at=NOW,
    state=State.SENDING,
    ticket=1,
    attempts=0,
    failures=0,
    ambiguous=0,
)
_PLAN = Plan(version=1, status=Status.SCHEDULED, scheduled_start=START, recipient="assignee:3")
_CLAIM = Claim(row=_ROW, plan=_PLAN, facts=_FACTS, number=1, begun_at=NOW)
_PRESENT = Announcement(start=START, place=_FACTS.location, title=_FACTS.title)
_TOLD = replace(_PRESENT, start=START - timedelta(minutes=90))
_OTHER = replace(_TOLD, place="Old Street 1", title="Repair the old lift", theirs=False)


def samples(kind: str, channel: str) -> Mapping[str, Claim]:
    """Rows of this kind by their names, the usual one first: with everything, with little, and with each change."""
    found = {
        Kind.REMINDER: _reminders,
        Kind.REMINDERS: _several_reminders,
        Kind.CORRECTION: _corrections,
        Kind.OVERDUE: _overdue,
        Kind.ESCALATION: _answers,
        Kind.DIGEST: _several_notices,
    }[Kind(kind)]()
    return {name: _over(claim, channel) for name, claim in found.items()}


def contact_of(claim: Claim, language: str) -> Contact:
    """Who reads the message of a sample row."""
    return replace(compose.assignee_contact(claim.facts), language=language)


def written(text: CustomText | None, claim: Claim, contact: Contact, *, now: datetime = NOW) -> Message:
    """The message of a row with this text, whatever is in force; None: the built-in text. Raises TemplateUnusable."""
    message = compose.compose_with(claim, text, contact=contact, address=ADDRESS, now=now)
    if text is not None:
        check_size(message, text.form)
    return message


def sample_problems(text: CustomText, *, channel: str) -> Iterator[tuple[str, Problem]]:
    """What is wrong with the messages that a text makes of the sample rows, by its field: each of them is tried."""
    for name, claim in samples(text.kind, channel).items():
        try:
            written(text, claim, contact_of(claim, text.language))
        except Exception as error:
            # Whatever a text does to the program is a reason to refuse it.
            known = isinstance(error, TemplateUnusable)
            field = "subject" if known and "subject" in str(error) else "body"
            yield field, Problem(f"with the sample “{name}”: {fault_of(error)}", TOP)


def _over(claim: Claim, channel: str) -> Claim:
    claim = replace(claim, row=replace(claim.row, channel=channel))
    if claim.digest is None:
        return claim
    entries = tuple((replace(row, channel=channel), facts) for row, facts in claim.digest.entries)
    return replace(claim, digest=replace(claim.digest, lead=claim.row, entries=entries))


def _reminders() -> dict[str, Claim]:
    late = replace(_ROW, due_at=NOW - timedelta(minutes=40), planned_at=NOW - timedelta(hours=2))
    return {
        "usual": _CLAIM,
        "with little": replace(_CLAIM, facts=_BARE),
        "confirmed": replace(_CLAIM, plan=replace(_PLAN, confirmed=True)),
        "late": replace(_CLAIM, row=late),
        "changed": replace(_CLAIM, plan=replace(_PLAN, news=News(present=_PRESENT, known=(_OTHER,)))),
    }


def _corrections() -> dict[str, Claim]:
    gone = replace(_PRESENT, theirs=False)
    of = {
        "moved": News(present=_PRESENT, known=(_TOLD,)),
        "cancelled": News(present=gone, known=(_TOLD,), cancelled=True),
        "no longer theirs": News(present=gone, known=(_TOLD,)),
        "theirs again": News(present=_PRESENT, known=(replace(_PRESENT, theirs=False),)),
        "another place": News(present=_PRESENT, known=(replace(_PRESENT, place="Old Street 1"),)),
        "all at once": News(present=_PRESENT, known=(_OTHER,)),
        "another title": News(present=_PRESENT, known=(replace(_PRESENT, title="Repair the old lift"),)),
    }
    row = replace(_ROW, kind=RowKind.CORRECTION, rule="correction:1")
    return {
        name: replace(_CLAIM, row=row, plan=replace(_PLAN, news=news), announced=news.present)
        for name, news in of.items()
    }


_ANSWERS = ("declined:1", "late:1", "confirmed_after_all:1", "unanswered:rule:5#0")


def _notice(rule: str, kind: RowKind = RowKind.ESCALATION, facts: Facts = _FACTS) -> Claim:
    row = replace(_ROW, kind=kind, recipient="person:9", rule=rule)
    return replace(_CLAIM, row=row, facts=facts)


def _overdue() -> dict[str, Claim]:
    nobody = replace(_BARE, assignee_name="", assignee_phone="")
    return {
        "usual": _notice("default", RowKind.OVERDUE),
        "again": _notice("overdue:rule:5#2"),
        "nobody assigned": _notice("default", RowKind.OVERDUE, nobody),
    }


def _answers() -> dict[str, Claim]:
    return {
        "declined": _notice("declined:1"),
        "late": _notice("late:1"),
        "confirmed after all": _notice("confirmed_after_all:1"),
        "no answer": _notice("unanswered:rule:5#0"),
        "with little": _notice("declined:1", facts=_BARE),
    }


def _several_reminders() -> dict[str, Claim]:
    other = (replace(_ROW, id=2, assignment_id=18), replace(_FACTS, title="Check the boiler"))
    entries = ((_ROW, _FACTS), other)
    return {"usual": replace(_CLAIM, digest=Digest(lead=_ROW, entries=entries, members=(), waiting=0))}


def _several_notices() -> dict[str, Claim]:
    overdue = _notice("default", RowKind.OVERDUE)
    other = replace(_notice("declined:1").row, id=2, assignment_id=18)
    alike = (replace(overdue.row, id=3, assignment_id=19), _FACTS)

    def of(*entries: tuple[Row, Facts], waiting: int) -> Claim:
        return replace(overdue, digest=Digest(lead=overdue.row, entries=entries, members=(), waiting=waiting))

    return {
        "usual": of((overdue.row, _FACTS), (other, replace(_FACTS, title="Check the boiler")), waiting=2),
        "of all kinds": of(
            (overdue.row, _FACTS),
            *(
                (replace(_notice(rule).row, id=number), _FACTS)
                for number, rule in enumerate(_ANSWERS, start=4)
            ),
            waiting=0,
        ),
        "all overdue": of((overdue.row, _FACTS), alike, waiting=0),
    }
