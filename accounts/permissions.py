"""What an API caller may do: a token by its scopes, a staff session by its permissions."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts import second_factors
from accounts.models import ApiToken
from accounts.roles import OPERATE, PRIVACY, VIEW


class ScopedOrStaff(BasePermission):
    """A view names `scope` ('write', 'ops' or 'privacy') for its unsafe methods; reading needs any scope.

    A view whose reading is restricted as well names `scope_to_read`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        reads = request.method in SAFE_METHODS
        needed = getattr(view, "scope_to_read", "read") if reads else getattr(view, "scope", "write")
        if isinstance(request.auth, ApiToken):
            return request.auth.allows(needed) or (needed == "read" and bool(request.auth.scopes))
        user = request.user
        if not (user and user.is_authenticated and getattr(user, "is_staff", False)):
            return False
        if second_factors.is_missing(request._request):
            raise PermissionDenied(second_factors.NEEDED)
        if needed == "privacy":
            return bool(user.has_perm(PRIVACY))
        return bool(user.has_perms(VIEW) if needed == "read" else user.has_perm(OPERATE))


def may_write(request: Request) -> bool:
    """Whether who asks may use unsafe methods of ordinary views."""
    if isinstance(request.auth, ApiToken):
        return request.auth.allows("write")
    return bool(request.user.has_perm(OPERATE))
