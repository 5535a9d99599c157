"""Assignments with their ledger: changed through the services."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AdminSplitDateTime
from django.db import models
from django.db.models import Prefetch, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
)
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from assignments import services
from assignments.clock import database_now
from assignments.history import Actor
from assignments.models import Assignment
from assignments.services import NewAssignment
from reminders import conf
from reminders.insight.explain.explain import explain
from reminders.insight.explain.wording import moment
from reminders.models import Attempt, Reminder
from reminders.operations.act_actions import possible_actions
from reminders.operations.action_types import MAX_TARGETS
from reminders.operations.plan_changes import Change, can
from reminders.web.admin import column_names
from reminders.web.admin.assignment_filters import ShowFilter, StartFilter, WorkTeamFilter
from reminders.web.admin.assignment_form import AssignmentForm
from reminders.web.admin.editable import EditableAdmin
from reminders.web.admin.instants import StoredInstantField
from reminders.web.admin.labels import LABELS
from reminders.web.admin.lists import AnyInline, CodeFilter, code, instant, who
from reminders.web.admin.records import attempts_of
from reminders.web.admin.tools import action_link, ops_page, tools
from reminders.web.ops.actions import confirmation
from reminders.web.ops.page import may_operate
from reminders.web.search import assignment_search, clean_text
from reminders.web.team_limits import scope_of
from reminders.web.templatetags import ops

NOT_STORED = ("seen", "end_stays")
NO_DELETE = _("Assignments are not deleted: cancel one instead, and its history stays.")


class LedgerInline(AnyInline):
    """The ledger of one assignment, with every attempt."""

    model = Reminder
    verbose_name_plural = pgettext_lazy("model", "ledger")
    fields = readonly_fields = (
        *("version", code("kind"), code("state"), code("reason"), who("recipient"), "due", "sent", "ambiguous"),
        "attempts_shown",
    )  # fmt: skip
    extra = max_num = 0
    can_delete = False
    ordering = ("-id",)
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reminder]:
        tries = Prefetch("attempt_rows", Attempt.objects.order_by("number"))
        return super().get_queryset(request).prefetch_related(tries)

    @admin.display(description=_("due"))
    def due(self, reminder: Reminder) -> str:
        return moment(reminder.due_at)

    @admin.display(description=column_names.SENT)
    def sent(self, reminder: Reminder) -> str:
        return moment(reminder.sent_at)

    @admin.display(description=_("attempts"))
    def attempts_shown(self, reminder: Reminder) -> str | SafeString:
        return attempts_of(reminder)


@admin.register(Assignment)
class AssignmentAdmin(EditableAdmin):
    """Assignments with their reminder status and ledger."""

    form = AssignmentForm
    formfield_overrides = {
        models.DateTimeField: {"form_class": StoredInstantField, "widget": AdminSplitDateTime}
    }
    list_display = (
        "title", "reference", "assignee", "starts", code("status"), "reminded", "answer", "version",
    )  # fmt: skip
    list_filter = (
        WorkTeamFilter,
        ("status", CodeFilter),
        ("reminder_status", CodeFilter),
        "answer",
        StartFilter,
        ShowFilter,
    )
    list_select_related = ("assignee",)
    ordering = ("-scheduled_start", "-id")
    search_fields = ("reference",)
    search_help_text = _("Reference, title, place, the assignee's name, address or number, or #id")
    autocomplete_fields = ("assignee",)
    readonly_fields = (
        "explained",
        "reminded",
        "answer",
        instant("answered_at"),
        "answer_note",
        instant("on_my_way_at"),
        instant("expected_start"),
        instant("started_at"),
        instant("completed_at"),
        "version",
        instant("overdue_at"),
        instant("known_at"),
        instant("created_at"),
        instant("updated_at"),
    )
    inlines = (LedgerInline,)
    actions = (
        "reset_reminder_status",
        "remind_now",
        "close_as_not_done",
        "give_to_somebody_else",
    )
    change_list_template = "admin/reminders/tools_list.html"
    change_form_template = "admin/reminders/tools_form.html"

    def get_inlines(self, request: HttpRequest, obj: Assignment | None) -> Any:
        """Work that is only being entered has no ledger."""
        return () if obj is None else super().get_inlines(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Assignment | None = None) -> Any:
        work = ["title", "reference", "kind", "location", "notes", "assignee", "team"]
        plan = ["scheduled_start", "scheduled_end", "lead_minutes"]
        if obj is None:
            return [(gettext("The work"), {"fields": work}), (gettext("When"), {"fields": plan})]
        changes = self.has_change_permission(request, obj)
        seen = ["seen"] if changes else []
        if changes and obj.scheduled_end is not None:
            plan.insert(2, "end_stays")
        return [
            (gettext("The work"), {"fields": [*work, *seen], "description": NO_DELETE}),
            (gettext("When"), {"fields": ["status", *plan]}),
            (gettext("Reminder"), {"fields": self.readonly_fields}),
        ]

    @admin.display(description=LABELS["reminder_status"], ordering="reminder_status")
    def reminded(self, assignment: Assignment) -> str:
        return ops.reminded(assignment)

    @admin.display(description=_("outlook"))
    def explained(self, assignment: Assignment) -> str:
        answer = explain(assignment, config=conf.current())
        return render_to_string("admin/reminders/explanation.html", {"answer": answer})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Assignment], search_term: str
    ) -> tuple[QuerySet[Assignment], bool]:
        text = clean_text(search_term)
        return (queryset.filter(assignment_search(text)) if text else queryset), False

    @admin.display(description=column_names.START, ordering="scheduled_start")
    def starts(self, assignment: Assignment) -> str:
        return moment(assignment.scheduled_start)

    def save_model(self, request: HttpRequest, obj: Assignment, form: Any, change: bool) -> None:
        columns, scope = {"assignee": "assignee_id", "team": "team_id"}, scope_of(request.user)
        names = [columns.get(name, name) for name in form.cleaned_data if name not in NOT_STORED]
        if change:
            changed = {columns.get(name, name) for name in form.changed_data} & set(names)
            if form.end_moved_along:
                changed.add("scheduled_end")
                end = moment(obj.scheduled_end)
                self.message_user(
                    request,
                    gettext("The end was moved along with the start, to %(end)s.") % {"end": end},
                    messages.INFO,
                )
            wanted = {name: getattr(obj, name) for name in sorted(changed)}
            if "lead_minutes" in changed:
                wanted["lead_minutes"] = form.leads
            services.change(
                obj.pk,
                wanted,
                if_match=form.cleaned_data["seen"] or None,
                scope=scope,
                actor=Actor.ops(request.user.get_username()),
            )
        else:
            new = NewAssignment(
                **{**{name: getattr(obj, name) for name in names}, "lead_minutes": form.leads}
            )
            obj.pk = services.create(new, scope=scope, actor=Actor.ops(request.user.get_username())).pk
        obj.refresh_from_db()

    # --- what operators do: confirmed on an Ops page ---

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return may_operate(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        names = () if scope_of(request.user).limited else ("rescan",)
        return super().changelist_view(request, {**(extra_context or {}), **tools(request, *names)})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        links = []
        if may_operate(request):
            work = self.get_object(request, unquote(object_id))
            known = isinstance(work, Assignment)
            acts = possible_actions(work, now=database_now()) if known else []
            given = ("reassign",) if known and can(Change.REASSIGN, work) else ()
            names = ("remind-now", "reset", *given, *(name for name, _title in acts))
            links = [action_link(request, name, ids=object_id) for name in names]
        why = ops_page(gettext("Why this reminder?"), "explain", object_id)
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **why, "tools": links}
        )

    @admin.action(description=_("Reset reminder status"), permissions=["operate"])
    def reset_reminder_status(
        self, request: HttpRequest, queryset: QuerySet[Assignment]
    ) -> HttpResponseBase | None:
        return self._confirm(request, queryset, "reset")

    @admin.action(description=_("Remind now"), permissions=["operate"])
    def remind_now(self, request: HttpRequest, queryset: QuerySet[Assignment]) -> HttpResponseBase | None:
        return self._confirm(request, queryset, "remind-now")

    @admin.action(description=_("Close as not done"), permissions=["operate"])
    def close_as_not_done(
        self, request: HttpRequest, queryset: QuerySet[Assignment]
    ) -> HttpResponseBase | None:
        return self._confirm(request, queryset, "close")

    @admin.action(description=_("Give it to somebody else"), permissions=["operate"])
    def give_to_somebody_else(
        self, request: HttpRequest, queryset: QuerySet[Assignment]
    ) -> HttpResponseBase | None:
        return self._confirm(request, queryset, "reassign")

    def _confirm(
        self, request: HttpRequest, queryset: QuerySet[Assignment], action: str
    ) -> HttpResponseBase | None:
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: MAX_TARGETS + 1])
        if len(ids) > MAX_TARGETS:
            refusal = gettext(
                "No more than %(max_targets)s at once: narrow the list down, or use `manage.py reset_reminders`."
            ) % {"max_targets": MAX_TARGETS}
            self.message_user(request, refusal, messages.ERROR)
            return None
        return confirmation(request, action, ids, request.get_full_path())
