"""System checks of the settings themselves."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks


def check_secret_key(app_configs: Sequence[Any] | None, **_: object) -> list[checks.CheckMessage]:
    """config.E001: without SECRET_KEY each process has a key of its own, so no link or session outlives it.

    A check of `check --deploy`; web, worker, scanner and beat refuse to start with it. Other commands sign nothing.
    """
    if settings.SECRET_KEY_IS_SET or settings.DEBUG:
        return []
    return [
        checks.Error(
            "SECRET_KEY is not set: a long random text is needed, the same for every process",
            hint="python3 -c 'import secrets; print(secrets.token_urlsafe(50))'",
            id="config.E001",
        )
    ]


def check_pooler(app_configs: Sequence[Any] | None, **_: object) -> list[checks.CheckMessage]:
    """config.E002: a pooler in transaction mode that the address does not speak of breaks prepared statements.

    Web, worker, scanner and beat refuse to start with it. A database that does not answer says nothing.
    """
    from config.database import pooler

    problem = pooler.problem()
    hint = "docs/install.md, PgBouncer"
    return [checks.Error(problem, hint=hint, id="config.E002")] if problem else []
