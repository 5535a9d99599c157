"""Making and revoking API tokens, each with its line of the audit trail. No secret ever stands in it."""

from collections.abc import Sequence

from django.db.models import Q
from django.db.models.functions import Now

from assignments.services import Refused
from assignments.transactions import atomically
from config.access.models import ApiToken
from reminders.ledger.audit import record
from reminders.operations.reasons import checked_reason


class UnknownToken(Refused):
    """No token has this name or prefix."""

    code = "unknown_token"


@atomically
def issue(
    name: str, *, scopes: Sequence[str], days: int | None, by: str, reason: str = ""
) -> tuple[ApiToken, str]:
    """Makes a token. Returns its record, and the secret that nobody can read again. Raises as `ApiToken.issue` does."""
    reason = checked_reason(reason, needed=False)
    token, secret = ApiToken.issue(name, scopes=list(scopes), days=days)
    record("create_token", by=by, reason=reason, after=_described(token))
    return token, secret


@atomically
def revoke(ids: Sequence[int], *, by: str, reason: str) -> int:
    """Refuses these tokens from now on; returns how many were still good. Raises ValidationError without a reason."""
    reason = checked_reason(reason)
    found = ApiToken.objects.select_for_update().filter(pk__in=ids, revoked_at__isnull=True).order_by("pk")
    tokens = list(found)
    ApiToken.objects.filter(pk__in=[token.pk for token in tokens]).update(revoked_at=Now())
    for token in tokens:
        record("revoke_token", by=by, reason=reason, before=_described(token))
    return len(tokens)


def find(text: str) -> ApiToken:
    """The token of this name, or whose first characters these are; a whole token that was found somewhere will do.

    Raises UnknownToken.
    """
    prefix = text[: ApiToken.PREFIX_LENGTH]
    found = list(ApiToken.objects.filter(Q(name=text) | Q(prefix=prefix))[:2])
    if len(found) != 1:
        shown = text if len(text) <= ApiToken.PREFIX_LENGTH else f"{prefix}..."
        why = "two tokens have" if found else "no token has"
        raise UnknownToken(f"{why} the name or prefix {shown!r}: `manage.py list_api_tokens` shows all")
    return found[0]


def _described(token: ApiToken) -> dict[str, object]:
    return {
        "id": token.pk,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes.split(","),
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
    }
