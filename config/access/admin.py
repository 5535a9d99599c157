"""API tokens in the admin: made here, shown once, revoked here; never read again."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from config.access.models import SCOPES, ApiToken
from config.access.permissions import OPERATE

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
        token, secret = ApiToken.issue(obj.name, scopes=values["scopes"], days=values["days"])
        obj.pk = token.pk
        obj.refresh_from_db()
        messages.warning(
            request, f"The token is {secret} - copy it now: it is shown this once and never again."
        )

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        revoked = queryset.filter(revoked_at__isnull=True).update(revoked_at=Now())
        self.message_user(request, f"{revoked} tokens revoked: they are refused from now on.")
