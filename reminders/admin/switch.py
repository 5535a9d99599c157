"""Rescan, pause and resume: the pages that act on the whole system."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from reminders import conf, operations
from reminders.admin import confirm
from reminders.admin.confirm import OptionalReasonForm, Question, ReasonForm
from reminders.admin.lists import RecordAdmin
from reminders.admin.records import pretty
from reminders.broker import CeleryBroker
from reminders.explain import moment
from reminders.models import Pause, ScanRun
from reminders.operations import Part

PREVIEW_BUDGET = timedelta(seconds=3)


class PauseForm(ReasonForm):
    """Why, and until when."""

    until = forms.SplitDateTimeField(
        required=False,
        widget=AdminSplitDateTime(),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["until"].help_text = (
            f"Sending goes on by itself at this instant ({timezone.get_current_timezone_name()}). "
            "Empty: until somebody resumes."
        )


class ResumeForm(OptionalReasonForm):
    """What becomes of the messages that wait."""

    skip = forms.TypedMultipleChoiceField(
        required=False,
        coerce=Part,
        choices=[
            (Part.LATE.value, "the late reminders, whose work has begun by the clock"),
            (Part.USEFUL.value, "the reminders that are still useful"),
            (Part.NOTICES.value, "the notices of overdue work"),
        ],
        widget=forms.CheckboxSelectMultiple,
        label="Skip instead of sending",
        help_text="What is skipped is never sent, and needs a reason.",
    )


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
            opts=self.opts,
            url=reverse("admin:reminders_rescan"),
            back=reverse("admin:reminders_scanrun_changelist"),
            form_class=OptionalReasonForm,
            question=_what_a_scan_would_do,
            act=lambda values, _plan: _rescan(request, values["reason"]),
        )


def rescan_tool(request: HttpRequest) -> list[tuple[str, str]]:
    """The button, for those who may press it."""
    return [("Rescan now", reverse("admin:reminders_rescan"))] if confirm.may_operate(request) else []


def _what_a_scan_would_do() -> Question:
    config = conf.current()
    preview = operations.preview_rescan(config=config, budget=PREVIEW_BUDGET)
    warnings = []
    if not config.enabled:
        warnings.append(
            "Reminders are switched off (REMINDER_WORKER_ENABLED=false): a rescan is refused until they are on."
        )
    if not preview.complete:
        warnings.append(
            "There is more than could be counted in this moment: the figures are the least a scan would do."
        )
    return Question(
        title="Rescan now",
        summary=(
            "A scan plans the reminders that are missing, and ends those whose plan no longer holds. "
            "It sends nothing twice, however often it runs. It would do this now:"
        ),
        button="Rescan now",
        facts=list(asdict(preview.counts).items()),
        warnings=warnings,
        possible=config.enabled,
    )


def _rescan(request: HttpRequest, reason: str) -> str:
    done = operations.rescan(
        trigger=ScanRun.Trigger.ADMIN,
        by=request.user.get_username(),
        reason=reason,
        config=conf.current(),
        budget=operations.REQUEST_BUDGET,
        hand_over=CeleryBroker().hand_over_scan,
    )
    if done.counts is not None:
        return f"Scan {done.scan_id} is finished: {done.counts.planned} reminders planned."
    if not done.mine:
        return f"Scan {done.scan_id} is running already: it does the same work."
    return f"Scan {done.scan_id} takes longer and goes on by itself: its record says how it ends."


@admin.register(Pause)
class PauseAdmin(RecordAdmin):
    """The kill switch: who held all sending, why, and until when."""

    list_display = ("since", "by", "reason", "until", "ended_at", "ended_by", "in_force")
    change_list_template = "admin/reminders/tools_list.html"

    @admin.display(boolean=True, description="in force")
    def in_force(self, pause: Pause) -> bool:
        return bool(pause.is_in_force)  # type: ignore[attr-defined]  # annotated

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pause]:
        return operations.pauses()

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
                if operations.pause_in_force()
                else ("Pause all sending", reverse("admin:reminders_pause_begin"))
            ]
        return super().changelist_view(request, {**(extra_context or {}), "tools": tools})

    def begin(self, request: HttpRequest) -> HttpResponse:
        def act(values: dict[str, Any], _plan: str) -> str:
            operations.pause(by=request.user.get_username(), reason=values["reason"], until=values["until"])
            return "Sending is paused."

        return confirm.ask(
            request,
            opts=self.opts,
            url=reverse("admin:reminders_pause_begin"),
            back=reverse("admin:reminders_pause_changelist"),
            form_class=PauseForm,
            question=lambda: Question(
                title="Pause all sending",
                summary=(
                    "Nothing is sent to anybody until sending is resumed. Reminders go on being planned and wait; "
                    "work that nobody has started is still marked OVERDUE."
                ),
                button="Pause all sending",
            ),
            act=act,
        )

    def end(self, request: HttpRequest) -> HttpResponse:
        def act(values: dict[str, Any], _plan: str) -> str:
            resumed = operations.resume(
                by=request.user.get_username(), reason=values["reason"], skip=values["skip"]
            )
            return f"Sending goes on. {resumed.skipped} messages were skipped."

        return confirm.ask(
            request,
            opts=self.opts,
            url=reverse("admin:reminders_pause_end"),
            back=reverse("admin:reminders_pause_changelist"),
            form_class=ResumeForm,
            question=_what_resuming_would_do,
            act=act,
        )


def _what_resuming_would_do() -> Question:
    pause, waiting = operations.pause_in_force(), operations.backlog(config=conf.current())
    if pause is None:
        return Question(
            title="Resume sending",
            summary="Sending is not paused: there is nothing to end.",
            button="",
            possible=False,
        )
    warnings = []
    if waiting.unplanned:
        warnings.append(
            f"{waiting.unplanned} due assignments were seen by no scan yet: rescan first, and they stand below."
        )
    return Question(
        warnings=warnings,
        title="Resume sending",
        summary=f"Paused by {pause.by} since {moment(pause.since)}: {pause.reason}. This waits:",
        button="Resume sending",
        facts=[
            ("Still useful: sent at once", waiting.useful),
            ("Late, the work has begun by the clock: sent, and says so", waiting.late),
            ("Too late: skipped by itself", waiting.too_late),
            ("Notices of overdue work: sent at once", waiting.notices),
        ],
    )
