"""`manage.py list_api_tokens [--json]`: every token by name and prefix, and whether it is still good; never a secret."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from config.access.models import ApiToken
from reminders.insight.explain.wording import moment


class Command(BaseCommand):
    help = "Lists the API tokens: name, prefix, scopes, when each expires, when it was last used. Never a secret."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON list, for programs")

    def handle(self, *_: Any, **options: Any) -> None:
        tokens = list(ApiToken.objects.all())
        if options["json"]:
            self.stdout.write(json.dumps([_facts(token) for token in tokens], indent=2))
            return
        if not tokens:
            self.stdout.write("There are no tokens: `manage.py create_api_token` makes one.")
        for token in tokens:
            until = f"until {moment(token.expires_at)}" if token.expires_at else "no end"
            used = f"last used {moment(token.last_used_at)}" if token.last_used_at else "never used"
            line = f"{token.name}  {token.prefix}...  {token.scopes}  {token.state(timezone.now())}, {until}, {used}"
            self.stdout.write(line)


def _facts(token: ApiToken) -> dict[str, object]:
    def written(instant: Any) -> str | None:
        return instant.isoformat() if instant else None

    return {
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes.split(","),
        "state": token.state(timezone.now()),
        "created_at": written(token.created_at),
        "expires_at": written(token.expires_at),
        "last_used_at": written(token.last_used_at),
        "revoked_at": written(token.revoked_at),
    }
