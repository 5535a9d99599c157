"""The admin as a part of the same product: head, theme, times and navigation of the Ops pages.

Only processes that answer requests load its pages, with their addresses.
"""

from functools import wraps
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from reminders.web import unsent
from reminders.web.admin.contents import ASKED, CONTENTS, IN_REACH, OTHERS
from reminders.web.admin.labels import name_models
from reminders.web.ops.page import page_context, zone_of
from reminders.web.team_limits import TeamAccess, scope_of

Shown = dict[str, Any]


class OneProductSite(admin.AdminSite):
    """Assignments and people first; times in the reader's zone; tables of packages only where a superuser asks."""

    site_header = site_title = _("Assignment reminders")
    index_title = _("Admin")
    enable_nav_sidebar = False

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        checked = super().admin_view(view, cacheable)

        @wraps(checked)
        def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated and (fields := unsent.fields_of(request)):
                return unsent.kept_form(request, fields)
            with timezone.override(zone_of(request)):
                answer = checked(request, *args, **kwargs)
                # Django renders after the view, when the zone would be another.
                return answer.render() if isinstance(answer, SimpleTemplateResponse) else answer

        return shown

    def each_context(self, request: HttpRequest) -> Shown:
        context: Shown = super().each_context(request)
        if not context["has_permission"] or context["is_popup"]:
            return context
        return {
            **page_context(request),
            **context,
            "admin_pages": _in_reach(request, context["available_apps"]),
            "admin_home": reverse("admin:index"),
        }

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The tables of one application as Django lists them; all of them in our groups, by our names."""
        if app_label is not None:
            return list(super().get_app_list(request, app_label))
        seen = self._seen(request)
        groups = []
        for title, tables in CONTENTS:
            rows = [
                {**seen.pop(label), "name": str(table.name), "about": table.about}
                for label, table in tables.items()
                if label in seen
            ]
            if rows:
                groups.append(_group(str(title), rows))
        if seen and request.user.is_superuser and ASKED in request.GET:
            groups.append(_group(str(OTHERS), [{**row, "about": row["app"]} for row in seen.values()]))
        return groups

    def _seen(self, request: HttpRequest) -> dict[str, Shown]:
        """Whatever tables this person may see, by label. For who is limited to teams there are those alone that narrow
        themselves down.
        """
        limited = scope_of(request.user).limited
        return {
            row["model"]._meta.label_lower: {**row, "app": app["name"]}
            for app in super().get_app_list(request)
            for row in app["models"]
            if not limited
            or getattr(self.get_model_admin(row["model"]), "team_limit", None) is TeamAccess.NARROWS
        }


def _in_reach(request: HttpRequest, groups: list[Shown]) -> list[tuple[str, str, str]]:
    """Address, label and aria-current of the lists that every page links to, of the tables that this person may see."""
    links = []
    rows = {row["model"]._meta.label_lower: row for group in groups for row in group["models"]}
    for label in IN_REACH:
        if (row := rows.get(label)) and (address := row["admin_url"]):
            here = request.path == address
            current = "page" if here else "true" if request.path.startswith(address) else ""
            links.append((address, row["name"], current))
    return links


def _group(title: str, rows: list[Shown]) -> Shown:
    return {
        "name": title,
        "app_label": title.lower().replace(" ", "-"),
        "app_url": "",
        "has_module_perms": True,
        "models": rows,
    }


def register_pages() -> None:
    """Registers the pages of all applications, ours last, for they take the place of some."""
    name_models()
    admin.autodiscover()
    for model in list(admin.site._registry):
        if model.__module__.startswith("allauth."):  # Secrets of second factors are among them.
            admin.site.unregister(model)

    from accounts import people_admin  # noqa: F401 - it takes the place of Django's own
    from reminders.web.admin import (  # noqa: F401 - they register themselves
        assignees,
        assignments,
        calendars,
        records,
        rules,
        schedule,
        teams,
        tools,
    )
