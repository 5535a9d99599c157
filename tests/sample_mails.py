"""One mail of each kind that people get, with all that may be in it: for tests of how mails look and what is in them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from assignments.models import Status
from notifications.message import Contact, Message
from reminders.content import compose
from reminders.ledger.records import Claim, Digest, Facts
from reminders.models import Kind, State
from reminders.policy.announcements import Announcement
from reminders.policy.briefs import CAUSES
from reminders.policy.rows import News, Plan
from tests.sample_rows import sample_row

NOW = datetime(2026, 11, 25, 21, 23, tzinfo=UTC)
START = NOW + timedelta(minutes=30)
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitänskajüte" * 2
FACTS = Facts(
    title="Replace water meter <2nd floor> & check the pump in the cellar",
    kind="Repair",
    location=f"{LONG_WORD} 12, back yard",
    notes=f"Ring twice.\nThe key is at number 14.\n{LONG_WORD}",
    reference="W-1001-" + "0" * 40,
    start=START,
    end=START + timedelta(hours=1),
    assignee_name="Ana Müller",
    assignee_email="ana@example.test",
    assignee_phone="+49 30 123456",
    assignee_zone="Europe/Stockholm",
    assignee_language="en",
    answer_note="My car is broken",
    answered_at=NOW - timedelta(minutes=5),
    expected_start=START + timedelta(minutes=15),
)
ROW = sample_row(due_at=NOW, state=State.SENDING)
PLAN = Plan(version=1, status=Status.SCHEDULED, scheduled_start=START, recipient="assignee:3")
CLAIM = Claim(row=ROW, plan=PLAN, facts=FACTS, number=1, begun_at=NOW)
PRESENT = Announcement(theirs=True, start=START, place=FACTS.location, title=FACTS.title)
TOLD = replace(PRESENT, start=START - timedelta(hours=3), place="Hill Road 5", title="Water meter")
MOVED = News(present=PRESENT, known=(TOLD,))
GONE = News(present=replace(PRESENT, theirs=False), known=(TOLD,))
NOTICE = replace(ROW, kind=Kind.OVERDUE, recipient="person:9", digest_id=1)
STEP = replace(ROW, kind=Kind.ESCALATION, recipient="person:9")


def _notice(rule: str) -> Claim:
    return replace(CLAIM, row=replace(STEP, rule=rule))


def _correction(news: News) -> Claim:
    row = replace(ROW, kind=Kind.CORRECTION, rule="correction:1")
    return replace(CLAIM, row=row, plan=replace(PLAN, news=news), announced=news.present)


def _digest() -> Claim:
    entries = (
        (NOTICE, FACTS),
        (replace(STEP, id=2, rule="declined:1"), FACTS),
        (replace(NOTICE, id=3), replace(FACTS, assignee_name="", assignee_phone="")),
    )
    return replace(CLAIM, row=NOTICE, digest=Digest(lead=NOTICE, entries=entries, members=(), waiting=2))


def _brief() -> Claim:
    """Work for each cause that there is, and two pieces of which the assignees know."""
    rows = tuple(
        (
            replace(STEP, id=number, rule=f"brief:rule:{number}"),
            replace(FACTS, brief_cause=cause),
        )
        for number, cause in enumerate((*(one.value for one in CAUSES), "", ""), 1)
    )
    lead = rows[0][0]
    return replace(CLAIM, row=lead, digest=Digest(lead=lead, entries=rows, members=(), waiting=0))


def _reminders() -> Claim:
    entries = ((ROW, FACTS), (replace(ROW, id=2, assignment_id=8, rule="rule:4"), FACTS))
    return replace(CLAIM, digest=Digest(lead=ROW, entries=entries, members=(), waiting=0))


CLAIMS: Mapping[str, Claim] = {
    "reminder": CLAIM,
    "several reminders": _reminders(),
    "reminder to who has confirmed": replace(CLAIM, plan=replace(PLAN, confirmed=True)),
    "late reminder": replace(
        CLAIM,
        row=replace(ROW, due_at=NOW - timedelta(minutes=40), planned_at=NOW - timedelta(hours=2)),
        facts=replace(FACTS, start=NOW - timedelta(minutes=10)),
    ),
    "reminder that states a change": replace(CLAIM, plan=replace(PLAN, news=MOVED)),
    "correction": _correction(MOVED),
    "correction to who need not come": _correction(GONE),
    "overdue": replace(CLAIM, row=replace(NOTICE, digest_id=None)),
    "declined": _notice("declined:1"),
    "late": _notice("late:1"),
    "no answer yet": _notice("unanswered:rule:7#2"),
    "confirmed after all": _notice("confirmed_after_all:1"),
    "digest": _digest(),
    "brief": _brief(),
}


def mail(name: str, language: str = "en") -> Message:
    """The mail of this name in this language, under the settings in force."""
    claim = CLAIMS[name]
    if claim.row.recipient.startswith("assignee:"):
        contact = replace(compose.assignee_contact(FACTS), language=language)
    else:
        contact = Contact(
            name="Bo Chief", email="bo@example.test", time_zone="Europe/Stockholm", language=language
        )
    return compose.compose(claim, contact=contact, address=contact.email, now=NOW)
