"""What is handed to the other side with a message, so that it can say later what became of it."""

import base64
import hmac
import re
from functools import lru_cache, partial

from django.conf import settings
from django.utils.crypto import salted_hmac

from reminders.content.signing import is_signed
from reminders.policy.rows import Row
from reminders.policy.ways import channel_name

SALT = "reminders.content.tracking"
_TOKEN = re.compile(r"([0-9]{1,18})-([a-z2-7]{16})")


def token_for(row: Row) -> str:
    """The token of this row's message, or of the digest that it leads; '' where its channel hands none to the other side."""
    tracked = settings.TRACKED_CHANNELS
    return token_of(row.id) if tracked and channel_name(row.channel) in tracked else ""


def token_of(reminder_id: int) -> str:
    """The row's id, signed: lower-case letters, digits and a hyphen, which a local part and a URL take as they are."""
    return f"{reminder_id}-{_signature(reminder_id, settings.SECRET_KEY)}"


def reminder_id_of(token: str) -> int | None:
    """The row of a token, in whatever case it comes back; None where it is none of ours."""
    found = _TOKEN.fullmatch(token.lower())
    if found is None:
        return None
    reminder_id = int(found[1])
    return reminder_id if is_signed(found[2], sign=partial(_signature, reminder_id)) else None


def _signature(reminder_id: int, key: str) -> str:
    signature = _keyed(key).copy()
    signature.update(str(reminder_id).encode())
    return base64.b32encode(signature.digest()[:10]).decode().lower()


@lru_cache(maxsize=4)
def _keyed(key: str) -> hmac.HMAC:
    """Deriving the key anew for each message takes longer than all else of a token."""
    return salted_hmac(SALT, b"", secret=key, algorithm="sha256")
