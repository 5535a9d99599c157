"""By what a person shows that an address is theirs: a link for mails and chats, a code of six digits for SMS.

The link is signed with the key of the installation; it names neither a person nor an address.
"""

import re
from functools import partial

from django.conf import settings
from django.utils.crypto import salted_hmac

from reminders.content.signing import is_signed

PATH = "/v/"
SALT = "reminders.content.verification_links"
_TOKEN = re.compile(r"([0-9]{1,18})-([0-9a-f]{32})")


def url_of(verification_id: int) -> str:
    """The whole address; '' where PUBLIC_URL does not say where this site is."""
    return f"{settings.PUBLIC_URL}{PATH}{token_of(verification_id)}" if settings.PUBLIC_URL else ""


def token_of(verification_id: int) -> str:
    """Digits, a hyphen and lower-case letters, so that no mail program cuts it off."""
    return f"{verification_id}-{_signature(verification_id, settings.SECRET_KEY)}"


def verification_id_of(token: str) -> int | None:
    """What a token of ours names; None for any other text."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    number = int(found[1])
    return number if is_signed(found[2], sign=partial(_signature, number)) else None


def address_key(channel: str, address: str) -> str:
    """What stands for an address where none is to be kept: the same for the same one, whatever its case."""
    return salted_hmac(f"{SALT}.address", f"{channel}\n{address.lower()}", algorithm="sha256").hexdigest()


def code_key(verification_id: int, code: str) -> str:
    """What stands for a code where none is to be kept."""
    return salted_hmac(f"{SALT}.code", f"{verification_id}\n{code}", algorithm="sha256").hexdigest()


def _signature(verification_id: int, key: str) -> str:
    return salted_hmac(SALT, str(verification_id), secret=key, algorithm="sha256").hexdigest()[:32]
