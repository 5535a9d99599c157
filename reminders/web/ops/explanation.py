"""The page of one assignment: why its reminder was sent, will be sent, or will not."""

from django.http import Http404, HttpRequest, HttpResponse

from assignments.models import Assignment, ReminderStatus, Status
from assignments.teams import effective_team
from reminders import conf
from reminders.insight.explain.answer import Outlook
from reminders.insight.explain.explain import explain
from reminders.operations.act_actions import possible_actions
from reminders.operations.opt_outs import described_for
from reminders.operations.plan_change_actions import possible_changes
from reminders.web.ops.page import page, show
from reminders.web.team_limits import TeamLimit, scope_of

TONES = {
    Outlook.COMING: "good",
    Outlook.SENDING: "good",
    Outlook.SENT: "good",
    Outlook.WAITS: "warn",
    Outlook.NOT_SENT: "warn",
    Outlook.FAILED: "bad",
    Outlook.UNKNOWN: "bad",
}


@page(limit=TeamLimit.NARROWS)
def explanation(request: HttpRequest, pk: int) -> HttpResponse:
    """The answer in one sentence, then everything that it follows from."""
    rows = Assignment.objects.visible_to(scope_of(request.user))
    assignment = rows.select_related("assignee__team", "team").filter(pk=pk).first()
    if assignment is None:
        raise Http404(f"There is no assignment with the number {pk}.")
    answer = explain(assignment, config=conf.current())
    context = {
        "assignment": assignment,
        "team": effective_team(assignment),
        "answer": answer,
        "person_shown": assignment.assignee is not None
        and scope_of(request.user).holds(assignment.assignee.team_id),
        "tone": TONES[answer.outlook],
        "opt_outs": described_for(assignment),
        "acts": possible_actions(assignment, now=answer.asked_at),
        "changes": possible_changes(assignment),
        "resettable": assignment.status == Status.SCHEDULED,
        "closable": assignment.status == Status.SCHEDULED
        and assignment.reminder_status == ReminderStatus.OVERDUE,
    }
    return show(request, "explanation", context)
