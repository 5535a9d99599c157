"""What comes if nobody changes anything."""

from collections.abc import Iterator

from django.utils.translation import gettext

from assignments.models import Status
from reminders.insight import forecast
from reminders.insight.explain.answer import Outlook, TimelineEntry
from reminders.insight.explain.asked import Asked
from reminders.insight.explain.chains import about
from reminders.insight.explain.wording import moment, now_words
from reminders.models import Kind
from reminders.policy import rows as policy_rows
from reminders.policy import timing
from reminders.policy.rules import is_now


def upcoming(asked: Asked) -> Iterator[TimelineEntry]:
    """What comes if nobody changes anything, in the order of time."""
    steps, answer = [], asked.planned()
    if asked.rules is not None and asked.by_rule:
        steps += [
            TimelineEntry(
                one.at,
                gettext("The reminder of %(rule)s %(summary)s.")
                % {"rule": asked.rules.name_of(rule), "summary": one.summary},
            )
            for rule, one in asked.by_rule.items()
            if one.at is not None or one.outlook in (Outlook.SENDING, Outlook.WAITS)
        ]
    elif answer.at is not None or answer.outlook in (Outlook.SENDING, Outlook.WAITS):
        steps.append(
            TimelineEntry(answer.at, gettext("The reminder %(summary)s.") % {"summary": answer.summary})
        )
    for row in asked.rows:
        if is_now(row.rule) and row.closed_at is None:
            prospect = asked.row_answer(row)
            steps.append(
                TimelineEntry(
                    prospect.at,
                    gettext("The reminder %(now_words)s %(summary)s.")
                    % {"now_words": now_words(row), "summary": prospect.summary},
                )
            )
        if row.kind == Kind.CORRECTION and row.closed_at is None:
            prospect = asked.prospect(row)
            to = asked.name_of(row.recipient)
            steps.append(
                TimelineEntry(
                    prospect.at,
                    gettext("A correction to %(to)s %(summary)s.") % {"to": to, "summary": prospect.summary},
                )
            )
        elif row.kind == Kind.ESCALATION and row.closed_at is None:
            prospect = asked.prospect(row)
            by = asked.chains.name_of_step(row.rule) if asked.chains else ""
            notice = gettext("A notice of %(by)s to") % {"by": by} if by else gettext("A notice to")
            to, what = asked.name_of(row.recipient), about(row.rule)
            steps.append(
                TimelineEntry(
                    prospect.at,
                    gettext("%(notice)s %(to)s that %(what)s %(summary)s.")
                    % {"notice": notice, "to": to, "what": what, "summary": prospect.summary},
                )
            )
    if asked.chains is not None:
        steps += asked.chains.upcoming(asked.name_of)
    if (marked := _marked_at(asked)) is not None:
        steps.append(marked)
    yield from sorted(steps, key=lambda step: (step.at is None, step.at))


def _marked_at(asked: Asked) -> TimelineEntry | None:
    """When the assignment is marked OVERDUE if nobody starts the work; None where it is not, or is already."""
    work = asked.work
    if work.status is not Status.SCHEDULED or work.overdue:
        return None
    row = asked.current(Kind.OVERDUE)
    if row is not None:
        at = (
            None
            if row.closed_at
            else forecast.forecast_row(
                policy_rows.from_model(row), work.plan_for(row.rule), asked.situation
            ).at
        )
    else:
        at = timing.overdue_at(work.scheduled_start, expected_start=work.expected_start, config=asked.config)
        at = max(asked.situation.now, at)
    if at is None or not asked.config.enabled or asked.dispatch_stop is not None:
        return None
    return TimelineEntry(
        at,
        gettext("If nobody has started the work by then, it is marked OVERDUE at %(at)s.")
        % {"at": moment(at)},
    )
