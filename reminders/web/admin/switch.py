"""Rescan, pause and resume: the pages that act on the whole system."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from reminders.ledger.pauses import pause_in_force
from reminders.models import Pause, ScanRun
from reminders.operations import pauses
from reminders.operations.actions import ACTIONS
from reminders.web.admin import confirm
from reminders.web.admin.lists import RecordAdmin
from reminders.web.admin.records import pretty


@admin.register(ScanRun)
class ScanRunAdmin(RecordAdmin):
    """Every scan: who asked for it, and what it found; with the button that starts one."""

    list_display = ("id", "started_at", "finished_at", "trigger", "by", "planned", "error")
    list_filter = ("trigger",)
    fields = ("trigger", "by", "started_at", "alive_until", "finished_at", "counts_shown", "error")
    change_list_template = "admin/reminders/tools_list.html"

    @admin.display(description="planned")
    def planned(self, run: ScanRun) -> object:
        return (run.counts or {}).get("planned", "-")

    @admin.display(description="counts")
    def counts_shown(self, run: ScanRun) -> SafeString:
        return pretty(run.counts)

    def get_urls(self) -> list[URLPattern]:
        own = path("rescan/", self.admin_site.admin_view(self.rescan), name="reminders_rescan")
        return [own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "tools": rescan_tool(request)})

    def rescan(self, request: HttpRequest) -> HttpResponse:
        return confirm.ask(
            request,
            ACTIONS["rescan"],
            opts=self.opts,
            url=reverse("admin:reminders_rescan"),
            back=reverse("admin:reminders_scanrun_changelist"),
        )


def rescan_tool(request: HttpRequest) -> list[tuple[str, str]]:
    """The button, for those who may press it."""
    return [("Rescan now", reverse("admin:reminders_rescan"))] if confirm.may_operate(request) else []


@admin.register(Pause)
class PauseAdmin(RecordAdmin):
    """The kill switch: who held all sending, why, and until when."""

    list_display = ("since", "by", "reason", "until", "ended_at", "ended_by", "in_force")
    change_list_template = "admin/reminders/tools_list.html"

    @admin.display(boolean=True, description="in force")
    def in_force(self, pause: Pause) -> bool:
        return bool(pause.is_in_force)  # type: ignore[attr-defined]  # annotated

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pause]:
        return pauses.pauses()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("begin/", view(self.begin), name="reminders_pause_begin"),
            path("end/", view(self.end), name="reminders_pause_end"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        tools = []
        if confirm.may_operate(request):
            tools = [
                ("Resume sending", reverse("admin:reminders_pause_end"))
                if pause_in_force()
                else ("Pause all sending", reverse("admin:reminders_pause_begin"))
            ]
        return super().changelist_view(request, {**(extra_context or {}), "tools": tools})

    def begin(self, request: HttpRequest) -> HttpResponse:
        return self._ask(request, "pause", "admin:reminders_pause_begin")

    def end(self, request: HttpRequest) -> HttpResponse:
        return self._ask(request, "resume", "admin:reminders_pause_end")

    def _ask(self, request: HttpRequest, name: str, url: str) -> HttpResponse:
        return confirm.ask(
            request,
            ACTIONS[name],
            opts=self.opts,
            url=reverse(url),
            back=reverse("admin:reminders_pause_changelist"),
        )
