"""`Authorization: Bearer ...`: authentication by API token."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, transaction
from django.db.models.functions import Now
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from accounts import allowances, sign_in_failures
from accounts.allowances import Rate
from accounts.client_address import client_address
from accounts.models import ApiToken, digest
from accounts.sign_in_failures import keyed_hash
from accounts.statements import columns, first_row, made_of

FAILURES_PER_ADDRESS = Rate(60, timedelta(seconds=1))
"""Calls without a valid token. Those with one are never refused for them: many programs may share an address."""

_VALID = f"""
    SELECT {columns(ApiToken)}, last_used_at IS NULL OR last_used_at < statement_timestamp() - interval '1 minute'
    FROM access_apitoken
    WHERE digest = %s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > statement_timestamp())
"""  # noqa: S608 - names of columns
"""The token of a digest, and whether to store its use: exact to a minute, so that not every call writes to the row."""


class TokenUser(AnonymousUser):
    """The user of a request with a token; its name is that of the token."""

    def __init__(self, token: ApiToken) -> None:
        super().__init__()
        self.username = f"token:{token.name}"  # type: ignore[assignment]  # the stubs know only ""
        self.token = token

    @property
    def is_authenticated(self) -> Any:
        return True


class TokenAuthentication(BaseAuthentication):
    """Finds the token by its hash. Unknown, expired and revoked tokens get the same response."""

    def authenticate(self, request: Request) -> tuple[TokenUser, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("'Authorization: Bearer <token>' is needed, with one token")
        secret = parts[1].decode("ascii", errors="replace")
        found = first_row(_VALID, [digest(secret)])
        if found is None:
            _report_failure(request)
            raise AuthenticationFailed("this token is unknown, has expired or was revoked")
        *values, store_use = found
        token = made_of(ApiToken, values)
        if store_use:
            _store_use(token)
        return TokenUser(token), token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def _report_failure(request: Request) -> None:
    """Logs and counts a call without a valid token. Raises Throttled where too many came from its address."""
    where = keyed_hash("address", client_address(request._request))
    try:
        wait = allowances.take(f"calls-at:{where}", FAILURES_PER_ADDRESS)
    except DatabaseError:
        wait = None  # It is read-only: the call is refused all the same.
    sign_in_failures.report("token" if wait is None else "limited", where=where)
    if wait is not None:
        raise Throttled(wait, "too many calls without a valid token came from this address")


def _store_use(token: ApiToken) -> None:
    """Stores when the token was used; a read-only database is no reason to refuse the caller."""
    try:
        with transaction.atomic():
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=Now())
    except DatabaseError:
        return
