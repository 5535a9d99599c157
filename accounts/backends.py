"""What people may do, read by one statement."""

from typing import Any

from django.http import HttpRequest

from accounts.statements import first_row

GRANTED = """
    SELECT coalesce(array_agg(t.app_label || '.' || p.codename), '{}')
    FROM auth_permission p JOIN django_content_type t ON t.id = p.content_type_id
    WHERE p.id IN (
        SELECT permission_id FROM auth_user_user_permissions WHERE user_id = %(user)s
        UNION ALL
        SELECT g.permission_id FROM auth_user_groups u JOIN auth_group_permissions g ON g.group_id = u.group_id
        WHERE u.user_id = %(user)s
    )
"""


class PermissionsAtOnce:
    """Stands before Django's own backend, which asks for the permissions of a person and of their groups in turn.

    Where Django's keeps its answer for the rest of a request, on the user, it finds this one. It alone signs people in, so
    sessions name it as they always did; and it alone knows what a superuser may do.
    """

    def authenticate(self, _request: HttpRequest | None) -> None:
        """Takes no credentials."""

    def get_all_permissions(self, user_obj: Any, obj: object = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous or user_obj.is_superuser or obj is not None:
            return set()
        if not hasattr(user_obj, "_perm_cache"):
            (names,) = first_row(GRANTED, {"user": user_obj.pk}) or ([],)
            user_obj._perm_cache = set(names)
        found: set[str] = user_obj._perm_cache
        return found

    def has_perm(self, user_obj: Any, perm: str, obj: object = None) -> bool:
        return perm in self.get_all_permissions(user_obj, obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return any(name.partition(".")[0] == app_label for name in self.get_all_permissions(user_obj))
