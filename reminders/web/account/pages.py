"""The pages of sign-in and account: views of django-allauth in our frame, behind the limits of `accounts.sign_in`."""

from typing import Any

from allauth.account import views as allauth_views
from allauth.account.internal.stagekit import unstash_login
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.module_loading import import_string
from django.utils.translation import gettext

from accounts import user_sessions
from accounts.middleware import without_second_factor
from accounts.sign_in import Door, guarded
from reminders.web.account.frame import POSTS, SHOWS, account_page, frame, lazily
from reminders.web.search import clean_text
from reminders.web.team_limits import TeamAccess, team_limit


def posted_name(request: HttpRequest) -> str:
    return request.POST.get("username", "")


def own_name(request: HttpRequest) -> str:
    return request.user.get_username()


def has_password(user: Any) -> bool:
    return bool(user.has_usable_password())


def pending_name(request: HttpRequest) -> str:
    """Of whom the password is right, and the second factor is asked."""
    login = unstash_login(request, peek=True)
    return str(login.user.get_username()) if login and login.user else ""


AT_SIGN_IN = Door(name_of=posted_name, secrets=("password",), failure="credentials")
AT_SECOND_STEP = Door(name_of=pending_name, secrets=("code", "credential"), failure="second_factor")
WITH_A_PASSKEY = Door(name_of=lambda request: "", secrets=("credential",), failure="passkey")
CONFIRMING_BY_PASSWORD = Door(name_of=own_name, secrets=("password",), failure="credentials")
CONFIRMING_BY_CODE = Door(name_of=own_name, secrets=("code", "credential"), failure="second_factor")
CHANGING_A_PASSWORD = Door(name_of=own_name, secrets=("oldpassword",), failure="credentials")


def _sign_in(request: HttpRequest) -> HttpResponseBase:
    if request.method != "POST" and request.user.is_authenticated:
        return HttpResponseRedirect(_next(request))
    answer: HttpResponseBase = allauth_views.login(request)
    return answer


def _next(request: HttpRequest) -> str:
    """Where somebody wanted to go, if that is a page of this site."""
    wanted = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, request.get_host(), require_https=request.is_secure())
    return wanted if safe else resolve_url("ops:overview")


sign_in = account_page(guarded(_sign_in, AT_SIGN_IN), entrance=True)


@team_limit(TeamAccess.PUBLIC)
@without_second_factor
def admin_sign_in(request: HttpRequest) -> HttpResponseBase:
    """The login of Django's admin: the same sign-in."""
    if request.method == "POST":
        return sign_in(request)
    query = urlencode({"next": request.GET.get("next") or reverse("admin:index")})
    return HttpResponseRedirect(f"{reverse('account_login')}?{query}")


def _sign_out(request: HttpRequest) -> HttpResponseBase:
    logout(request)
    return HttpResponseRedirect(reverse("account_login"))


sign_out = account_page(_sign_out, entrance=True, methods=POSTS)
sign_in_by_passkey = account_page(
    guarded(lazily("allauth.mfa.webauthn.views.login_webauthn"), WITH_A_PASSKEY), entrance=True
)
second_step = account_page(
    guarded(lazily("allauth.mfa.base.views.authenticate"), AT_SECOND_STEP), entrance=True
)


def _company_sign_in(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    begin = import_string("accounts.company_provider.begin")
    answer: HttpResponseBase | None = begin(request, provider_id)
    if answer is not None:
        return answer
    context = {
        "title": gettext("Your company's sign-in"),
        "message": gettext(
            "It does not answer at this moment. Try again in a minute, or sign in with your password."
        ),
    }
    return render(request, "account/refused.html", context, status=503)


company_sign_in = account_page(_company_sign_in, entrance=True, methods=SHOWS)
company_return = account_page(lazily("accounts.company_provider.complete"), entrance=True, methods=SHOWS)


def _cancelled(request: HttpRequest) -> HttpResponseBase:
    return HttpResponseRedirect(reverse("account_login"))


company_cancelled = account_page(_cancelled, entrance=True, methods=SHOWS)


def _home(request: HttpRequest) -> HttpResponse:
    """Your account: second factors, password and sessions."""
    factors: dict[str, Any] = {"webauthn": []}
    for factor in Authenticator.objects.filter(user_id=request.user.pk).order_by("created_at"):
        if factor.type == Authenticator.Type.WEBAUTHN:
            factors["webauthn"].append(factor)
        else:
            factors[factor.type] = factor
    context = {
        "factors": factors,
        "has_password": has_password(request.user),
        "sessions": user_sessions.of_person(request.user),
        "this_session": request.session.session_key,
        **frame(request),
    }
    return render(request, "account/home.html", context)


home = account_page(_home, methods=SHOWS)


def _end_sessions(request: HttpRequest) -> HttpResponseBase:
    """Ends one of your own sessions, or all but this one."""
    only = clean_text(request.POST.get("session"))
    if only and not (only.isascii() and only.isdigit() and len(only) < 19):
        raise Http404(gettext("There is no such session."))
    user, own = request.user, request.session.session_key or ""
    try:
        ended = user_sessions.end(user, by=user.get_username(), only=int(only) if only else None, but=own)
    except ValidationError as error:  # pragma: no cover - no reason is given
        raise Http404(str(error)) from error
    messages.success(request, gettext("Sessions ended: %(number)s.") % {"number": ended})
    return HttpResponseRedirect(reverse("mfa_index"))


end_sessions = account_page(_end_sessions, methods=POSTS)


def _change_password(request: HttpRequest) -> HttpResponseBase:
    if not has_password(request.user):
        return HttpResponseRedirect(reverse("mfa_index"))
    answer: HttpResponseBase = allauth_views.password_change(request)
    return answer


change_password = account_page(guarded(_change_password, CHANGING_A_PASSWORD))
confirm_by_password = account_page(guarded(allauth_views.reauthenticate, CONFIRMING_BY_PASSWORD))
confirm_by_code = account_page(guarded(lazily("allauth.mfa.base.views.reauthenticate"), CONFIRMING_BY_CODE))
confirm_by_passkey = account_page(
    guarded(lazily("allauth.mfa.webauthn.views.reauthenticate_webauthn"), CONFIRMING_BY_CODE)
)
add_app = account_page(lazily("allauth.mfa.totp.views.activate_totp"))
remove_app = account_page(lazily("allauth.mfa.totp.views.deactivate_totp"))
recovery_codes = account_page(lazily("allauth.mfa.recovery_codes.views.view_recovery_codes"), methods=SHOWS)
renew_recovery_codes = account_page(lazily("allauth.mfa.recovery_codes.views.generate_recovery_codes"))
add_passkey = account_page(lazily("allauth.mfa.webauthn.views.add_webauthn"))
rename_passkey = account_page(lazily("allauth.mfa.webauthn.views.edit_webauthn"))
remove_passkey = account_page(lazily("allauth.mfa.webauthn.views.remove_webauthn"))


def _passkeys(request: HttpRequest) -> HttpResponseBase:
    return HttpResponseRedirect(reverse("mfa_index"))


passkeys = account_page(_passkeys, methods=SHOWS)
