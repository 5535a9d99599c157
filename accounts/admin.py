"""API tokens in the admin: created here and shown once, listed, and revoked. And which people are limited to teams."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import limits, tokens
from accounts.limits import team_names
from accounts.models import MAX_LIFETIME_DAYS, SCOPES, ApiToken, TeamLimit
from accounts.reasons import MAX_REASON_LENGTH
from accounts.roles import OPERATE

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
    AnyModelForm = forms.ModelForm[Any]
else:  # Django's own classes take no parameters.
    AnyAdmin, AnyModelForm = admin.ModelAdmin, forms.ModelForm

SCOPE_LABELS = {
    "read": _("read: see assignments and reminders"),
    "write": _("write: change assignments"),
    "ops": _("ops: operate"),
    "privacy": _("privacy: export what is known of people, and erase them"),
}


class TeamsField(forms.TypedMultipleChoiceField):
    """Some of the teams, by their names."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            choices=lambda: sorted(team_names().items(), key=lambda team: team[1]),
            coerce=int,
            widget=forms.CheckboxSelectMultiple,
            **kwargs,
        )


class NewTokenForm(AnyModelForm):
    """Who will use the token, for what, and for how long."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, SCOPE_LABELS[scope]) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Only what the program needs."),
    )
    days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_LIFETIME_DAYS,
        help_text=_("How many days the token is valid; empty: until it is revoked."),
    )

    teams = TeamsField(required=False, help_text=_("It sees their work only; none: everything."))

    class Meta:
        model = ApiToken
        fields = ("name",)
        help_texts = {
            "name": _(
                "Who will use it. The audit trail shows this name with all that is done with the token."
            )
        }


def shown_teams(teams: Sequence[int] | None) -> str:
    """The names of these teams."""
    if teams is None:
        return "everything"
    names = team_names()
    return ", ".join(names.get(pk, f"{pk} (removed)") for pk in teams)


class AccountReasonForm(forms.Form):
    """Why something is done."""

    reason = forms.CharField(max_length=MAX_REASON_LENGTH, help_text=_("It is kept in the audit trail."))


@admin.register(ApiToken)
class ApiTokenAdmin(AnyAdmin):
    """Programs that may call the API."""

    list_display = (
        *("name", "prefix", "scopes", "teams_shown"),
        *("created_at", "expires_at", "last_used_at", "revoked_at"),
    )
    readonly_fields = fields = (
        "name",
        "prefix",
        "scopes",
        "teams_shown",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    actions = ("revoke",)

    @admin.display(description=_("teams"))
    def teams_shown(self, token: ApiToken) -> str:
        return shown_teams(token.teams)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return self.fields if obj else ("name", "scopes", "teams", "days")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_form(
        self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(request, obj, change, **kwargs) if obj else NewTokenForm

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A token can have the scope `ops`, so creating one needs the same permission.
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
            obj.name,
            scopes=values["scopes"],
            days=values["days"],
            by=request.user.get_username(),
            teams=values["teams"] or None,
        )
        obj.pk = token.pk
        obj.refresh_from_db()
        obj.secret = secret  # type: ignore[attr-defined]  # for the response to this form only

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Shows the secret in the response to the form itself, so that no session, cookie or message stores it."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("A new token"),
            "token": obj,
            "secret": obj.secret,  # type: ignore[attr-defined]
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/access/new_token.html", context)

    @admin.action(description=_("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> HttpResponse | None:
        form = AccountReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            ids = list(queryset.values_list("pk", flat=True))
            number = tokens.revoke(ids, by=request.user.get_username(), reason=form.cleaned_data["reason"])
            self.message_user(request, gettext("Tokens revoked: %(number)s.") % {"number": number})
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "Revoke",
            "tokens": queryset,
            "form": form,
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/access/revoke.html", context)


class TeamLimitForm(AnyModelForm):
    """Who sees the work of which teams only."""

    teams = TeamsField(help_text=_("This person sees, changes and is shown the figures of their work only."))

    class Meta:
        model = TeamLimit
        fields = ("user",)


@admin.register(TeamLimit)
class TeamLimitAdmin(AnyAdmin):
    """People who are limited to teams. Removing an entry lets the person see everything."""

    form = TeamLimitForm
    fields = ("user", "teams")
    list_display = ("user", "teams_shown")
    list_select_related = ("user",)
    actions = None

    @admin.display(description=_("teams"))
    def teams_shown(self, limit: TeamLimit) -> str:
        return shown_teams(limit.teams)

    def get_readonly_fields(self, request: HttpRequest, obj: TeamLimit | None = None) -> Any:
        return ("user",) if obj else ()

    def save_model(self, request: HttpRequest, obj: TeamLimit, form: Any, change: bool) -> None:
        limits.limit_user(obj.user, form.cleaned_data["teams"], by=request.user.get_username())
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: TeamLimit) -> None:
        limits.limit_user(obj.user, None, by=request.user.get_username())
