"""Who has signed in, read by a statement that is written out."""

from typing import Any

from django.contrib import auth
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject

from accounts.statements import columns, first_row, made_of

BACKEND = "django.contrib.auth.backends.ModelBackend"
"""The one that sessions name."""

_USER = f"SELECT {columns(User)} FROM auth_user WHERE id = %s"  # noqa: S608 - names of columns


class SignedInMiddleware(AuthenticationMiddleware):
    """Django's, with a shorter way to the user."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: user_of(request))  # type: ignore[assignment]


def user_of(request: HttpRequest) -> Any:
    """The user whom Django finds for this session. Django itself is asked wherever anything is not as usual: nobody has
    signed in, the user is not active, or the session is not signed for the password and the key of today.
    """
    session = request.session
    if session.get(auth.BACKEND_SESSION_KEY) == BACKEND:
        row = first_row(_USER, [session.get(auth.SESSION_KEY)])
        user = made_of(User, row) if row else None
        signed = session.get(auth.HASH_SESSION_KEY)
        if user and user.is_active and signed and constant_time_compare(signed, user.get_session_auth_hash()):
            return user
    return auth.get_user(request)
