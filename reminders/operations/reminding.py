"""Remind now: operators send people a reminder at once, whatever the plan says."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Max
from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments.models import Answer, Assignee, Assignment, Status
from assignments.services import Refused, UnknownAssignment
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from notifications.addresses import masked
from notifications.channels import registry
from reminders.conf import ReminderConfig
from reminders.content import contacts
from reminders.ledger import reminding
from reminders.ledger.audit import record
from reminders.ledger.notified import with_start_notified
from reminders.ledger.pauses import pause_in_force
from reminders.models import OPEN, Kind, Reminder, State
from reminders.operations.plans import (
    ONE_BY_ONE,
    WORDS,
    ActionPlan,
    Done,
    Selection,
    Skipped,
    Target,
    TooMany,
    Why,
    as_planned,
    in_parts,
    lock,
    state_of,
    target_of,
    unknown,
)
from reminders.policy.recipients import assignee_recipient
from reminders.policy.rules import DEFAULT, NOW
from reminders.policy.ways import channel_name, first_way

MOST_AT_ONCE = 200
"""Assignments of which people are reminded by one confirmation."""


class Paused(Refused):
    """Sending is paused, and nobody has said that the reminder may wait for its end."""

    code = "paused"


class SwitchedOff(Refused):
    """Nothing is sent at all."""

    code = "switched_off"


class CannotRemind(Refused):
    """The one assignment that was named is left alone."""

    def __init__(self, why: Why) -> None:
        super().__init__(gettext("nobody is reminded: %(words)s") % {"words": WORDS[why]})
        self.code = why.value


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMessage:
    """What one person would get. `contact` is their address, masked. `last_sent_at` is when they were last reminded of the
    present start, `next_at` when the plan reminds them next, as far as that is planned."""

    way: str
    contact: str
    last_sent_at: datetime | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class RemindPlan(ActionPlan):
    """Whom a reminder would leave for at once, and over which way."""

    messages: tuple[tuple[int, PlannedMessage], ...] = ()

    def shown(self) -> list[object]:
        return [*super(RemindPlan, self).shown(), [[pk, message.way] for pk, message in self.messages]]


def plan_reminding(
    ids: Sequence[int], *, config: ReminderConfig, scope: TeamScope = EVERYTHING
) -> RemindPlan:
    """Who of these assignments' people would be reminded at once. Raises TooMany."""
    selection = Selection(ids=tuple(ids), scope=scope)
    rows = with_start_notified(Assignment.objects.visible_to(scope).select_related("assignee"))
    found = list(rows.filter(pk__in=ids).order_by("pk")[: MOST_AT_ONCE + 1])
    if len(found) > MOST_AT_ONCE:
        raise TooMany(
            gettext("more than %(most_at_once)s people at once: select fewer assignments")
            % {"most_at_once": MOST_AT_ONCE}
        )
    busy = _busy([work.pk for work in found])
    last, coming = _last_sent(found), _next_due(found)
    targets, skipped, messages = [], [], []
    for work in found:
        way, contact = _address(work.assignee, config)
        if (why := _left_alone(work, contact, busy)) is not None:
            skipped.append(Skipped(work.pk, why))
        else:
            targets.append(target_of(work))
            messages.append(
                (
                    work.pk,
                    PlannedMessage(
                        way=way, contact=contact, last_sent_at=last.get(work.pk), next_at=coming.get(work.pk)
                    ),
                )
            )
    return RemindPlan(selection, tuple(targets), (*skipped, *unknown(selection, found)), tuple(messages))


def run_reminding(
    plan: RemindPlan, *, by: str, reason: str, config: ReminderConfig, wait_while_paused: bool = False
) -> Done:
    """Has a reminder leave at once for each target. While sending is paused it waits for the end, if `wait_while_paused`.

    A second call within a minute sends nothing more. Raises SwitchedOff, Paused.
    """
    reason = checked_reason(reason)
    if not config.enabled:
        raise SwitchedOff(
            gettext("reminders are switched off (REMINDER_WORKER_ENABLED=false): nothing is sent")
        )
    if pause_in_force() is not None and not wait_while_paused:
        raise Paused(
            gettext("sending is paused: resume it, or say that the reminder may wait until it goes on")
        )

    @atomically
    def remind_some(part: Sequence[Target]) -> tuple[list[int], list[Skipped]]:
        locked = lock(part, scope=plan.selection.scope)
        busy = _busy(locked)
        ids, skipped = [], []
        for target in part:
            if target.id in busy:
                skipped.append(Skipped(target.id, busy[target.id]))
            elif not as_planned(target, locked.get(target.id)):
                skipped.append(Skipped(target.id, Why.CHANGED))
            else:
                ids.append(target.id)
        if ids:
            planned = reminding.remind_now(ids, by=by, reason=reason, config=config)
            record(
                "remind_now",
                by=by,
                reason=reason,
                selection=plan.selection.as_json(),
                before=state_of(locked[pk] for pk in ids),
                after={
                    str(one.assignment_id): {"reminder_id": one.reminder_id, "channel": one.way}
                    for one in planned
                },
            )
        return ids, skipped

    return in_parts(plan, remind_some, size=ONE_BY_ONE)


def remind(
    pk: int, *, by: str, reason: str, config: ReminderConfig, wait_while_paused: bool, scope: TeamScope
) -> tuple[Reminder, bool]:
    """Reminds the assignee of one assignment at once. Returns the row, and whether it was asked for just before.

    Raises UnknownAssignment, CannotRemind, SwitchedOff, Paused.
    """
    plan = plan_reminding((pk,), config=config, scope=scope)
    done = run_reminding(plan, by=by, reason=reason, config=config, wait_while_paused=wait_while_paused)
    if done.skipped:
        why = done.skipped[0].why
        if why is Why.NOT_FOUND:
            raise UnknownAssignment(gettext("there is no assignment %(pk)s") % {"pk": pk})
        if why is not Why.JUST_REMINDED:
            raise CannotRemind(why)
    return reminding.just_asked_for((pk,))[0], bool(done.skipped)


def _left_alone(work: Assignment, contact: str, busy: Mapping[int, Why]) -> Why | None:
    """Why nobody is reminded of this work; None where somebody is."""
    if work.status != Status.SCHEDULED:
        return Why.NOT_SCHEDULED
    if work.assignee_id is None:
        return Why.NOBODY
    if work.answer == Answer.DECLINED:
        return Why.DECLINED
    if DEFAULT in work.opted_out_rules:  # type: ignore[attr-defined]  # annotated
        return Why.OPTED_OUT
    if not contact:
        return Why.UNREACHABLE
    return busy.get(work.pk)


def _address(person: Assignee | None, config: ReminderConfig) -> tuple[str, str]:
    """The way that a reminder goes to this person, and the masked address; '' where there is none."""
    if person is None:
        return "", ""
    way = first_way(person.way, config)
    recipient = assignee_recipient(person.pk)
    contact = contacts.contact_for(recipient, contacts.contact_of(person), config, way=way)
    address = None if contact is None else registry.get(channel_name(way)).address(contact)
    return way, masked(address) if address and person.way != "none" else ""


def _busy(ids: Collection[int]) -> dict[int, Why]:
    """The assignments of which somebody is being reminded at this moment, or is about to be by an operator."""
    plan_in_force = Reminder.objects.filter(
        assignment__in=ids, version=F("assignment__version"), kind=Kind.REMINDER, state=State.SENDING
    )
    sending = dict.fromkeys(plan_in_force.values_list("assignment_id", flat=True), Why.SENDING)
    asked = reminding.just_asked_for(list(ids)).values_list("assignment_id", flat=True)
    return {**sending, **dict.fromkeys(asked, Why.JUST_REMINDED)}


def _last_sent(found: Sequence[Assignment]) -> dict[int, datetime]:
    """When the assignees were last reminded of the present start."""
    sent = Reminder.objects.filter(
        assignment__in=[work.pk for work in found],
        kind=Kind.REMINDER,
        state=State.SENT,
        planned_start=F("assignment__scheduled_start"),
    ).order_by()
    to = {work.pk: assignee_recipient(work.assignee_id) for work in found}
    latest = sent.values_list("assignment_id", "recipient").annotate(Max("sent_at"))
    return {pk: at for pk, recipient, at in latest if recipient == to[pk]}


def _next_due(found: Sequence[Assignment]) -> dict[int, datetime]:
    """When the plan reminds the assignees next, as far as it has rows."""
    planned = Reminder.objects.filter(
        assignment__in=[work.pk for work in found],
        version=F("assignment__version"),
        kind=Kind.REMINDER,
        state__in=OPEN,
    ).exclude(rule__startswith=NOW)
    coming: dict[int, datetime] = {}
    for pk, at in planned.order_by("next_attempt_at").values_list("assignment_id", "next_attempt_at"):
        coming.setdefault(pk, at)
    return coming
