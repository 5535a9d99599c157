"""Webhooks: what a program is told, signed as Standard Webhooks says, and who is told.

A subscription is a URL, the types of events that it hears of, and a secret. The body of a message is the event
as it was when it happened; its id is the same for every try, so that whoever gets it twice can know
(https://www.standardwebhooks.com, specification 1.0).
"""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime

from assignments.clock import database_now
from notifications.message import Contact, Message
from reminders.ledger.records import Claim
from reminders.models import Subscription
from reminders.policy import rows

PREFIX = "whsec_"
SECRET_OCTETS = 32


def new_secret() -> str:
    """'whsec_' and 32 random octets in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_OCTETS)).decode()


def signature(secret: str, *, id: str, timestamp: int, body: str) -> str:
    """'v1,' and the HMAC-SHA256 of 'id.timestamp.body' under the secret's octets, in base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.digest(key, f"{id}.{timestamp}.{body}".encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def signed_message(
    id: str, body: str, *, contact: Contact, address: str, now: datetime, type: str = "event"
) -> Message:
    """A signed message to a program; one signature for each secret that is in force."""
    timestamp = int(now.timestamp())
    signatures = [signature(secret, id=id, timestamp=timestamp, body=body) for secret in contact.secrets]
    return Message(
        message_id=id,
        address=address,
        name=contact.name,
        subject=type,
        text=body,
        headers={
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signatures),
        },
    )


def compose(claim: Claim, *, contact: Contact, address: str, now: datetime) -> Message:
    """The message for an event's row: its payload as it was kept."""
    data = json.loads(claim.payload)
    type = data.pop("type")
    body = event_body(type, claim.row.planned_at, data)
    return signed_message(
        rows.message_uuid(claim.row), body, contact=contact, address=address, now=now, type=type
    )


def event_body(type: str, at: datetime, data: object) -> str:
    """The body: what happened, when, and to what."""
    return json.dumps({"type": type, "timestamp": at.isoformat(), "data": data}, separators=(",", ":"))


def active_contact(subscription_id: int) -> Contact | None:
    """The program behind a subscription; None once it has ended."""
    found = Subscription.objects.filter(pk=subscription_id, active=True).first()
    return subscription_contact(found, now=database_now()) if found else None


def subscription_contact(subscription: Subscription, *, now: datetime) -> Contact:
    """Where a program listens, and what signs: until a change of secrets is over the former one does too."""
    former = (
        [subscription.former_secret]
        if subscription.former_secret and subscription.former_until and subscription.former_until > now
        else []
    )
    return Contact(name=subscription.name, url=subscription.url, secrets=(subscription.secret, *former))
