"""Assignments and assignees, with their ledger: changed through the services."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Model, Prefetch, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from assignments import people, services
from assignments.clock import database_now
from assignments.history import Actor
from assignments.leads import checked_leads, joined_leads
from assignments.models import Assignee, Assignment, Status, Team
from assignments.services import ALLOWED_NEXT, NewAssignment, Refused
from reminders import conf
from reminders.insight import selections
from reminders.insight.explain.explain import explain
from reminders.insight.explain.wording import moment
from reminders.models import Attempt, Reminder
from reminders.operations.act_actions import possible_actions
from reminders.operations.actions import MAX_TARGETS
from reminders.operations.reassigning import is_open
from reminders.web.admin.instants import StoredInstantField
from reminders.web.admin.lists import AnyInline, AnyModelForm, CodeFilter, FastAdmin, NarrowedAdmin, code
from reminders.web.admin.records import attempts_of
from reminders.web.admin.tools import action_link, tools
from reminders.web.filters import SHOW, START, assignment_id, assignment_search, clean_text, shown_assignments
from reminders.web.ops.actions import confirmation
from reminders.web.ops.page import may_operate
from reminders.web.team_limits import scope_of

NO_DELETE = "Assignments are not deleted: cancel one instead, and its history stays."


class _EditableAdmin(NarrowedAdmin, FastAdmin):
    """Nothing is deleted; a refusal of the services is shown above the form."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (Refused, ValidationError) as refusal:
            reasons = refusal.messages if isinstance(refusal, ValidationError) else [str(refusal)]
            self.message_user(request, f"Nothing was changed: {' '.join(reasons)}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


class TeamFilter(admin.SimpleListFilter):
    """The teams that the reader sees."""

    title = parameter_name = "team"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        teams = Team.objects.visible_to(scope_of(request.user))
        return [(str(pk), name) for pk, name in teams.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        pk = assignment_id(self.value() or "")
        return queryset if pk is None else self.narrowed(queryset, pk)

    def narrowed(self, rows: QuerySet[Any], pk: int) -> QuerySet[Any]:
        return rows.filter(team=pk)


class WorkTeamFilter(TeamFilter):
    """Assignments of a team, also those that belong to it by their assignee."""

    def narrowed(self, rows: QuerySet[Any], pk: int) -> QuerySet[Any]:
        return rows & Assignment.objects.of_teams([pk])


@admin.register(Assignee)
class AssigneeAdmin(_EditableAdmin):
    """People who are given work."""

    list_display = ("name", "reference", "team", "email", "phone", "time_zone", "language")
    list_filter = (TeamFilter,)
    list_select_related = ("team",)
    search_fields = ("name", "email", "reference")
    fields = (
        *("name", "reference", "team", "email", "phone", "time_zone", "language"),
        *("quiet_from", "quiet_until"),
    )
    ordering = ("name", "id")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["help_text"] = {
            "reference": "The person's key in the scheduling system, if it has one.",
            "email": "Where reminders go. Correcting it sends what failed for want of it and is still of use.",
            "time_zone": "The zone in which this person reads times, such as Europe/Berlin.",
            "language": "The language of messages, such as en.",
            "team": "Whose supervisors are told when this person's work is overdue.",
            "quiet_from": "When quiet hours begin on this person's clock; empty: those of the team.",
        }.get(db_field.name, db_field.help_text)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Assignee, form: Any, change: bool) -> None:
        columns, scope = {"team": "team_id"}, scope_of(request.user)
        if change:
            names = [columns.get(name, name) for name in form.changed_data]
            people.change_assignee(obj.pk, {name: getattr(obj, name) for name in names}, scope=scope)
        else:
            values = {columns.get(name, name): value for name, value in form.cleaned_data.items()}
            if "team" in form.cleaned_data:
                values["team_id"] = obj.team_id or scope.only_team
            obj.pk = people.add_assignee(scope=scope, **values).pk
        obj.refresh_from_db()


class AssignmentForm(AnyModelForm):
    """The writable fields of an assignment. `seen` is the ETag of the state that the form showed."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    lead_minutes = forms.CharField(
        required=False,
        max_length=60,
        help_text="How many minutes before the start to remind, or several such as 1440, 30; empty: the installation's own"
        " lead.",
    )
    leads: int | Sequence[int] | None = None
    end_moved_along = False

    class Meta:
        model = Assignment
        fields: ClassVar[Sequence[str]] = (
            "title", "reference", "kind", "location", "notes", "assignee", "team", "status", "scheduled_start",
            "scheduled_end", "lead_minutes",
        )  # fmt: skip
        help_texts: ClassVar[dict[str, str]] = {
            "reference": "The key in the scheduling system, if the work comes from one. No two may share it.",
            "assignee": "Who is reminded. Another person gets a reminder of their own.",
            "team": "Empty: the work belongs to the team of its assignee.",
            "status": "Cancelling, starting or completing ends a reminder that has not been sent yet.",
            "scheduled_start": "Moving the work plans a new reminder.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "lead_minutes" in self.fields:
            leads = joined_leads(self.instance.lead_minutes, self.instance.further_lead_minutes)
            shown = leads if isinstance(leads, list) else [] if leads is None else [leads]
            self.initial["lead_minutes"] = ", ".join(map(str, shown))
        if self.instance.pk and "status" in self.fields:
            present = Status(self.instance.status)
            allowed = {present, *ALLOWED_NEXT[present]}
            status = self.fields["status"]
            assert isinstance(status, forms.ChoiceField)
            status.choices = [(word, word) for word in Status.values if word in allowed]
            self.fields["seen"].initial = services.etag(self.instance)
        # The instance takes on the values of the form while it is checked.
        self.stored_start, self.stored_end = self.instance.scheduled_start, self.instance.scheduled_end
        for name, stored in (("scheduled_start", self.stored_start), ("scheduled_end", self.stored_end)):
            if isinstance(field := self.fields.get(name), StoredInstantField):
                field.keep(stored)

    def clean_lead_minutes(self) -> int | None:
        """The shortest lead time; all of them are in `leads`."""
        given = self.cleaned_data["lead_minutes"].replace(",", " ").split()
        if not given:
            return None
        leads = checked_leads([int(one) if one.isdecimal() and len(one) < 10 else one for one in given])
        self.leads = leads if len(leads) > 1 else leads[0]
        return leads[0]

    def clean(self) -> dict[str, Any]:
        """A start that is moved past an end that is left alone takes the end along: the duration stays."""
        values = super().clean() or {}
        start, end = values.get("scheduled_start"), values.get("scheduled_end")
        if start and end and end < start:
            if end == self.stored_end and self.stored_start:
                values["scheduled_end"] = start + (end - self.stored_start)
                self.end_moved_along = True
            else:
                self.add_error("scheduled_end", "The end must not lie before the start.")
        return values


class LedgerInline(AnyInline):
    """The ledger of one assignment, with every attempt."""

    model = Reminder
    verbose_name_plural = "ledger"
    fields = readonly_fields = (
        "version", code("kind"), code("state"), code("reason"), "recipient", "due", "sent", "ambiguous", "attempts_shown",
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

    @admin.display(description="due")
    def due(self, reminder: Reminder) -> str:
        return moment(reminder.due_at)

    @admin.display(description="sent")
    def sent(self, reminder: Reminder) -> str:
        return moment(reminder.sent_at)

    @admin.display(description="attempts")
    def attempts_shown(self, reminder: Reminder) -> str | SafeString:
        return attempts_of(reminder)


class ShowFilter(admin.SimpleListFilter):
    """The figures of the overview, as the Ops list offers them."""

    title = "figure of the overview"
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(SHOW.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Assignment]) -> QuerySet[Assignment]:
        if (name := self.value()) not in SHOW:
            return queryset
        return queryset & shown_assignments(str(name), now=database_now(), config=conf.current())


class StartFilter(admin.SimpleListFilter):
    """When the work starts, relative to now, as the Ops list offers it."""

    title = "start"
    parameter_name = "start"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, label in START.items() if name != "any"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Assignment]) -> QuerySet[Assignment]:
        if (name := self.value()) not in START:
            return queryset
        return selections.starting(queryset, str(name), now=database_now(), config=conf.current())


@admin.register(Assignment)
class AssignmentAdmin(_EditableAdmin):
    """Assignments with their reminder status and ledger."""

    form = AssignmentForm
    formfield_overrides = {
        models.DateTimeField: {"form_class": StoredInstantField, "widget": AdminSplitDateTime}
    }
    list_display = (
        "title", "reference", "assignee", "starts", code("status"), code("reminder_status"), "answer", "version",
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
    search_help_text = "Reference, title, the assignee's name or address, or #id"
    autocomplete_fields = ("assignee",)
    readonly_fields = (
        "explained",
        code("reminder_status"),
        "answer",
        "answered_at",
        "answer_note",
        "on_my_way_at",
        "expected_start",
        "started_at",
        "completed_at",
        "version",
        "overdue_at",
        "known_at",
        "created_at",
        "updated_at",
    )
    inlines = (LedgerInline,)
    actions = (
        "reset_reminder_status",
        "send_the_reminder_again",
        "close_as_not_done",
        "give_to_somebody_else",
    )
    change_list_template = "admin/reminders/tools_list.html"
    change_form_template = "admin/reminders/tools_form.html"

    def get_fieldsets(self, request: HttpRequest, obj: Assignment | None = None) -> Any:
        work = ["title", "reference", "kind", "location", "notes", "assignee", "team"]
        plan = ["scheduled_start", "scheduled_end", "lead_minutes"]
        if obj is None:
            return [("The work", {"fields": work}), ("When", {"fields": plan})]
        seen = ["seen"] if self.has_change_permission(request, obj) else []
        return [
            ("The work", {"fields": [*work, *seen], "description": NO_DELETE}),
            ("When", {"fields": ["status", *plan]}),
            ("Reminder", {"fields": self.readonly_fields}),
        ]

    @admin.display(description="outlook")
    def explained(self, assignment: Assignment) -> str:
        answer = explain(assignment, config=conf.current())
        return render_to_string("admin/reminders/explanation.html", {"answer": answer})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Assignment], search_term: str
    ) -> tuple[QuerySet[Assignment], bool]:
        text = clean_text(search_term)
        return (queryset.filter(assignment_search(text)) if text else queryset), False

    @admin.display(description="start", ordering="scheduled_start")
    def starts(self, assignment: Assignment) -> str:
        return moment(assignment.scheduled_start)

    def save_model(self, request: HttpRequest, obj: Assignment, form: Any, change: bool) -> None:
        columns, scope = {"assignee": "assignee_id", "team": "team_id"}, scope_of(request.user)
        names = [columns.get(name, name) for name in form.cleaned_data if name != "seen"]
        if change:
            changed = {columns.get(name, name) for name in form.changed_data} & set(names)
            if form.end_moved_along:
                changed.add("scheduled_end")
                end = moment(obj.scheduled_end)
                self.message_user(
                    request, f"The end was moved along with the start, to {end}.", messages.INFO
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
            obj.pk = services.create(new, scope=scope).pk
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
            given = ("reassign",) if known and is_open(work) else ()
            names = ("resend", "reset", *given, *(name for name, _ in acts))
            links = [action_link(request, name, ids=object_id) for name in names]
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "tools": links})

    @admin.action(description="Reset reminder status", permissions=["operate"])
    def reset_reminder_status(
        self, request: HttpRequest, queryset: QuerySet[Assignment]
    ) -> HttpResponseBase | None:
        return self._confirm(request, queryset, "reset")

    @admin.action(description="Send the reminder again", permissions=["operate"])
    def send_the_reminder_again(
        self, request: HttpRequest, queryset: QuerySet[Assignment]
    ) -> HttpResponseBase | None:
        return self._confirm(request, queryset, "resend")

    @admin.action(description="Close as not done", permissions=["operate"])
    def close_as_not_done(
        self, request: HttpRequest, queryset: QuerySet[Assignment]
    ) -> HttpResponseBase | None:
        return self._confirm(request, queryset, "close")

    @admin.action(description="Give it to somebody else", permissions=["operate"])
    def give_to_somebody_else(
        self, request: HttpRequest, queryset: QuerySet[Assignment]
    ) -> HttpResponseBase | None:
        return self._confirm(request, queryset, "reassign")

    def _confirm(
        self, request: HttpRequest, queryset: QuerySet[Assignment], action: str
    ) -> HttpResponseBase | None:
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: MAX_TARGETS + 1])
        if len(ids) > MAX_TARGETS:
            refusal = f"No more than {MAX_TARGETS} at once: narrow the list down, or use `manage.py reset_reminders`."
            self.message_user(request, refusal, messages.ERROR)
            return None
        return confirmation(request, action, ids, request.get_full_path())
