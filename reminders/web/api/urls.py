"""The addresses of the API."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import Resolver404, URLPattern, path, re_path, resolve
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from reminders.web.api import (
    acts,
    assignments,
    board,
    calendar_links,
    calendars,
    contact_points,
    erasing,
    explanation,
    exports,
    imports,
    mappings,
    message_templates,
    ops,
    reminding,
    rules,
    summary,
    teams,
    webhooks,
)
from reminders.web.api.endpoint import Endpoint
from reminders.web.api.schema import DocsView, SchemaView
from reminders.web.team_limits import TeamAccess


@extend_schema(exclude=True)
class UnknownView(Endpoint):
    """Any other address below /api/: 404 in the shape of every error."""

    permission_classes = [AllowAny]
    team_limit = TeamAccess.PUBLIC

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A known address with a trailing slash redirects to the one without; 308 keeps method and body (RFC 9110)."""
        path = request.path.rstrip("/")
        if path != request.path and _is_known(path):
            query = request.META.get("QUERY_STRING", "")
            location = f"{path}?{query}" if query else path
            return HttpResponse(status=308, headers={"Location": location})
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("there is nothing at this address")


def _is_known(path: str) -> bool:
    try:
        return resolve(path).url_name != "unknown"
    except Resolver404:
        return False


urlpatterns: list[URLPattern] = [
    path("assignments", assignments.AssignmentListView.as_view(), name="assignments"),
    path("assignments/<int:pk>", assignments.AssignmentView.as_view(), name="assignment"),
    path("assignments/import", imports.ImportView.as_view(), name="import"),
    path("assignments/export", exports.AssignmentExportView.as_view(), name="export"),
    path(
        "assignments/by-reference/<path:reference>",
        assignments.AssignmentByReferenceView.as_view(),
        name="by-reference",
    ),
    *(path(f"assignments/<int:pk>/{name}", view.as_view(), name=name) for name, view in acts.VIEWS.items()),
    path("assignments/<int:pk>/remind", reminding.RemindView.as_view(), name="remind"),
    path("assignments/<int:pk>/cancel", assignments.CancelView.as_view(), name="cancel"),
    path("assignments/<int:pk>/reschedule", assignments.RescheduleView.as_view(), name="reschedule"),
    path("assignments/<int:pk>/reminders", assignments.ReminderListView.as_view(), name="reminders"),
    path("assignments/<int:pk>/explain", explanation.ExplanationView.as_view(), name="explain"),
    path("admin/reminders/export", exports.ReminderExportView.as_view(), name="export-reminders"),
    path("admin/reminders/rescan", ops.RescanView.as_view(), name="rescan"),
    path("admin/reminders/scans/<int:pk>", ops.ScanView.as_view(), name="scan"),
    path("admin/reminders/reset", ops.ResetView.as_view(), name="reset"),
    path("admin/reminders/summary", summary.SummaryView.as_view(), name="summary"),
    path("admin/reminders/pause", ops.PauseView.as_view(), name="pause"),
    path("admin/reminders/resume", ops.ResumeView.as_view(), name="resume"),
    path("board", board.BoardView.as_view(), name="board"),
    path("forecast", board.ForecastView.as_view(), name="forecast"),
    path("teams", teams.TeamListView.as_view(), name="teams"),
    path("teams/<int:pk>", teams.TeamView.as_view(), name="team"),
    path(
        "teams/<int:pk>/calendar-link",
        calendar_links.TeamCalendarLinkView.as_view(),
        name="team-calendar-link",
    ),
    path(
        "people/<int:pk>/calendar-link",
        calendar_links.PersonCalendarLinkView.as_view(),
        name="person-calendar-link",
    ),
    path("people", teams.PersonListView.as_view(), name="people"),
    path("people/<int:pk>/erase", erasing.EraseView.as_view(), name="erase-person"),
    path("people/<int:pk>/export", erasing.PersonExportView.as_view(), name="export-person"),
    path("people/<int:pk>", teams.PersonView.as_view(), name="person"),
    path(
        "people/<int:pk>/contact-points", contact_points.ContactPointListView.as_view(), name="contact-points"
    ),
    path(
        "people/<int:pk>/contact-points/<int:n>",
        contact_points.ContactPointView.as_view(),
        name="contact-point",
    ),
    path(
        "people/<int:pk>/contact-points/<int:n>/verify",
        contact_points.VerifyView.as_view(),
        name="verify-contact-point",
    ),
    path("rules", rules.RuleListView.as_view(), name="rules"),
    path("rules/preview", rules.RulePreviewView.as_view(), name="preview-rule"),
    path("rules/<int:pk>", rules.RuleView.as_view(), name="rule"),
    path("import-mappings", mappings.MappingListView.as_view(), name="import-mappings"),
    path("import-mappings/guess", mappings.MappingGuessView.as_view(), name="guess-mapping"),
    path("import-mappings/<int:pk>", mappings.MappingView.as_view(), name="import-mapping"),
    path("message-templates", message_templates.MessageTemplateListView.as_view(), name="message-templates"),
    path(
        "message-templates/starter", message_templates.StarterView.as_view(), name="message-template-starter"
    ),
    path(
        "message-templates/preview",
        message_templates.TemplatePreviewView.as_view(),
        name="preview-message-template",
    ),
    path(
        "message-templates/<int:pk>",
        message_templates.MessageTemplateView.as_view(),
        name="message-template",
    ),
    path(
        "message-templates/<int:pk>/versions",
        message_templates.TemplateVersionListView.as_view(),
        name="message-template-versions",
    ),
    path(
        "message-templates/<int:pk>/restore",
        message_templates.RestoreTemplateView.as_view(),
        name="restore-message-template",
    ),
    path(
        "message-templates/<int:pk>/deactivate",
        message_templates.DeactivateTemplateView.as_view(),
        name="deactivate-message-template",
    ),
    path("webhooks", webhooks.WebhookListView.as_view(), name="webhooks"),
    path("webhooks/<int:pk>", webhooks.WebhookView.as_view(), name="webhook"),
    path("webhooks/<int:pk>/rotate", webhooks.RotateView.as_view(), name="rotate-webhook"),
    path("webhooks/<int:pk>/test", webhooks.TestView.as_view(), name="test-webhook"),
    path("calendar-sources", calendars.CalendarSourceListView.as_view(), name="calendars"),
    path("calendar-sources/<int:pk>", calendars.CalendarSourceView.as_view(), name="calendar"),
    path("calendar-sources/<int:pk>/poll", calendars.PollView.as_view(), name="poll-calendar"),
    path("calendar-sources/<int:pk>/accept", calendars.AcceptView.as_view(), name="accept-calendar"),
    path("schema", SchemaView.as_view(), name="schema"),
    path("docs", DocsView.as_view(url_name="schema"), name="docs"),
    re_path(r"", UnknownView.as_view(), name="unknown"),
]
