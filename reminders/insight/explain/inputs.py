"""What an explanation asks: of the database about work and machinery, of the worker's own steps about addresses."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.db.models import Count
from django.utils.translation import gettext

from assignments.clock import database_now
from assignments.models import Answer, Assignee, Assignment, Status
from assignments.teams import effective_team_id
from notifications.channels import registry
from notifications.message import Contact
from reminders.conf import ReminderConfig
from reminders.content import contacts
from reminders.delivery import beat_schedule, heartbeats
from reminders.insight.forecast import AssignmentFacts
from reminders.ledger.rules import rules_unless_confirmed
from reminders.models import CircuitBreaker, DigestWindow, Kind, Pause, Reason, Reminder, State
from reminders.policy import announcements, corrections, recipients
from reminders.policy.escalation import EscalationTrigger, trigger_of
from reminders.policy.rows import News, Situation
from reminders.policy.ways import channel_name


def situation_of(pause: Pause | None, config: ReminderConfig) -> Situation:
    """What holds for every row at this moment, by the database's clock."""
    return Situation(
        now=database_now(),
        enabled=config.enabled,
        paused=pause is not None,
        paused_until=pause.until if pause else None,
        held=dict(CircuitBreaker.objects.values_list("channel", "until")),
        windows={
            (recipient, channel): until
            for recipient, channel, until in DigestWindow.objects.values_list("recipient", "channel", "until")
        },
        unless_confirmed=rules_unless_confirmed(),
    )


def supervisors_of(assignment: Assignment) -> dict[str, str]:
    """Those who supervise the team of the work now: their names by how the ledger calls them; none without a team."""
    team = effective_team_id(assignment)
    if team is None:
        return {}
    people = Assignee.objects.filter(supervised_teams=team).order_by("name", "pk")
    return {recipients.person_recipient(person.pk): person.name for person in people}


def facts_of(assignment: Assignment, *, supervisors: Iterable[str] = ()) -> AssignmentFacts:
    """An assignment out of `with_start_notified`, as planning sees it; `supervisors` where its notices are asked for."""
    notified = assignment.start_notified  # type: ignore[attr-defined]  # annotated
    return AssignmentFacts(
        assignment_id=assignment.pk,
        version=assignment.version,
        status=Status(assignment.status),
        scheduled_start=assignment.scheduled_start,
        lead_minutes=assignment.lead_minutes,
        recipient=recipients.assignee_recipient(assignment.assignee_id),
        known_at=assignment.known_at,
        expected_start=assignment.expected_start,
        overdue=assignment.overdue_at is not None,
        declined=assignment.answer == Answer.DECLINED,
        confirmed=assignment.answer == Answer.CONFIRMED,
        start_notified=assignment.version > 1 and bool(notified),
        way=assignment.assignee.way if assignment.assignee is not None else "",
        opted_out=frozenset(assignment.opted_out_rules),  # type: ignore[attr-defined]  # annotated
        supervisors=frozenset(supervisors),
    )


def others_in_message(rows: Iterable[Reminder]) -> dict[int, int]:
    """For each digest of these rows: how many other rows are in the same message."""
    ids = {row.digest_id for row in rows if row.digest_id is not None}
    if not ids:
        return {}
    sizes = Reminder.objects.filter(digest_id__in=ids).order_by().values_list("digest_id")
    return {digest_id: size - 1 for digest_id, size in sizes.annotate(Count("id"))}


def news_of(
    row: Reminder,
    rows: Sequence[Reminder],
    assignment: Assignment,
    config: ReminderConfig,
    situation: Situation,
) -> News:
    """What the plan is to the person of this row, beside what they may have been told; as `ledger.records.news_of`."""
    status = Status(assignment.status)
    soon = row.next_attempt_at + config.correction_grace
    return News(
        present=corrections.announcement_for(
            row.recipient,
            assigned_to=recipients.assignee_recipient(assignment.assignee_id),
            status=status,
            start=assignment.scheduled_start,
            place=assignment.location,
            title=assignment.title,
        ),
        known=announcements.known(heard_by(row.recipient, rows)),
        cancelled=status is Status.CANCELLED,
        reminded=status is Status.SCHEDULED
        and any(
            one.kind == Kind.REMINDER
            and one.recipient == row.recipient
            and one.version == assignment.version
            and one.state in (State.PLANNED, State.QUEUED)
            and one.next_attempt_at <= soon
            and not (assignment.answer == Answer.CONFIRMED and one.rule in situation.unless_confirmed)
            for one in rows
        ),
        reminded_at=_reminded_by_another_rule(row, rows, assignment),
    )


def heard_by(recipient: str, rows: Iterable[Reminder]) -> list[announcements.HeardMessage]:
    """What this person has heard of an assignment, or may have, out of its rows (`fragments.HEARD`)."""
    heard = sorted(
        (one for one in rows if one.recipient == recipient and _may_know(one)),
        key=lambda one: (one.begun_at or one.closed_at or one.planned_at, one.pk),
    )
    messages = [
        {
            "announced": one.announced,
            "start": one.planned_start.isoformat(),
            "certain": one.state == State.SENT or one.reason == Reason.IMPORTED,
        }
        for one in heard
    ]
    return list(announcements.messages_from_json(messages))


def told_decline(row: Reminder, rows: Iterable[Reminder]) -> bool:
    """Whether the recipient may have been told last that the assignee can't make it (`fragments.TOLD_DECLINE`)."""
    told = [
        one
        for one in rows
        if one.kind == Kind.ESCALATION
        and (one.version, one.recipient) == (row.version, row.recipient)
        and one.pk != row.pk
        and one.begun_at is not None
        and trigger_of(one.rule) in (EscalationTrigger.DECLINED, EscalationTrigger.CONFIRMED_AFTER_ALL)
        and (one.state in (State.SENT, State.SENDING, State.UNKNOWN) or one.ambiguous > 0)
    ]
    last = max(told, key=lambda one: (one.begun_at, one.pk), default=None)
    return last is not None and trigger_of(last.rule) is EscalationTrigger.DECLINED


def _reminded_by_another_rule(
    row: Reminder, rows: Sequence[Reminder], assignment: Assignment
) -> datetime | None:
    """When another rule last reminded the recipient of the same start (`fragments.OTHER_RULE_BEGUN`)."""
    if row.kind != Kind.REMINDER:
        return None
    begun = (
        one.begun_at
        for one in rows
        if one.begun_at is not None
        and (one.kind, one.recipient, one.planned_start) == (Kind.REMINDER, row.recipient, row.planned_start)
        and one.rule != row.rule
        and (assignment.reset_at is None or one.begun_at > assignment.reset_at)
        and _may_know(one)
    )
    return max(begun, default=None)


def _may_know(row: Reminder) -> bool:
    """Whether this message may have been accepted (`fragments.MAY_KNOW`)."""
    return row.kind in (Kind.REMINDER, Kind.CORRECTION) and (
        row.state in (State.SENT, State.SENDING, State.UNKNOWN)
        or row.ambiguous > 0
        or row.reason == Reason.IMPORTED
    )


def contact_of(assignee: Assignee | None) -> Contact:
    """The assignee, as a channel needs to know them; nobody has no name and no address."""
    return Contact(name="") if assignee is None else contacts.contact_of(assignee)


def can_reach(
    recipient: str, channel: str, person: Contact, config: ReminderConfig, *, verified_only: bool = False
) -> bool:
    """Whether a worker would find an address for this recipient: the very steps it takes."""
    contact = contacts.contact_for(recipient, person, config, way=channel, verified_only=verified_only)
    return contact is not None and registry.get(channel_name(channel)).address(contact) is not None


def problems(config: ReminderConfig) -> Iterator[str]:
    """What is wrong with the machinery right now, so that even what may be sent is not."""
    for entry in beat_schedule.check_entries(config):
        if entry.problem:
            yield gettext("beat does not run %(task)s: %(problem)s") % {
                "task": entry.task,
                "problem": entry.problem,
            }
    seen = heartbeats.recent_by_kind()
    for kind in ("beat", "scanner", "worker"):
        if kind not in seen:
            yield gettext("no %(kind)s was seen in the last %(recent_seconds)s seconds") % {
                "kind": kind,
                "recent_seconds": heartbeats.RECENT_SECONDS,
            }
