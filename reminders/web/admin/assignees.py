"""People who are given work."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments import contact_points, people
from assignments.contact_points import CHANGEABLE, MOST_POINTS
from assignments.models import Assignee, ContactPoint
from assignments.services import Refused
from reminders.web.admin.assignment_filters import TeamFilter
from reminders.web.admin.editable import EditableAdmin
from reminders.web.admin.lists import AnyInline, AnyModelForm, fault, instant
from reminders.web.admin.tools import ops_page
from reminders.web.search import clean_text, people_found
from reminders.web.team_limits import scope_of

KNOWN = (instant("verified_at"), instant("opted_out_at"), instant("failing_since"), fault("failing_reason"))
"""What is known of an address, and nobody types in."""


class ContactPointForm(AnyModelForm):
    """One address. Its channel stays."""

    class Meta:
        model = ContactPoint
        fields = ("channel", "address", "order")
        help_texts: ClassVar[dict[str, str | Promise]] = {
            "address": _(
                "An e-mail address, a telephone number such as +4930123456, or the URL of a chat service."
            ),
            "order": _("Addresses are tried in this order; empty: last."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["order"].required = False
        if self.instance.pk is not None:
            self.fields["channel"].disabled = True
            self.initial["address"] = self.instance.shown_address

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        channel, address = values.get("channel"), values.get("address")
        if channel and address and "address" in self.changed_data:
            try:
                values["address"] = contact_points.stored_address(channel, address)
            except ValidationError as refusal:
                for name, errors in refusal.error_dict.items():
                    self.add_error(name, errors)
        return values


class ContactPointInline(AnyInline):
    """The addresses of a person: whoever sees or changes the person sees or changes them."""

    model = ContactPoint
    form = ContactPointForm
    extra = 0
    max_num = MOST_POINTS
    ordering = ("order", "id")
    fields = ("channel", "address", "order", *KNOWN)
    readonly_fields = KNOWN

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("assignments.view_assignee")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("assignments.change_assignee")

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(Assignee)
class AssigneeAdmin(EditableAdmin):
    """People who are given work."""

    list_display = ("name", "reference", "team", "email", "phone", "time_zone", "language")
    list_filter = (TeamFilter,)
    list_select_related = ("team",)
    search_fields = ("name",)
    search_help_text = _("Name, reference, e-mail address, telephone number, or #id")
    fields = (
        *("name", "reference", "team", "email", "phone", "time_zone", "language"),
        *("quiet_from", "quiet_until"),
    )
    ordering = ("name", "id")
    inlines = (ContactPointInline,)
    change_form_template = "admin/reminders/tools_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assignee]:
        """Without those who were merged into others, and those who were erased."""
        return super().get_queryset(request).filter(merged_into=None, erased_at=None)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Assignee], search_term: str
    ) -> tuple[QuerySet[Assignee], bool]:
        text = clean_text(search_term)
        return (people_found(queryset, text) if text else queryset), False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["help_text"] = {
            "reference": gettext("The person's key in the scheduling system, if it has one."),
            "email": gettext(
                "The first e-mail address of those below. Correcting it sends what failed for want of it, while "
                "that is of use."
            ),
            "phone": gettext("The first telephone number of those below."),
            "time_zone": gettext("The zone in which this person reads times, such as Europe/Berlin."),
            "language": gettext(
                "The language of messages and pages: en, de, es or fr, also with a region, such as de-AT."
            ),
            "team": gettext("Whose supervisors are notified when this person's work is overdue."),
            "quiet_from": gettext("When quiet hours begin on this person's clock; empty: those of the team."),
        }.get(db_field.name, db_field.help_text)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        known = ops_page(gettext("Addresses, work and messages"), "person", object_id)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **known})

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

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Addresses that were removed, changed and added, by the services. A refusal takes all of it back."""
        try:
            self._save_points(request, form.instance.pk, formset)
        except ContactPoint.DoesNotExist as gone:
            raise Refused(gettext("an address has been removed meanwhile: load the page again")) from gone

    def _save_points(self, request: HttpRequest, person_id: int, formset: Any) -> None:
        scope = scope_of(request.user)
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        for one in formset.deleted_forms:
            if one.instance.pk is not None:
                formset.deleted_objects.append(one.instance)
                contact_points.remove_point(one.instance.pk, scope=scope)
        for one in formset.initial_forms:
            changes = {name: one.cleaned_data[name] for name in one.changed_data if name in CHANGEABLE}
            if one not in formset.deleted_forms and changes:
                contact_points.change_point(one.instance.pk, changes, scope=scope)
                formset.changed_objects.append((one.instance, one.changed_data))
        for one in formset.extra_forms:
            if one.has_changed() and one not in formset.deleted_forms:
                values = one.cleaned_data
                added = contact_points.add_point(
                    person_id, values["channel"], values["address"], order=values["order"], scope=scope
                )
                formset.new_objects.append(added)
