"""Beat's entries in the admin: ours can only be switched, with a reason; the settings decide all else."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_celery_beat.admin import PeriodicTaskAdmin, PeriodicTaskForm
from django_celery_beat.models import PeriodicTask

from accounts.reasons import MAX_REASON_LENGTH
from reminders.delivery.beat_schedule import TASKS
from reminders.operations import schedule


class SwitchForm(forms.ModelForm):  # type: ignore[type-arg]
    """Switches one of our entries; a change needs a reason."""

    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        required=False,
        help_text=_("Why it is switched off or on. Needed for a change, and kept in the audit trail."),
    )

    class Meta:
        """Form metadata."""

        model = PeriodicTask
        fields = ("enabled",)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "enabled" in self.changed_data and not str(cleaned.get("reason", "")).strip():
            self.add_error("reason", gettext("Write why: what is switched without a reason is put back."))
        return cleaned


admin.site.unregister(PeriodicTask)


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]
    """Entries of other programs are edited as django-celery-beat does it."""

    def get_form(
        self, request: HttpRequest, obj: PeriodicTask | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = SwitchForm if _is_own(obj) else PeriodicTaskForm
        return super().get_form(request, obj, change=change, **{**kwargs, "form": form})

    def get_fieldsets(self, request: HttpRequest, obj: PeriodicTask | None = None) -> Any:
        if not _is_own(obj):
            return super().get_fieldsets(request, obj)
        return [
            (
                None,
                {"fields": ("name", "task", "description", "interval", "last_run_at", "enabled", "reason")},
            )
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: PeriodicTask | None = None) -> Sequence[str]:
        if not _is_own(obj):
            return tuple(super().get_readonly_fields(request, obj))
        return ("name", "task", "description", "interval", "last_run_at")

    def has_delete_permission(self, request: HttpRequest, obj: PeriodicTask | None = None) -> bool:
        """Ours are made again at once: who wants them off switches them off."""
        return not _is_own(obj) and bool(super().has_delete_permission(request, obj))

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: Any, change: bool) -> None:
        if not isinstance(form, SwitchForm):
            super().save_model(request, obj, form, change)
        elif "enabled" in form.changed_data:
            schedule.switch(
                obj.task,
                on=obj.enabled,
                by=request.user.get_username(),
                reason=form.cleaned_data["reason"],
            )

    @admin.action(description=_("Enable selected tasks"))
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        super().enable_tasks(request, self._without_own(request, queryset))

    @admin.action(description=_("Disable selected tasks"))
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        super().disable_tasks(request, self._without_own(request, queryset))

    @admin.action(description=_("Toggle activity of selected tasks"))
    def toggle_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        super().toggle_tasks(request, self._without_own(request, queryset))

    def _without_own(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> QuerySet[PeriodicTask]:
        own = list(queryset.filter(task__in=TASKS).values_list("name", flat=True))
        if own:
            text = gettext("Left as they are: %(list)s. Open each and switch it with a reason.") % {
                "list": ", ".join(own)
            }
            self.message_user(request, text, level=messages.WARNING)
        return queryset.exclude(task__in=TASKS)


def _is_own(entry: PeriodicTask | None) -> bool:
    return entry is not None and entry.task in TASKS
