"""Sample rows of every kind of message: what a template is tried on before it is saved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from assignments.models import Status
from notifications.message import Contact, Message
from reminders.content import compose
from reminders.content.message_templates.custom_text import CustomText, TemplateUnusable, check_size, fault_of
from reminders.content.message_templates.tree import TOP, Problem
from reminders.ledger.records import Claim, Digest, Facts
from reminders.models import Kind as RowKind
from reminders.models import MessageTemplate, State
from reminders.policy.announcements import Announcement
from reminders.policy.recipients import assignee_recipient
from reminders.policy.rows import News, Plan, Row

Kind = MessageTemplate.Kind

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
START = NOW + timedelta(minutes=30)
ADDRESS = "ana@example.test"
OTHER_TITLE = "Check the boiler"
_ANSWERS = ("declined:1", "late:1", "confirmed_after_all:1", "unanswered:rule:5#0")

SAMPLE_FACTS = Facts(
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


def samples(kind: str, channel: str, *, made: "SampleRows | None" = None) -> Mapping[str, Claim]:
    """Rows of this kind by their names, the usual one first: with everything, with little, and with each change.

    `made` says about which work.
    """
    made = made or SampleRows(SAMPLE_FACTS)
    found = {
        Kind.REMINDER: made.reminders,
        Kind.REMINDERS: made.several_reminders,
        Kind.CORRECTION: made.corrections,
        Kind.OVERDUE: made.overdue,
        Kind.ESCALATION: made.answers,
        Kind.DIGEST: made.several_notices,
    }[Kind(kind)]()
    return {name: _over(claim, channel) for name, claim in found.items()}


def contact_of(claim: Claim, language: str) -> Contact:
    """Who reads the message of a sample row."""
    return replace(compose.assignee_contact(claim.facts), language=language)


def written(
    text: CustomText | None, claim: Claim, contact: Contact, *, now: datetime | None = None
) -> Message:
    """The message of a row with this text, whatever is in force; None: the built-in text. Raises TemplateUnusable."""
    message = compose.compose_with(claim, text, contact=contact, address=ADDRESS, now=now or claim.begun_at)
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
            field = error.part if isinstance(error, TemplateUnusable) else "body"
            values = {"sample": gettext(name), "fault": fault_of(error)}
            yield field, Problem(_("with the sample “%(sample)s”: %(fault)s"), TOP, values)


def _over(claim: Claim, channel: str) -> Claim:
    claim = replace(claim, row=replace(claim.row, channel=channel))
    if claim.digest is None:
        return claim
    entries = tuple((replace(row, channel=channel), facts) for row, facts in claim.digest.entries)
    return replace(claim, digest=replace(claim.digest, lead=claim.row, entries=entries))


@dataclass(frozen=True)
class SampleRows:
    """Rows about work with these facts, as they are half an hour before its start."""

    facts: Facts
    assignment_id: int = 17
    person_id: int = 3

    @property
    def now(self) -> datetime:
        return self.facts.start - timedelta(minutes=30)

    @property
    def bare(self) -> Facts:
        """The same work, of which little is known."""
        return replace(
            self.facts,
            kind="",
            location="",
            notes="",
            reference="",
            end=None,
            answer_note="",
            expected_start=None,
        )

    @property
    def row(self) -> Row:
        return Row(
            id=1,
            assignment_id=self.assignment_id,
            version=1,
            kind=RowKind.REMINDER,
            rule="default",
            recipient=assignee_recipient(self.person_id),
            channel="email",
            planned_start=self.facts.start,
            planned_at=self.now - timedelta(hours=1),
            due_at=self.now,
            not_after=None,
            next_attempt_at=self.now,
            state=State.SENDING,
            ticket=1,
            attempts=0,
            failures=0,
            ambiguous=0,
        )

    @property
    def claim(self) -> Claim:
        plan = Plan(
            version=1,
            status=Status.SCHEDULED,
            scheduled_start=self.facts.start,
            recipient=assignee_recipient(self.person_id),
        )
        return Claim(row=self.row, plan=plan, facts=self.facts, number=1, begun_at=self.now)

    @property
    def present(self) -> Announcement:
        return Announcement(start=self.facts.start, place=self.facts.location, title=self.facts.title)

    @property
    def told(self) -> Announcement:
        """What was announced before it was moved."""
        return replace(self.present, start=self.facts.start - timedelta(minutes=90))

    @property
    def other(self) -> Announcement:
        """What was announced before everything was changed."""
        return replace(self.told, place="Old Street 1", title="Repair the old lift", theirs=False)

    def reminders(self) -> dict[str, Claim]:
        claim = self.claim
        late = replace(
            claim.row,
            due_at=self.now - timedelta(minutes=40),
            planned_at=self.now - timedelta(hours=2),
        )
        changed = replace(claim.plan, news=News(present=self.present, known=(self.other,)))
        return {
            _("usual"): claim,
            _("with little"): replace(claim, facts=self.bare),
            "confirmed": replace(claim, plan=replace(claim.plan, confirmed=True)),
            "late": replace(claim, row=late),
            "changed": replace(claim, plan=changed),
        }

    def corrections(self) -> dict[str, Claim]:
        present, told, claim = self.present, self.told, self.claim
        gone = replace(present, theirs=False)
        of = {
            "moved": News(present=present, known=(told,)),
            "cancelled": News(present=gone, known=(told,), cancelled=True),
            "no longer theirs": News(present=gone, known=(told,)),
            "theirs again": News(present=present, known=(replace(present, theirs=False),)),
            "another place": News(present=present, known=(replace(present, place="Old Street 1"),)),
            _("all at once"): News(present=present, known=(self.other,)),
            "another title": News(present=present, known=(replace(present, title="Repair the old lift"),)),
        }
        row = replace(claim.row, kind=RowKind.CORRECTION, rule="correction:1")
        return {
            name: replace(claim, row=row, plan=replace(claim.plan, news=news), announced=news.present)
            for name, news in of.items()
        }

    def notice(self, rule: str, kind: RowKind = RowKind.ESCALATION, facts: Facts | None = None) -> Claim:
        """What a supervisor is told by a row of this rule."""
        row = replace(self.row, kind=kind, recipient="person:9", rule=rule)
        return replace(self.claim, row=row, facts=facts or self.facts)

    def overdue(self) -> dict[str, Claim]:
        nobody = replace(self.bare, assignee_name="", assignee_phone="")
        return {
            "usual": self.notice("default", RowKind.OVERDUE),
            _("again"): self.notice("overdue:rule:5#2"),
            "nobody assigned": self.notice("default", RowKind.OVERDUE, nobody),
        }

    def answers(self) -> dict[str, Claim]:
        return {
            "declined": self.notice("declined:1"),
            "late": self.notice("late:1"),
            "confirmed after all": self.notice("confirmed_after_all:1"),
            "no answer": self.notice("unanswered:rule:5#0"),
            "with little": self.notice("declined:1", facts=self.bare),
        }

    def several_reminders(self) -> dict[str, Claim]:
        row = self.row
        other = (
            replace(row, id=2, assignment_id=self.assignment_id + 1),
            replace(self.facts, title=OTHER_TITLE),
        )
        entries = ((row, self.facts), other)
        digest = Digest(lead=row, entries=entries, members=(), waiting=0)
        return {"usual": replace(self.claim, digest=digest)}

    def several_notices(self) -> dict[str, Claim]:
        overdue = self.notice("default", RowKind.OVERDUE)
        other = replace(self.notice("declined:1").row, id=2, assignment_id=self.assignment_id + 1)
        alike = (replace(overdue.row, id=3, assignment_id=self.assignment_id + 2), self.facts)

        def of(*entries: tuple[Row, Facts], waiting: int) -> Claim:
            digest = Digest(lead=overdue.row, entries=entries, members=(), waiting=waiting)
            return replace(overdue, digest=digest)

        own = (overdue.row, self.facts)
        return {
            "usual": of(own, (other, replace(self.facts, title=OTHER_TITLE)), waiting=2),
            "of all kinds": of(
                own,
                *(
                    (replace(self.notice(rule).row, id=number), self.facts)
                    for number, rule in enumerate(_ANSWERS, start=4)
                ),
                waiting=0,
            ),
            "all overdue": of(own, alike, waiting=0),
        }
