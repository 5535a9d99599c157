"""`Authorization: Bearer ...`: which token is calling."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from config.access.models import ApiToken, digest

_RESTED = Q(last_used_at__isnull=True) | Q(last_used_at__lt=Now() - timedelta(minutes=1))
"""A minute is fine enough for people, and spares the row a write for each call."""


class TokenUser(AnonymousUser):
    """The caller behind a token; acts under the token's name."""

    def __init__(self, token: ApiToken) -> None:
        super().__init__()
        self.username = f"token:{token.name}"  # type: ignore[assignment]  # the stubs know only ""
        self.token = token

    @property
    def is_authenticated(self) -> Any:
        return True


class TokenAuthentication(BaseAuthentication):
    """Finds the token by its hash. An unknown, expired or revoked one is refused in the same words."""

    def authenticate(self, request: Request) -> tuple[TokenUser, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("'Authorization: Bearer <token>' is needed, with one token")
        secret = parts[1].decode("ascii", errors="replace")
        token = (
            ApiToken.objects.filter(digest=digest(secret), revoked_at__isnull=True)
            .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))
            .annotate(rested=ExpressionWrapper(_RESTED, output_field=BooleanField()))
            .first()
        )
        if token is None:
            raise AuthenticationFailed("this token is unknown, has expired or was revoked")
        if token.rested:
            _note_use(token)
        return TokenUser(token), token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def _note_use(token: ApiToken) -> None:
    """Writes down when the token was used; a database that only reads is no reason to refuse the caller."""
    try:
        with transaction.atomic():
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=Now())
    except DatabaseError:
        return
