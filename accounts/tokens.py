"""Issuing and revoking API tokens. Each change is sent to listeners (`accounts.signals`), never with a secret."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.errors import UnknownToken
from accounts.limits import checked_teams
from accounts.models import ApiToken
from accounts.reasons import checked_reason
from accounts.signals import account_changed


@transaction.atomic
def issue(
    name: str,
    *,
    scopes: Sequence[str],
    days: int | None,
    by: str,
    reason: str = "",
    teams: Sequence[int] | None = None,
) -> tuple[ApiToken, str]:
    """Issues a token. Returns its record, and the secret, which cannot be read again.

    `days`: its lifetime, at most `accounts.models.MAX_LIFETIME_DAYS`; None: until it is revoked. `teams`: it sees nothing
    else; None: everything.
    Raises ValidationError as `ApiToken.issue` and `checked_teams` do.
    """
    reason = checked_reason(reason, needed=False)
    token, secret = ApiToken.issue(name, scopes=list(scopes), days=days, teams=checked_teams(teams))
    _announce("create_token", by=by, reason=reason, after=_described(token))
    return token, secret


@transaction.atomic
def revoke(ids: Sequence[int], *, by: str, reason: str) -> int:
    """Revokes these tokens; returns how many were not revoked before. Raises ValidationError without a reason."""
    reason = checked_reason(reason)
    found = ApiToken.objects.select_for_update().filter(pk__in=ids, revoked_at__isnull=True).order_by("pk")
    tokens = list(found)
    ApiToken.objects.filter(pk__in=[token.pk for token in tokens]).update(revoked_at=Now())
    for token in tokens:
        _announce("revoke_token", by=by, reason=reason, before=_described(token))
    return len(tokens)


def find(text: str) -> ApiToken:
    """The token with this name or prefix; a whole token, for example one that leaked, is found by its prefix.

    Raises UnknownToken.
    """
    prefix = text[: ApiToken.PREFIX_LENGTH]
    found = list(ApiToken.objects.filter(Q(name=text) | Q(prefix=prefix))[:2])
    if len(found) != 1:
        shown = text if len(text) <= ApiToken.PREFIX_LENGTH else f"{prefix}..."
        why = "two tokens have" if found else "no token has"
        raise UnknownToken(f"{why} the name or prefix {shown!r}: `manage.py list_api_tokens` shows all")
    return found[0]


def _announce(action: str, *, by: str, reason: str, before: Any = None, after: Any = None) -> None:
    account_changed.send(
        ApiToken, actor=by, action=action, reason=reason, before=before or {}, after=after or {}
    )


def _described(token: ApiToken) -> dict[str, object]:
    return {
        "id": token.pk,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes.split(","),
        "teams": token.teams,
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
    }
