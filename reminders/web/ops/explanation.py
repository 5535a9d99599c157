"""The page of one assignment: why its reminder was sent, will be sent, or will not."""

from collections.abc import Iterator
from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext

from assignments.models import Answer, Assignment, ReminderStatus, Status
from assignments.teams import effective_team
from reminders import conf
from reminders.content.links import tel_url
from reminders.insight.explain.answer import Outlook
from reminders.insight.explain.explain import explain
from reminders.insight.headline import headline
from reminders.operations.act_actions import ACT_ACTIONS, possible_actions
from reminders.operations.opt_outs import described_for
from reminders.operations.plan_change_actions import possible_changes
from reminders.policy.awareness import Rung
from reminders.web.ops.actions import OFFERED
from reminders.web.ops.page import may_operate, page, show
from reminders.web.team_limits import TeamAccess, scope_of

TONES = {
    Outlook.COMING: "good",
    Outlook.SENDING: "good",
    Outlook.SENT: "good",
    Outlook.WAITS: "warn",
    Outlook.NOT_SENT: "warn",
    Outlook.FAILED: "bad",
    Outlook.UNKNOWN: "bad",
}


@page(limit=TeamAccess.NARROWS)
def explanation(request: HttpRequest, pk: int) -> HttpResponse:
    """The answer in one sentence, then everything that it follows from."""
    rows = Assignment.objects.visible_to(scope_of(request.user))
    assignment = rows.select_related("assignee__team", "team").filter(pk=pk).first()
    if assignment is None:
        raise Http404(gettext("There is no assignment with the number %(pk)s.") % {"pk": pk})
    config = conf.current()
    answer = explain(assignment, config=config, scope=scope_of(request.user))
    person_shown = assignment.assignee is not None and scope_of(request.user).holds(
        assignment.assignee.team_id
    )
    first = headline(assignment, now=answer.asked_at, config=config)
    offered = dict(_offered(assignment, now=answer.asked_at))
    helpful = [(name, offered.pop(name)) for name in first.acts if name in offered] if first else []
    context = {
        "assignment": assignment,
        "team": effective_team(assignment),
        "answer": answer,
        "person_shown": person_shown,
        "call": tel_url(assignment.assignee.phone) if assignment.assignee and person_shown else "",
        "add_address": person_shown and may_operate(request) and answer.awareness == Rung.UNREACHABLE.value,
        "tone": "" if first else TONES[answer.outlook],
        "headline": first,
        "helpful": helpful,
        "opt_outs": described_for(assignment),
        "acts": [(name, title) for name, title in offered.items() if name in ACT_ACTIONS],
        "changes": [(name, title) for name, title in offered.items() if name not in ACT_ACTIONS],
        "resettable": assignment.status == Status.SCHEDULED,
    }
    return show(request, "explanation", context)


def _offered(work: Assignment, *, now: datetime) -> Iterator[tuple[str, str]]:
    """Name and title of what operators may do about this assignment now."""
    if work.status == Status.SCHEDULED and work.assignee_id is not None and work.answer != Answer.DECLINED:
        yield "remind-now", str(OFFERED["remind-now"].title)
    yield from possible_changes(work)
    if work.status == Status.SCHEDULED and work.reminder_status == ReminderStatus.OVERDUE:
        yield "close", str(OFFERED["close"].title)
    yield from possible_actions(work, now=now)
