"""The roles, as groups to which an administrator adds people: viewers, operators, and who answers for privacy."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from accounts.errors import RolesNotReady

VIEWERS = "Reminder viewers"
OPERATORS = "Reminder operators"
PRIVACY_OFFICERS = "Reminder privacy officers"

OPERATE = "reminders.operate"
"""The permission of the operator role."""

PRIVACY = "reminders.privacy"
"""The permission to export what is known of a person, and to erase them. No operator has it for being one."""

VIEW = ("reminders.view_reminder", "assignments.view_assignment")
"""The permissions that the Ops pages need; both roles have them."""

_VIEWING = Q(codename__startswith="view_") & (
    Q(content_type__app_label__in=("assignments", "reminders"))
    | Q(
        content_type__app_label="django_celery_beat",
        content_type__model__in=("periodictask", "intervalschedule"),
    )
)
_CHANGING = Q(
    content_type__app_label="assignments",
    codename__in=(
        *("add_assignment", "change_assignment"),
        *("add_assignee", "change_assignee"),
        *("add_team", "change_team", "delete_team"),
    ),
)
_RULES = Q(
    content_type__app_label="reminders",
    codename__in=("add_reminderrule", "change_reminderrule", "delete_reminderrule"),
)
_CALENDARS = Q(
    content_type__app_label="assignments",
    codename__in=("add_calendarsource", "change_calendarsource", "delete_calendarsource"),
)
_PRIVACY = Q(content_type__app_label="reminders", codename="privacy")
_OPERATING = Q(content_type__app_label="reminders", codename="operate")


@transaction.atomic
def set_up() -> list[str]:
    """Creates the groups and adds missing permissions; returns what was done. Never removes a permission.

    Raises RolesNotReady on a database that is not migrated.
    """
    operate = Permission.objects.filter(_OPERATING)
    if not operate.exists():
        raise RolesNotReady("the permission reminders.operate is missing: run `manage.py migrate` first")
    return [
        *_add(VIEWERS, Permission.objects.filter(_VIEWING)),
        *_add(PRIVACY_OFFICERS, Permission.objects.filter(_VIEWING | _PRIVACY)),
        *_add(OPERATORS, Permission.objects.filter(_VIEWING | _CHANGING | _RULES | _CALENDARS | _OPERATING)),
    ]


def _add(name: str, permissions: Iterable[Permission]) -> list[str]:
    group, made = Group.objects.get_or_create(name=name)
    present = set(group.permissions.values_list("pk", flat=True))
    missing = [permission for permission in permissions if permission.pk not in present]
    group.permissions.add(*missing)
    if made:
        return [f"{name}: made"]
    return [f"{name}: {len(missing)} permissions added"] if missing else []


def may_change_anything(user: Any) -> bool:
    """Whether this person may do more than look: operators, superusers, and whoever was given a single permission."""
    if user.is_superuser:
        return bool(user.is_active)
    return any(not name.partition(".")[2].startswith("view_") for name in user.get_all_permissions())
