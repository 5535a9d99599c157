"""What every page below /ops/ has in common: access, security headers, and error pages."""

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from accounts import preferences, roles
from assignments.instants import known_zone
from reminders import conf
from reminders.insight.template_use import faulty_templates
from reminders.ledger.pauses import pause_in_force
from reminders.web import unsent
from reminders.web.security_headers import POLICY
from reminders.web.team_limits import TeamAccess, scope_of

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]

QUERY_CANCELED = "57014"
NAVIGATION = (
    ("ops:overview", _("Overview")),
    ("ops:board", _("Board")),
    ("ops:day", _("Day")),
    ("ops:assignments", _("Assignments")),
    ("ops:people", _("People")),
    ("ops:reminders", _("Reminders")),
)
"""The pages of daily work, in the row below the head of every page."""
MORE = (
    ("ops:simulator", _("Simulator")),
    ("ops:calendars", _("Calendars")),
    ("ops:templates", _("Texts of messages")),
    ("ops:queue", _("Queue")),
    ("ops:switch", _("Switches")),
    ("ops:doctor", _("Doctor")),
    ("ops:audit", _("Audit trail")),
)
"""The pages behind "More": those of maintenance."""
IMPORT = ("ops:imports", _("Import"))
"""For operators."""
MAILBOX = ("ops:mailbox", _("Mailbox"))
"""For operators, and only where the mail server of `manage.py up` is in use."""
NARROWED = (
    "ops:overview",
    "ops:board",
    "ops:day",
    "ops:assignments",
    "ops:people",
    "ops:reminders",
    "ops:simulator",
    "ops:templates",
    "ops:audit",
    "ops:imports",
)
"""The pages that there are for people who are limited to teams."""


def page(
    *, operator: bool = False, posts: bool = False, limit: TeamAccess = TeamAccess.REFUSES
) -> Callable[[View], View]:
    """Makes a view a page for staff with a role (`operator`: for operators only), with a strict security policy.

    For people who are limited to teams there is no such page, unless it narrows all it shows to `scope_of` them
    (`limit`).

    Pages answer GET; those of operators POST too, and those on which people set what is their own (`posts`). Times are those
    of the reader's zone. Errors become pages as well: not found, not allowed, a
    database that cannot be reached or is too slow.
    """
    methods = ["GET", "HEAD", "POST"] if operator or posts else ["GET", "HEAD"]

    def decorate(view: View) -> View:
        @never_cache
        @wraps(view)
        def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                try:
                    if request.method not in methods:
                        return HttpResponseNotAllowed(methods)
                    answer = _refused(request, operator=operator)
                    if answer is None:
                        if limit is TeamAccess.REFUSES and scope_of(request.user).limited:
                            raise Http404(
                                gettext("No page has the address %(path)s.") % {"path": request.path}
                            )
                        with timezone.override(zone_of(request)):
                            answer = view(request, *args, **kwargs)
                except Http404 as error:
                    answer = error_page(request, 404, gettext("Page not found"), str(error))
            except (OperationalError, InterfaceError, InternalError) as error:  # the last: it is read-only
                answer = without_database(error)
            answer.headers.setdefault("Content-Security-Policy", POLICY)
            answer["Referrer-Policy"] = "same-origin"
            return answer

        shown.team_limit = limit  # type: ignore[attr-defined]
        shown.asks_itself = True  # type: ignore[attr-defined]
        return shown

    return decorate


def show(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Renders a whole page, with what every page shows: navigation, role, and a pause."""
    return render(
        request, f"ops/{template}.html", {**page_context(request), **(context or {})}, status=status
    )


def page_context(request: HttpRequest) -> dict[str, Any]:
    """The context of every page."""
    config, limited, operates = conf.current(), scope_of(request.user).limited, may_operate(request)
    more = [
        *([IMPORT] if operates else ()),
        *MORE,
        *([MAILBOX] if settings.MAIL_SINK_DIR and operates else ()),
    ]

    def entries(pages: Iterable[tuple[str, object]]) -> list[tuple[str, str, str]]:
        return [
            _entry(request, reverse(name), str(label))
            for name, label in pages
            if not limited or name in NARROWED
        ]

    return {
        "navigation": entries(NAVIGATION),
        "more": (rest := entries(more)),
        "in_more": next((label for _, label, current in rest if current), ""),
        "limited": limited,
        "may_operate": operates,
        "pause": pause_in_force(),
        "returns_here": request.method == "GET"
        and not request.path.startswith(reverse("ops:act", args=["-"])[:-1]),
        "faulty_texts": faulty_templates(scope_of(request.user)),
        "enabled": config.enabled,
        "channel": config.channel,
        "reaches_people": config.reaches_people,
    }


def _entry(request: HttpRequest, address: str, label: str) -> tuple[str, str, str]:
    """Address, label, and the value of aria-current: page, true for a page below it, or ''."""
    below = request.path.startswith(address) and address != reverse("ops:overview")
    return address, label, "page" if request.path == address else "true" if below else ""


def safe_back(path: str, otherwise: str = "ops:overview") -> str:
    """Where the operator came from, if that is a page of this site for staff; else the page of the name `otherwise`."""
    own = (reverse("ops:overview"), reverse("admin:index"))
    safe = path.startswith(own) and url_has_allowed_host_and_scheme(path, None)
    return path if safe else reverse(otherwise)


def zone_of(request: HttpRequest) -> tzinfo | None:
    """The zone in which the reader has asked for times; None: the installation's own."""
    return known_zone(preferences.time_zone_of(request.user))


def may_operate(request: HttpRequest) -> bool:
    """Whether this person may do what operators do; viewers may not."""
    return request.user.has_perm(roles.OPERATE)


def error_page(request: HttpRequest, status: int, title: str, message: str) -> HttpResponse:
    """A page that message why there is no other."""
    return show(request, "error", {"title": title, "message": message}, status=status)


@page(limit=TeamAccess.PUBLIC)
def unknown_page(request: HttpRequest, rest: str) -> HttpResponse:
    """Any other address below /ops/."""
    raise Http404(gettext("No page has the address %(path)s.") % {"path": request.path})


def _refused(request: HttpRequest, *, operator: bool) -> HttpResponseBase | None:
    user = request.user
    if not (user.is_active and user.is_staff):
        if user.is_authenticated:
            return _no_access(request, gettext("Your login is not one of the staff."))
        if fields := unsent.fields_of(request):
            return unsent.kept_form(request, fields)
        if "HX-Request" in request.headers:  # The login belongs into the whole window.
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        return redirect_to_login(request.get_full_path())
    if not user.has_perms(roles.VIEW):
        return _no_access(
            request,
            gettext("Your login has no role here. An administrator puts it into “%(role)s”.")
            % {"role": roles.VIEWERS},
        )
    if operator and not may_operate(request):
        return error_page(
            request,
            403,
            gettext("Only operators may do this"),
            gettext("You can see how reminders are doing. This needs the role “%(role)s”.")
            % {"role": roles.OPERATORS},
        )
    return None


def _no_access(request: HttpRequest, message: str) -> HttpResponse:
    return render(request, "ops/locked.html", {"title": gettext("No access"), "message": message}, status=403)


def without_database(error: Exception) -> HttpResponse:
    """Uses no database, not even for the session."""
    canceled = getattr(error.__cause__, "sqlstate", None) == QUERY_CANCELED
    logger.warning("Page without database", extra={"reason": type(error).__name__})
    text = render_to_string("ops/unavailable.html", {"canceled": canceled})
    return HttpResponse(text, status=503, headers={"Retry-After": "5"})
