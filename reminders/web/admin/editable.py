"""Admins of rows that people change through the services."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.translation import gettext

from assignments.services import Refused
from reminders.web.admin.lists import AnyAdmin, FastAdmin, NarrowedAdmin


class RefusalsShown(AnyAdmin):
    """A refusal of the services is shown above the form."""

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
            self.message_user(
                request,
                gettext("Nothing was changed: %(list)s") % {"list": " ".join(reasons)},
                messages.ERROR,
            )
            return HttpResponseRedirect(request.get_full_path())


class EditableAdmin(RefusalsShown, NarrowedAdmin, FastAdmin):
    """Nothing is deleted; a refusal of the services is shown above the form."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
