"""What the pages of sign-in and account have in common: the frame of the Ops pages, access, limits, security headers."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.response import SimpleTemplateResponse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache

from accounts import roles, second_factors
from accounts.middleware import without_second_factor
from reminders.web.ops.page import page_context, without_database, zone_of
from reminders.web.security_headers import POLICY
from reminders.web.team_limits import TeamAccess

View = Callable[..., HttpResponseBase]

SHOWS, POSTS, SHOWS_AND_POSTS = ("GET", "HEAD"), ("POST",), ("GET", "HEAD", "POST")


def lazily(path: str) -> View:
    """The view with this path, loaded when somebody asks for it: the libraries of second factors take their memory."""

    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found: View = import_string(path)
        return found(request, *args, **kwargs)

    return view


def account_page(view: View, *, entrance: bool = False, methods: Sequence[str] = SHOWS_AND_POSTS) -> View:
    """The view as a page in our frame; for people who have signed in, or at the entrance to the site for everybody.

    It is there for people without a second factor too: they set one up here.
    """

    @never_cache
    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            if not entrance and not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            zone = zone_of(request) if request.user.is_authenticated else None
            with timezone.override(zone):
                response = _answered(view, request, *args, **kwargs)
        except (OperationalError, InterfaceError, InternalError) as error:
            response = without_database(error)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response["Referrer-Policy"] = "same-origin"
        return response

    shown.team_limit = TeamAccess.PUBLIC  # type: ignore[attr-defined]
    return without_second_factor(shown)


def _answered(view: View, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    try:
        response = view(request, *args, **kwargs)
    except (ReauthenticationRequired, PermissionDenied):
        if request.user.is_authenticated and not get_adapter().get_reauthentication_methods(request.user):
            message = gettext(
                "To change this, confirm who you are: sign out, sign in again, and come back within a quarter of an hour."
            )
            context = {**frame(request), "title": gettext("Sign in again"), "message": message}
            return render(request, "account/again.html", context)
        raise  # django-allauth leads to where it is confirmed.
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.context_data = {**(response.context_data or {}), **frame(request)}
        response.render()
    return response


def frame(request: HttpRequest) -> dict[str, Any]:
    """The context of the frame: the whole head of the Ops pages for who may see those, else name and sign-out."""
    base: dict[str, Any] = {"openid": settings.OPENID, "frame": "account/frame.html"}
    user = request.user
    if not user.is_authenticated:
        return base
    base["factor_missing"] = second_factors.is_missing(request)
    if base["factor_missing"] or not (user.is_staff and user.has_perms(roles.VIEW)):
        return base
    return {**base, **page_context(request), "frame": "ops/base.html"}
