"""System checks: refuses chat services where what reaches them is not installed."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register("notifications")
def chat_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """notifications.E010: CHAT_SCHEMES is set and Apprise is missing. E011: it names a scheme that Apprise does not know."""
    if not settings.CHAT_SCHEMES:
        return []
    if find_spec("apprise") is None:
        return [
            Error(
                "CHAT_SCHEMES is set, and Apprise is not installed.",
                hint="Install the extra `chat` (requirements/image.lock has it), or leave CHAT_SCHEMES empty.",
                id="notifications.E010",
            )
        ]
    from apprise import Apprise

    services = Apprise().details()["schemas"]
    known = {
        scheme for one in services for scheme in (*(one["protocols"] or ()), *(one["secure_protocols"] or ()))
    }
    unknown = [scheme for scheme in settings.CHAT_SCHEMES if scheme not in known]
    if not unknown:
        return []
    return [
        Error(
            f"CHAT_SCHEMES names {', '.join(unknown)}: Apprise knows no such service.",
            hint="A scheme is what stands before :// in an Apprise URL, such as ntfys, slack or tgram.",
            id="notifications.E011",
        )
    ]
