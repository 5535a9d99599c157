"""System checks: refuses mail settings with which no message could ever be sent."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.module_loading import import_string

from notifications.addresses import mailbox


@register("notifications")
def mail_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """notifications.E001, E005: the sender, or where answers go, is not one address. E002, E003: the backend cannot be
    used.
    """
    errors: list[CheckMessage] = []
    if mailbox(settings.DEFAULT_FROM_EMAIL) is None:
        errors.append(
            Error(
                "DEFAULT_FROM_EMAIL is not one valid address.",
                hint="Write it as `Assignment reminders <reminders@example.com>`.",
                id="notifications.E001",
            )
        )
    if settings.EMAIL_REPLY_TO and mailbox(settings.EMAIL_REPLY_TO) is None:
        errors.append(
            Error(
                "EMAIL_REPLY_TO is not one valid address.",
                hint="Write it as `Planning desk <planning@example.com>`, or leave it unset: answers go to the sender.",
                id="notifications.E005",
            )
        )
    try:
        backend = import_string(settings.EMAIL_BACKEND)
    except (ImportError, ValueError) as error:
        errors.append(
            Error(
                f"EMAIL_BACKEND {settings.EMAIL_BACKEND!r} cannot be imported: {error}",
                hint="Leave it unset, or name an installed Django e-mail backend by its dotted path.",
                id="notifications.E002",
            )
        )
    else:
        if not (isinstance(backend, type) and issubclass(backend, BaseEmailBackend)):
            errors.append(
                Error(
                    f"EMAIL_BACKEND {settings.EMAIL_BACKEND!r} is not a Django e-mail backend.",
                    hint="Leave it unset, or name an installed Django e-mail backend by its dotted path.",
                    id="notifications.E003",
                )
            )
    if settings.EMAIL_USE_TLS and settings.EMAIL_USE_SSL:
        errors.append(
            Error(
                "EMAIL_USE_TLS and EMAIL_USE_SSL exclude each other.",
                hint="smtp+tls:// is STARTTLS (port 587), smtp+ssl:// is TLS from the first byte (port 465).",
                id="notifications.E004",
            )
        )
    return errors
