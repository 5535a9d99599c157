"""`manage.py revoke_api_token NAME-OR-PREFIX --reason ...`: the token is refused from now on."""

from accounts import tokens
from accounts.management.audited_command import AuditedCommand


class Command(AuditedCommand):
    help = "Revokes an API token: it is refused from now on. The record of what was done with it stays."
    given = ("token", "its name, its prefix (art_...), or the whole token")

    def act(self, given: str, *, by: str, reason: str) -> str:
        token = tokens.find(given)
        revoked = tokens.revoke([token.pk], by=by, reason=reason)
        result = "is revoked: it is refused from now on" if revoked else "had been revoked before"
        return f"Token {token.name} ({token.prefix}...) {result}."
