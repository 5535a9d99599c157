"""`manage.py list_api_tokens [--json]`: all tokens by name and prefix, and whether they are valid; no secrets."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.limits import team_names
from accounts.models import ApiToken


class Command(BaseCommand):
    help = "Lists the API tokens: name, prefix, scopes, expiry, last use. Never a secret."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON list, for programs")

    def handle(self, *_: Any, **options: Any) -> None:
        tokens = list(ApiToken.objects.all())
        if options["json"]:
            self.stdout.write(json.dumps([_fields(token) for token in tokens], indent=2))
            return
        if not tokens:
            self.stdout.write("There are no tokens: `manage.py create_api_token` creates one.")
        names = team_names() if any(token.teams is not None for token in tokens) else {}
        for token in tokens:
            until = f"until {_local(token.expires_at)}" if token.expires_at else "no expiry"
            used = f"last used {_local(token.last_used_at)}" if token.last_used_at else "never used"
            line = f"{token.name}  {token.prefix}...  {token.scopes}  {token.state(timezone.now())}, {until}, {used}"
            if token.teams is not None:
                line += f", teams {', '.join(names.get(pk, f'{pk} (removed)') for pk in token.teams)}"
            self.stdout.write(line)


def _local(instant: datetime) -> str:
    """In the time zone of TIME_ZONE, to the second, with its name."""
    return timezone.localtime(instant).strftime("%Y-%m-%d %H:%M:%S %Z")


def _fields(token: ApiToken) -> dict[str, object]:
    def text(instant: datetime | None) -> str | None:
        return instant.isoformat() if instant else None

    return {
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes.split(","),
        "teams": token.teams,
        "state": token.state(timezone.now()),
        "created_at": text(token.created_at),
        "expires_at": text(token.expires_at),
        "last_used_at": text(token.last_used_at),
        "revoked_at": text(token.revoked_at),
    }
