"""What counts as an address of a chat service: an Apprise URL of a scheme that CHAT_SCHEMES names."""

import ipaddress
import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from notifications.public_addresses import is_public


def stored_chat_url(text: str) -> str:
    """The URL as it is stored: as it was given. Raises ValidationError, whose text does not repeat what is secret in it."""
    service_of(text)
    return text


def service_of(url: str) -> Any:
    """The service that Apprise makes of the URL (an `apprise.NotifyBase`). Raises ValidationError where none may be used."""
    schemes = settings.CHAT_SCHEMES
    scheme, separator, _ = url.partition("://")
    if not schemes:
        raise ValidationError(
            gettext("no chat service may be used here: CHAT_SCHEMES names those that may"), code="invalid"
        )
    if not separator or scheme.lower() not in schemes:
        message = gettext(
            "that is not an address of a chat service that may be used: %(list)s:// is needed"
        ) % {"list": ", ".join(schemes)}
        raise ValidationError(message, code="invalid")
    # Not needed by who has no chat services, and slow to import.
    from apprise import Apprise

    # Its lines name addresses, topics and tokens. Set each time: a configuration of logging sets it back.
    logging.getLogger("apprise").disabled = True
    service = Apprise.instantiate(url)
    if service is None:
        message = gettext(
            "Apprise cannot read this address of %(lower)s://: see its documentation for the form"
        ) % {"lower": scheme.lower()}
        raise ValidationError(message, code="invalid")
    if not settings.CHAT_ALLOW_PRIVATE and _is_private(getattr(service, "host", None)):
        raise ValidationError(
            gettext("that address is not in the public internet: CHAT_ALLOW_PRIVATE=true allows it"),
            code="invalid",
        )
    return service


def _is_private(host: object) -> bool:
    """Whether the host is written as an IP address that is not public; names are looked at when they are connected to."""
    try:
        ipaddress.ip_address(str(host).strip("[]"))
    except ValueError:
        return str(host).lower().rstrip(".") == "localhost"
    return not is_public(str(host).strip("[]"))
