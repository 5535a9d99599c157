"""Why a reminder came, will come, or will not: one answer for one assignment, the same wherever it is asked.

It walks through the gates of planning and of delivery with the values seen now, and follows them to the end
(`forecast`), so that what it reports and what happens cannot differ. It writes nothing.
"""

from collections.abc import Iterator
from functools import partial

from django.db.models import Prefetch, Q
from django.utils.translation import gettext

from assignments.models import Act, Answer, Assignment
from assignments.team_scope import EVERYTHING, TeamScope
from reminders.conf import ReminderConfig
from reminders.insight.awareness import state_words
from reminders.insight.change_words import Names, sentence
from reminders.insight.explain.answer import (
    ActView,
    AttemptView,
    ChangeView,
    DeliveryEventView,
    Explanation,
    Outlook,
    ReminderExplanation,
    RuleExplanation,
)
from reminders.insight.explain.asked import STILL_OPEN, Asked
from reminders.insight.explain.history import fate, history
from reminders.insight.explain.inputs import problems
from reminders.insight.explain.prospects import Prospect
from reminders.insight.explain.upcoming import upcoming
from reminders.insight.explain.wording import ADVICE
from reminders.insight.merges import merges_of_work
from reminders.insight.template_use import wording_words, wordings_of
from reminders.ledger import archive
from reminders.ledger.awareness import of_assignments
from reminders.ledger.notified import with_start_notified
from reminders.ledger.pauses import pause_in_force
from reminders.models import Attempt, Reminder
from reminders.policy.ways import channel_name, contact_point_of

MOST_CHANGES = 200
"""So many changes of one assignment are told, the latest ones."""


def find(name: str) -> Assignment:
    """The assignment with this id or reference; a reference goes first. Raises Assignment.DoesNotExist."""
    wanted = Q(reference=name)
    if name.isascii() and name.isdigit() and len(name) <= 18:
        wanted |= Q(pk=int(name))
    found = sorted(Assignment.objects.filter(wanted), key=lambda a: a.reference != name)
    if not found:
        raise Assignment.DoesNotExist(
            gettext("there is no assignment with the id or reference %(name)s") % {"name": f"{name!r}"}
        )
    return found[0]


def explain(assignment: Assignment, *, config: ReminderConfig, scope: TeamScope = EVERYTHING) -> Explanation:
    """Everything that can be said about the reminders of this assignment, as of now.

    Whoever had it before and is outside of the scope of the reader is named by number.

    Raises Assignment.DoesNotExist where it has been removed meanwhile.
    """
    found = with_start_notified(Assignment.objects.select_related("assignee")).get(pk=assignment.pk)
    live = Reminder.objects.filter(assignment=found).order_by("-version", "kind", "recipient", "id")
    attempts = Prefetch("attempt_rows", Attempt.objects.order_by("number"))
    rows = [*live.prefetch_related(attempts, "delivery_events"), *archive.archived_rows(found.pk)]
    asked = Asked(found, rows, list(Act.objects.filter(assignment=found)), pause_in_force(), config, scope)
    answer = asked.answer()
    changes = list(_changes(found, scope))
    known = of_assignments([found.pk], config=config).get(found.pk)
    return Explanation(
        assignment_id=found.pk,
        reference=found.reference or "",
        title=found.title,
        status=found.status,
        version=found.version,
        scheduled_start=found.scheduled_start,
        reminder_status=found.reminder_status,
        answer=Answer(found.answer).name,
        answered_at=found.answered_at,
        answer_note=found.answer_note,
        expected_start=found.expected_start,
        on_my_way_at=found.on_my_way_at,
        started_at=found.started_at,
        completed_at=found.completed_at,
        awareness=known.rung.value if known else None,
        awareness_summary=state_words(known) if known else "",
        asked_at=asked.situation.now,
        to=asked.name_of(asked.work.recipient),
        outlook=answer.outlook,
        will_send=answer.outlook is Outlook.COMING,
        next_at=answer.at,
        summary=gettext("The reminder %(summary)s.") % {"summary": answer.summary},
        advice=answer.advice or (str(ADVICE.get(answer.reason, "")) if answer.reason else ""),
        gates=answer.gates,
        upcoming=list(upcoming(asked)),
        history=list(
            history(
                found,
                asked.rows,
                asked.acts,
                changes,
                merges_of_work(found.pk),
                others=asked.others_with,
                name_of=asked.name_of,
                by=asked.ways.by_row,
                wording=partial(wording_words, wordings=wordings_of(rows)),
                now=asked.situation.now,
            )
        ),
        problems=list(problems(config)) if answer.outlook in STILL_OPEN else [],
        acts=[_view(act) for act in asked.acts],
        changes=changes,
        rules=list(_rules(asked)),
        reminders=[_row(asked, row) for row in asked.rows],
    )


def _rules(asked: Asked) -> Iterator[RuleExplanation]:
    if asked.rules is not None:
        yield from asked.rules.explained({rule: one.summary for rule, one in asked.by_rule.items()})
    if asked.chains is not None:
        yield from asked.chains.explained(asked.name_of)


def _changes(assignment: Assignment, scope: TeamScope) -> Iterator[ChangeView]:
    """The latest changes of this work, the oldest of them first."""
    records = list(assignment.change_records.order_by("-id")[:MOST_CHANGES])[::-1]
    names = Names.of(records, scope)
    for one in records:
        yield ChangeView(
            id=one.pk,
            via=one.via,
            actor=one.actor,
            at=one.at,
            version=one.version,
            before=one.before,
            after=one.after,
            summary=sentence(one, names),
        )


def _view(act: Act) -> ActView:
    return ActView(**{name: getattr(act, name) for name in ActView.__dataclass_fields__})


def _row(asked: Asked, row: Reminder) -> ReminderExplanation:
    ended = row.closed_at is not None
    answer = (
        Prospect(Outlook.SENT, None, fate(row, asked.others_with(row), asked.ways.by_row(row)))
        if ended
        else asked.row_answer(row)
    )
    return ReminderExplanation(
        reminder_id=row.pk,
        version=row.version,
        kind=row.kind,
        rule=row.rule,
        recipient=row.recipient,
        to=asked.name_of(row.recipient),
        channel=channel_name(row.channel),
        contact_point=contact_point_of(row.channel),
        state=row.state,
        reason=row.reason,
        due_at=row.due_at,
        not_after=row.not_after,
        next_at=answer.at,
        sent_at=row.sent_at,
        message_id=row.message_id,
        digest_id=row.digest_id,
        others_in_message=asked.others_with(row),
        possible_duplicate=row.ambiguous > 0,
        gates=answer.gates,
        summary=answer.summary,
        attempts=[
            AttemptView(**{name: getattr(a, name) for name in AttemptView.__dataclass_fields__})
            for a in row.attempt_rows.all()
        ],
        delivery_events=[
            DeliveryEventView(**{name: getattr(e, name) for name in DeliveryEventView.__dataclass_fields__})
            for e in row.delivery_events.all()
        ],
    )
