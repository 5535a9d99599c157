"""Scans and pauses, with links to the Ops pages that rescan, pause and resume."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from reminders.ledger.pauses import pause_in_force
from reminders.models import Pause, ScanRun
from reminders.operations import pauses
from reminders.web.admin.lists import RecordAdmin, fault, instant, reason, who
from reminders.web.admin.records import pretty
from reminders.web.ops.actions import OFFERED
from reminders.web.ops.page import may_operate

Tool = tuple[str, str]


def action_link(request: HttpRequest, name: str, **query: str) -> Tool:
    """Label and address of the Ops page that confirms an action and comes back here."""
    values = {**query, "back": request.get_full_path()}
    return str(OFFERED[name].title), f"{reverse('ops:act', args=[name])}?{urlencode(values)}"


def ops_page(label: str, name: str, pk: str) -> dict[str, Tool]:
    """The context of a page about a row that has an Ops page of its own."""
    return {"ops_page": (label, reverse(f"ops:{name}", args=[pk]))} if pk.isascii() and pk.isdigit() else {}


def tools(request: HttpRequest, *names: str) -> dict[str, list[Tool]]:
    """The context of a page with links to these actions, for operators."""
    return {"tools": [action_link(request, name) for name in names] if may_operate(request) else []}


@admin.register(ScanRun)
class ScanRunAdmin(RecordAdmin):
    """Every scan: what started it, and what it found; with the button that starts one."""

    list_display = (
        "id",
        instant("started_at"),
        instant("finished_at"),
        "trigger",
        "by",
        "planned",
        fault("error"),
    )
    list_filter = ("trigger",)
    fields = (
        *("trigger", "by", instant("started_at"), instant("alive_until"), instant("finished_at")),
        *("counts_shown", fault("error")),
    )
    change_list_template = "admin/reminders/tools_list.html"

    @admin.display(description=_("planned"))
    def planned(self, run: ScanRun) -> object:
        return (run.counts or {}).get("planned", "-")

    @admin.display(description=_("counts"))
    def counts_shown(self, run: ScanRun) -> SafeString:
        return pretty(run.counts)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), **tools(request, "rescan")})


@admin.register(Pause)
class PauseAdmin(RecordAdmin):
    """Pauses: who paused all sending, why, and until when."""

    list_display = (
        *(
            instant("since"),
            who("by"),
            reason("reason", ordering="reason"),
            instant("until"),
            instant("ended_at"),
            who("ended_by"),
            "in_force",
        ),
    )
    fields = (
        *(instant("since"), who("by"), reason("reason", ordering="reason")),
        *(instant("until"), instant("ended_at"), who("ended_by")),
    )
    change_list_template = "admin/reminders/tools_list.html"

    @admin.display(boolean=True, description=_("in force"))
    def in_force(self, pause: Pause) -> bool:
        return bool(pause.is_in_force)  # type: ignore[attr-defined]  # annotated

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pause]:
        return pauses.pauses()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        name = "resume" if pause_in_force() else "pause"
        return super().changelist_view(request, {**(extra_context or {}), **tools(request, name)})
