"""The addresses of the API."""

from typing import Any

from django.urls import URLPattern, path, re_path
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from reminders.web.api import assignments, explanation, exports, imports, ops, summary, webhooks
from reminders.web.api.endpoint import Endpoint
from reminders.web.api.schema import Docs, Schema


@extend_schema(exclude=True)
class Unknown(Endpoint):
    """Any other address below /api/: says so in the API's own shape."""

    permission_classes = [AllowAny]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("there is nothing at this address")


urlpatterns: list[URLPattern] = [
    path("assignments", assignments.Assignments.as_view(), name="assignments"),
    path("assignments/<int:pk>", assignments.AnAssignment.as_view(), name="assignment"),
    path("assignments/import", imports.Import.as_view(), name="import"),
    path("assignments/export", exports.ExportAssignments.as_view(), name="export"),
    path("assignments/by-reference/<path:reference>", assignments.ByReference.as_view(), name="by-reference"),
    path("assignments/<int:pk>/start", assignments.Start.as_view(), name="start"),
    path("assignments/<int:pk>/complete", assignments.Complete.as_view(), name="complete"),
    path("assignments/<int:pk>/cancel", assignments.Cancel.as_view(), name="cancel"),
    path("assignments/<int:pk>/reschedule", assignments.Reschedule.as_view(), name="reschedule"),
    path("assignments/<int:pk>/reminders", assignments.Reminders.as_view(), name="reminders"),
    path("assignments/<int:pk>/explain", explanation.Explain.as_view(), name="explain"),
    path("admin/reminders/export", exports.ExportReminders.as_view(), name="export-reminders"),
    path("admin/reminders/rescan", ops.Rescan.as_view(), name="rescan"),
    path("admin/reminders/scans/<int:pk>", ops.Scan.as_view(), name="scan"),
    path("admin/reminders/reset", ops.Reset.as_view(), name="reset"),
    path("admin/reminders/summary", summary.Summary.as_view(), name="summary"),
    path("admin/reminders/pause", ops.Pause.as_view(), name="pause"),
    path("admin/reminders/resume", ops.Resume.as_view(), name="resume"),
    path("webhooks", webhooks.Webhooks.as_view(), name="webhooks"),
    path("webhooks/<int:pk>", webhooks.AWebhook.as_view(), name="webhook"),
    path("webhooks/<int:pk>/rotate", webhooks.Rotate.as_view(), name="rotate-webhook"),
    path("webhooks/<int:pk>/test", webhooks.TryOut.as_view(), name="test-webhook"),
    path("schema", Schema.as_view(), name="schema"),
    path("docs", Docs.as_view(url_name="schema"), name="docs"),
    re_path(r"", Unknown.as_view(), name="unknown"),
]
