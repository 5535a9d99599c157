"""People who sign in, in the admin: Django's pages, with what superusers do for those who have lost a second factor."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import second_factors, user_sessions
from accounts.admin import AccountReasonForm

FACTORS = {"totp": _("authenticator app"), "webauthn": _("passkey")}

People = get_user_model()
admin.site.unregister(People)


@admin.register(People)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """Which factors somebody has; an act for lost ones, and one that ends sessions. Both ask for a reason."""

    list_display = ("username", "is_active", "is_staff", "is_superuser", "roles", "factors", "last_login")
    actions = ("reset_factors", "end_sessions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found = super().get_queryset(request)
        return found.prefetch_related("groups", Prefetch("authenticator_set"))

    @admin.display(description=_("roles"))
    def roles(self, person: Any) -> str:
        return ", ".join(group.name for group in person.groups.all()) or "-"

    @admin.display(description=_("second factors"))
    def factors(self, person: Any) -> str:
        kinds = {one.type for one in person.authenticator_set.all()}
        return ", ".join(str(words) for kind, words in FACTORS.items() if kind in kinds) or "-"

    def get_actions(self, request: HttpRequest) -> Any:
        """Superusers alone: whoever takes a factor away makes an account weaker."""
        return super().get_actions(request) if request.user.is_superuser else {}

    @admin.action(description=_("Reset second factors…"))
    def reset_factors(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        def reset(person: Any, by: str, reason: str) -> bool:
            return bool(second_factors.reset(person, by=by, reason=reason))

        explained = gettext(
            "All second factors, passkeys and recovery codes of these people are removed. They sign in by "
            "password alone, or at the company's provider, and can set up new ones."
        )
        return self._asked(
            request, queryset, "reset_factors", gettext("Reset second factors"), explained, reset
        )

    @admin.action(description=_("End all sessions…"))
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        def end(person: Any, by: str, reason: str) -> bool:
            return bool(user_sessions.end(person, by=by, reason=reason))

        explained = gettext("These people are signed out everywhere, and can sign in again.")
        return self._asked(request, queryset, "end_sessions", gettext("End all sessions"), explained, end)

    def _asked(
        self,
        request: HttpRequest,
        people: QuerySet[Any],
        action: str,
        title: str,
        explained: str,
        carry_out: Callable[[Any, str, str], bool],
    ) -> HttpResponse | None:
        """The page that asks for the reason; once it is given, what was done."""
        if not request.user.is_superuser:
            return HttpResponse(status=403)
        form = AccountReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            by, reason = request.user.get_username(), form.cleaned_data["reason"]
            done = sum(carry_out(person, by, reason) for person in people)
            self.message_user(
                request,
                gettext("%(title)s: %(done)s of %(number)s people had some.")
                % {"title": title, "done": done, "number": len(people)},
            )
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "explained": explained,
            "people": people,
            "action": action,
            "form": form,
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/access/act_on_people.html", context)
