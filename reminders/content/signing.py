"""Signatures of what leaves with a message: made with SECRET_KEY, and good under SECRET_KEY_FALLBACKS too."""

import hmac
from collections.abc import Callable

from django.conf import settings


def is_signed(signature: str, *, sign: Callable[[str], str]) -> bool:
    """Whether `sign` makes this signature with the key in force, or with a former one that is still good."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(hmac.compare_digest(sign(key), signature) for key in keys)
