"""Operators and tokens that are limited to teams: what they see is narrowed, and what cannot be narrowed is not there.

Each view says which it is. What says nothing refuses: whoever adds a view cannot forget it.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext

from accounts import limits
from assignments.team_scope import TeamScope


class TeamAccess(Enum):
    """What a view does for a caller who is limited to teams."""

    NARROWS = "shows and changes only what belongs to the teams"
    REFUSES = "does not exist"
    PUBLIC = "shows the same to everybody"


SITE_PAGES = {
    "index": TeamAccess.NARROWS,
    "app_index": TeamAccess.NARROWS,
    "autocomplete_view": TeamAccess.NARROWS,
    "login": TeamAccess.PUBLIC,
    "logout": TeamAccess.PUBLIC,
    "password_change": TeamAccess.PUBLIC,
    "password_change_done": TeamAccess.PUBLIC,
    "i18n_javascript": TeamAccess.PUBLIC,
    "catch_all_view": TeamAccess.PUBLIC,
}
"""Django's own pages of the admin, which belong to no model."""

View = TypeVar("View", bound=Callable[..., Any])


def team_limit(limit: TeamAccess) -> Callable[[View], View]:
    """Says what a function does for a limited caller; classes have an attribute of this name."""

    def mark(view: View) -> View:
        view.team_limit = limit  # type: ignore[attr-defined]
        return view

    return mark


def limit_of(view: Any) -> TeamAccess:
    """What the view of an address does for a limited caller."""
    for owner in (
        view,
        getattr(view, "view_class", None),
        getattr(view, "cls", None),
        getattr(view, "model_admin", None),
    ):
        declared = getattr(owner, "team_limit", None)
        if isinstance(declared, TeamAccess):
            return declared
    of_site = hasattr(view, "admin_site") or isinstance(getattr(view, "__self__", None), AdminSite)
    if of_site and not hasattr(view, "model_admin"):
        return SITE_PAGES.get(view.__name__, TeamAccess.REFUSES)
    return TeamAccess.REFUSES


def scope_of(user: Any) -> TeamScope:
    """What this user sees; asked once for each request."""
    known: TeamScope | None = getattr(user, "_team_scope", None)
    if known is None:
        known = TeamScope(limits.teams_of(user))
        user._team_scope = known
    return known


class TeamLimitMiddleware:
    """Hides from people who are limited to teams whatever does not narrow itself down to them.

    The pages below /ops/ and the calls of the API ask for themselves, in the shape of their own errors.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        if limit_of(view) is not TeamAccess.REFUSES or getattr(view, "asks_itself", False):
            return
        if request.user.is_authenticated and scope_of(request.user).limited:
            raise Http404(gettext("There is nothing at this address."))
