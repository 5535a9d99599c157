"""People who sign in to the Ops pages and the admin, by their role."""

from functools import cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test import Client

from accounts import roles

MISSING_ROLES = """
    WITH made AS (
        INSERT INTO auth_group (name) SELECT DISTINCT unnest(%s::text[]) ON CONFLICT DO NOTHING RETURNING id, name
    )
    INSERT INTO auth_group_permissions (group_id, permission_id)
    SELECT made.id, role.permission FROM made JOIN unnest(%s::text[], %s::int[]) AS role (name, permission) USING (name)
"""


def set_up_roles() -> None:
    """What `roles.set_up` makes where there is nothing, by one statement instead of twenty."""
    names, permissions = _roles()
    with connection.cursor() as cursor:
        cursor.execute(MISSING_ROLES, [names, names, permissions])


@cache
def _roles() -> tuple[list[str], list[int]]:
    """Each role with each of its permissions."""
    with transaction.atomic():
        Group.objects.all().delete()
        roles.set_up()
        pairs = list(Group.objects.values_list("name", "permissions"))
        transaction.set_rollback(True)
    return [name for name, _ in pairs], [permission for _, permission in pairs]


def staff(name: str, *groups: str, **values: Any) -> User:
    """Somebody who may sign in, with these roles."""
    set_up_roles()
    user = get_user_model().objects.create_user(name, is_staff=True, **values)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def signed_in(user: User, **client: Any) -> Client:
    """A browser of this person; `client` are options of Django's test client."""
    browser = Client(**client)
    browser.force_login(user)
    return browser
