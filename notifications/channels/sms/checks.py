"""System checks: refuses a gateway to which the account's token would go in the clear."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from notifications.channels.sms import gateway as gateways
from notifications.channels.sms.gateway import FORM, NotAGateway


@register("notifications")
def sms_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """notifications.E007: SMS_URL is no address of a gateway."""
    try:
        gateways.current()
    except NotAGateway as error:
        return [
            Error(f"SMS_URL is (hidden): {error} is needed", hint=f"Write {FORM}.", id="notifications.E007")
        ]
    return []


@register("notifications", deploy=True)
def sms_in_service(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """notifications.E006: messages and the token would leave this machine without TLS. W001: nobody could call back."""
    found: list[CheckMessage] = []
    try:
        gateway = gateways.current()
    except NotAGateway:
        return found
    if gateway is None:
        return found
    if not (gateway.tls or gateway.is_on_this_machine or gateway.plain_allowed):
        found.append(
            Error(
                "SMS_URL is twilio+http:// to another machine: the account's token would go there unencrypted",
                hint="Write twilio://, or add plain=allowed to its options where the network is yours alone.",
                id="notifications.E006",
            )
        )
    if not settings.PUBLIC_URL:
        found.append(
            Warning(
                "PUBLIC_URL is not set: nobody can say whether an SMS arrived, reply to one, or follow its link",
                hint="See .env.example.",
                id="notifications.W001",
            )
        )
    return found
