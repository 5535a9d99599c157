"""What people do by SMS: each reply is dealt with once, by the gateway's id of it.

Only numbers that are contact points count. An act that is recorded is not answered, for each answer costs a message; what
cannot be done, or could be about several people or assignments, is answered with the choices, a few times an hour at most.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.template.loader import get_template
from django.utils import translation

from assignments import act_rules, acts, contact_points
from assignments.clock import database_now
from assignments.contact_point import ContactChannel, ContactPoint
from assignments.direction import isolated
from assignments.history import Actor
from assignments.models import Assignee, Assignment, Status, Way
from assignments.services import NotAssigned, Refused, Stale
from assignments.transactions import atomically
from notifications.channels.sms import alphabet
from reminders.content import dates
from reminders.content.languages import text_language
from reminders.ledger import sms_usage
from reminders.models import Reminder, SmsReply, State
from reminders.policy import recipients, replies
from reminders.policy.replies import Candidate, Reply, Word

logger = logging.getLogger(__name__)

REACHES_BACK, REACHES_AHEAD = timedelta(days=2), timedelta(days=31)
"""Open work is looked at that starts so long before and after now."""
MOST_CHOICES = 5
MOST_WORK = 50
ANSWERS_PER_HOUR = 6
"""To one contact point: two machines that answer each other stop here."""
MINUTES_BY_DEFAULT = 15
"""Shown as an example for LATE."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a reply: 'taken', 'repeated' or 'unknown' (nobody has the number); and the answer, or ''."""

    outcome: str
    answer: str = ""


@atomically
def take(*, sid: str, number: str, text: str) -> Taken:
    """Does what the reply says, unless that was done already."""
    points = list(
        ContactPoint.objects.filter(channel=ContactChannel.SMS, address=number)
        .select_related("person")
        .order_by("id")
    )
    if not points:
        return Taken("unknown")
    _, is_new = SmsReply.objects.get_or_create(
        sid=sid,
        defaults={"contact_point": points[0].pk, "outcome": "taken", "received_at": database_now()},
    )
    if not is_new:
        return Taken("repeated", SmsReply.objects.values_list("answer", flat=True).get(sid=sid))
    opted_out = all(point.opted_out_at is not None for point in points)
    # Somebody whose own language has no texts reads, and answers, the words of another one.
    languages = [
        one for point in points for one in (point.person.language, text_language(point.person.language))
    ]
    outcome, answer = _carry_out(replies.understood(text, languages=languages, opted_out=opted_out), points)
    if opted_out and outcome == "unclear":
        answer = ""
    if answer and not _may_answer(points[0]):
        outcome, answer = f"{outcome}_mute", ""
    SmsReply.objects.filter(sid=sid).update(outcome=outcome[:20], answer=answer)
    logger.info("SMS reply taken", extra={"outcome": outcome, "contact_point": points[0].pk})
    return Taken("taken", answer)


def _carry_out(reply: Reply, points: Sequence[ContactPoint]) -> tuple[str, str]:
    """What became of it, in a word, and the answer."""
    match reply.word:
        case Word.STOP:
            # The gateway may confirm it. We do not: whoever says so gets no message more.
            for point in points:
                contact_points.opt_out(point.pk)
            return "opted_out", ""
        case Word.RESUME:
            for point in points:
                contact_points.opt_in(point.pk)
            return "opted_in", _answer("resumed", points)
        case Word.ACT:
            return _act(reply, points)
        case Word.HELP:
            return "help", _choices("help", points)
        case Word.UNKNOWN:
            return "unclear", _choices("unclear", points)


def _act(reply: Reply, points: Sequence[ContactPoint]) -> tuple[str, str]:
    act = reply.act
    assert act is not None
    now = database_now()
    works = _open_work(points)
    possible = {
        pk: work
        for pk, work in works.items()
        if act_rules.is_done(act, work) or not act_rules.refusal(act, work, now=now, by_assignee=True)
    }
    candidates = _candidates(possible, points)
    chosen = replies.meant(reply, candidates, now=now)
    if chosen is None:
        return ("unclear", _choices("several" if possible else "not_now", points, possible or works))
    actor = Actor.assignee(chosen.person_id, way=Way.SMS)
    try:
        acts.carry_out(
            act,
            chosen.assignment_id,
            actor=actor,
            # Who names the work has its number from an answer, which stated the plan in force.
            version=None if reply.assignment else chosen.version,
            minutes=reply.minutes,
        )
    except Stale:
        return "stale", _choices("changed", points, {chosen.assignment_id: works[chosen.assignment_id]})
    except (Refused, NotAssigned, ValidationError):
        return "refused", _choices("not_now", points, {chosen.assignment_id: works[chosen.assignment_id]})
    for point in points:
        if point.person_id == chosen.person_id:
            contact_points.mark_verified(point.pk)
    return act.value, ""


def _open_work(points: Sequence[ContactPoint]) -> dict[int, Assignment]:
    """What these people have to do, by id, the next first."""
    now = database_now()
    found = (
        Assignment.objects.filter(
            Q(status=Status.IN_PROGRESS) | Q(scheduled_start__gte=now - REACHES_BACK),
            assignee__in={point.person_id for point in points},
            status__in=[Status.SCHEDULED, Status.IN_PROGRESS],
            scheduled_start__lte=now + REACHES_AHEAD,
        )
        .select_related("assignee")
        .order_by("scheduled_start", "id")[:MOST_WORK]
    )
    return {work.pk: work for work in found}


def _candidates(works: dict[int, Assignment], points: Sequence[ContactPoint]) -> list[Candidate]:
    """These works, with the last SMS that each of these numbers got about them."""
    ways = ["sms", *(f"sms:{point.pk}" for point in points)]
    told = Reminder.objects.filter(
        assignment__in=works,
        channel__in=ways,
        state=State.SENT,
        recipient__in=[recipients.assignee_recipient(point.person_id) for point in points],
    )
    last = {row.assignment_id: row for row in told.order_by("closed_at", "id")}
    return [
        Candidate(
            assignment_id=pk,
            person_id=work.assignee_id,
            start=work.scheduled_start,
            told_at=last[pk].closed_at if pk in last else None,
            version=last[pk].version if pk in last else None,
        )
        for pk, work in works.items()
        if work.assignee_id is not None
    ]


def _choices(why: str, points: Sequence[ContactPoint], works: dict[int, Assignment] | None = None) -> str:
    """Says why nothing was done, and what could be: each work with its number, and the words."""
    works = _open_work(points) if works is None else works
    person = points[0].person
    several = len({work.assignee_id for work in works.values()}) > 1
    shown = [_shown(work, person, several) for work in list(works.values())[:MOST_CHOICES]]
    return _answer(why, points, works=shown, number=next(iter(works), None))


def _shown(work: Assignment, reader: Assignee, several: bool) -> str:
    assert work.assignee is not None
    language = text_language(reader.language)
    start = dates.local_time(work.scheduled_start, work.assignee.time_zone, language, long=False)
    whose = f" ({isolated(work.assignee.name)})" if several else ""
    return f"{work.pk}: {isolated(work.title[:40])}, {alphabet.unaccented(start)}{whose}"


def _answer(why: str, points: Sequence[ContactPoint], **values: object) -> str:
    with translation.override(text_language(points[0].person.language)):
        text = get_template("reminders/sms/answer.txt").render(
            {"why": why, "minutes": MINUTES_BY_DEFAULT, **values}
        )
    return alphabet.plain(text.strip())


def _may_answer(point: ContactPoint) -> bool:
    """Whether this number may be answered now: not too often, and within the month's cap, for an answer is an SMS too."""
    lately = SmsReply.objects.filter(
        contact_point=point.pk, received_at__gte=database_now() - timedelta(hours=1)
    ).exclude(answer="")
    if lately.count() >= ANSWERS_PER_HOUR:
        return False
    return sms_usage.reserve(cap=settings.SMS_MONTHLY_CAP) is not None
