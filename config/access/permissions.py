"""What a caller may do: a token by its scopes, a staff session by its permissions."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from config.access.models import ApiToken
from reminders.roles import LOOK, OPERATE


class ScopedOrStaff(BasePermission):
    """A view names `scope` ('write' or 'ops') for its unsafe methods; reading needs 'read' or any other scope.

    Where reading shows more than everybody may see, the view names `scope_to_read` as well.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        reads = request.method in SAFE_METHODS
        needed = getattr(view, "scope_to_read", "read") if reads else getattr(view, "scope", "write")
        if isinstance(request.auth, ApiToken):
            return request.auth.allows(needed) or (needed == "read" and bool(request.auth.scopes))
        user = request.user
        if not (user and user.is_authenticated and getattr(user, "is_staff", False)):
            return False
        return bool(user.has_perms(LOOK) if needed == "read" else user.has_perm(OPERATE))
