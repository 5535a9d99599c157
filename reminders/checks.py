"""System checks: bad or contradictory settings stop every process at its start."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ValidationError

from assignments.validators import validate_time_zone
from notifications.addresses import validate_email_address
from notifications.channels import registry
from reminders import conf

TAG = "reminders"


def register() -> None:
    """Called once the application is ready."""
    checks.register(check_reminder_settings, TAG)
    checks.register(check_time_zone, TAG)
    checks.register(check_public_url, TAG, deploy=True)


def check_reminder_settings(app_configs: Sequence[Any] | None, **_: object) -> list[checks.CheckMessage]:
    """reminders.E001 contradictions, E002 unknown channel, E003 supervisors, W002 a channel that reaches nobody."""
    config = conf.current()
    found: list[checks.CheckMessage] = [
        checks.Error(problem, hint="See .env.example.", id="reminders.E001")
        for problem in config.contradictions()
    ]
    if config.channel not in registry.names():
        found.append(
            checks.Error(
                f"REMINDER_CHANNEL is {config.channel!r}: one of {', '.join(registry.names())} is needed",
                id="reminders.E002",
            )
        )
    elif not config.reaches_people:
        found.append(
            checks.Warning(
                f"REMINDER_CHANNEL is {config.channel!r}: reminders are marked SENT and nobody receives them",
                hint="Set REMINDER_CHANNEL=email, unless this is a trial.",
                id="reminders.W002",
            )
        )
    for number, address in enumerate(config.ops_emails, start=1):
        try:
            validate_email_address(address)
        except ValidationError:
            found.append(
                checks.Error(
                    f"REMINDER_OPS_EMAILS holds something else than an e-mail address at place {number}: "
                    "addresses separated by commas are needed",
                    id="reminders.E003",
                )
            )
    return found


def check_time_zone(app_configs: Sequence[Any] | None, **_: object) -> list[checks.CheckMessage]:
    """reminders.E004: TIME_ZONE must be known."""
    try:
        validate_time_zone(settings.TIME_ZONE)
    except ValidationError:
        return [
            checks.Error(
                f"TIME_ZONE is {settings.TIME_ZONE!r}: a name like Europe/Berlin is needed",
                id="reminders.E004",
            )
        ]
    return []


def check_public_url(app_configs: Sequence[Any] | None, **_: object) -> list[checks.CheckMessage]:
    """reminders.W001: mails can link to people's own pages; asked by `check --deploy`, for mails go out without too."""
    if settings.PUBLIC_URL:
        return []
    told = "PUBLIC_URL is not set: mails carry no link, and nobody can confirm or say that they can't make it"
    return [checks.Warning(told, hint="See .env.example.", id="reminders.W001")]
