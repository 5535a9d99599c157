"""API tokens in the admin: made here, shown once, revoked here; never read again."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from config.access import tokens
from config.access.models import SCOPES, ApiToken
from reminders.operations.reasons import LONGEST_REASON
from reminders.roles import OPERATE

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
    AnyModelForm = forms.ModelForm[Any]
else:  # Django's own classes take no parameters.
    AnyAdmin, AnyModelForm = admin.ModelAdmin, forms.ModelForm

SHOWS = {
    "read": "read: see assignments and reminders",
    "write": "write: change assignments",
    "ops": "ops: operate",
}
LONGEST_DAYS = 3_650


class NewTokenForm(AnyModelForm):
    """Who will use the token, for what, and for how long."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, SHOWS[scope]) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple,
        help_text="The least that the program needs.",
    )
    days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_DAYS,
        help_text="How many days the token is valid; empty: until it is revoked.",
    )

    class Meta:
        model = ApiToken
        fields = ("name",)
        help_texts = {"name": "Who will use it. It stands in the audit trail beside what was done with it."}


class ReasonForm(forms.Form):
    """Why tokens are revoked."""

    reason = forms.CharField(max_length=LONGEST_REASON, help_text="It is kept in the audit trail.")


@admin.register(ApiToken)
class ApiTokenAdmin(AnyAdmin):
    """Programs that may call the API."""

    list_display = ("name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    readonly_fields = fields = (
        "name",
        "prefix",
        "scopes",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return self.fields if obj else ("name", "scopes", "days")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_form(
        self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(request, obj, change, **kwargs) if obj else NewTokenForm

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A token may operate, so making one takes no less than that.
        return super().has_add_permission(request) and request.user.has_perm(OPERATE)

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return super().has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        values = form.cleaned_data
        token, secret = tokens.issue(
            obj.name, scopes=values["scopes"], days=values["days"], by=request.user.get_username()
        )
        obj.pk = token.pk
        obj.refresh_from_db()
        obj.secret = secret  # type: ignore[attr-defined]  # for the answer to this form, and nothing else

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Shows the secret in the answer to the very form: it is kept in no session, cookie or message."""
        context = {
            **self.admin_site.each_context(request),
            "title": "A new token",
            "token": obj,
            "secret": obj.secret,  # type: ignore[attr-defined]
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/access/new_token.html", context)

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> HttpResponse | None:
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            ids = list(queryset.values_list("pk", flat=True))
            number = tokens.revoke(ids, by=request.user.get_username(), reason=form.cleaned_data["reason"])
            self.message_user(request, f"Tokens that are refused from now on: {number}.")
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "Revoke",
            "tokens": queryset,
            "form": form,
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/access/revoke.html", context)
