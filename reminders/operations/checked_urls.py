"""URLs that operators give: checked when they are stored, and again whenever they are used."""

import ipaddress

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from notifications.channels.webhook import endpoint
from notifications.public_addresses import is_public


def checked_url(url: str, *, private: bool) -> str:
    """The URL. Raises ValidationError for one that is never asked; `private` accepts http:// and private addresses."""
    try:
        host = endpoint.parse(url, plain=private).host
    except ValueError as error:
        raise ValidationError({"url": ValidationError(str(error), code="invalid")}) from error
    if not private and _is_literal(host) and not is_public(host):
        message = gettext("this address is not in the public internet: nothing is ever sent there")
        raise ValidationError({"url": ValidationError(message, code="not_public")})
    return url


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
