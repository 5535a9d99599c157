"""Who may see and who may act: the two groups that an administrator puts people into."""

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from assignments.services import Refused

VIEWERS = "Reminder viewers"
OPERATORS = "Reminder operators"

OPERATE = "reminders.operate"
"""The permission of the operator role."""

LOOK = ("reminders.view_reminder", "assignments.view_assignment")
"""Permissions that whoever looks at the Ops pages has; both roles hold them."""

_SEES = Q(codename__startswith="view_") & (
    Q(content_type__app_label__in=("assignments", "reminders"))
    | Q(
        content_type__app_label="django_celery_beat",
        content_type__model__in=("periodictask", "intervalschedule"),
    )
)
_CHANGES = Q(content_type__app_label="assignments", codename__in=("change_assignment", "change_assignee"))
_OPERATES = Q(content_type__app_label="reminders", codename="operate")


class NotMigrated(Refused):
    """The permissions that the roles consist of are not in the database yet."""

    code = "not_migrated"


@transaction.atomic
def set_up() -> list[str]:
    """Makes the groups and gives them what they lack; returns what was done. Takes nothing from a group."""
    operate = Permission.objects.filter(_OPERATES)
    if not operate.exists():
        raise NotMigrated("the permission reminders.operate is missing: run `manage.py migrate` first")
    return [
        *_give(VIEWERS, Permission.objects.filter(_SEES)),
        *_give(OPERATORS, Permission.objects.filter(_SEES | _CHANGES | _OPERATES)),
    ]


def _give(name: str, permissions: Iterable[Permission]) -> list[str]:
    group, made = Group.objects.get_or_create(name=name)
    has = set(group.permissions.values_list("pk", flat=True))
    lacking = [permission for permission in permissions if permission.pk not in has]
    group.permissions.add(*lacking)
    if made:
        return [f"{name}: made"]
    return [f"{name}: {len(lacking)} permissions added"] if lacking else []
