"""What mail providers report by webhook, as django-anymail gives it: found by our token, and recorded."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from notifications.bounces import delivery_status
from notifications.channels.email.verp import HEADER
from notifications.providers import METADATA
from notifications.redaction import MAX_READ, redacted
from reminders import conf
from reminders.bounces.receiving import happened_at, is_being_sent, reminder_of
from reminders.ledger import delivery_events
from reminders.models import DeliveryKind

logger = logging.getLogger(__name__)

KINDS: Mapping[str, DeliveryKind] = {
    "delivered": DeliveryKind.DELIVERED,
    "bounced": DeliveryKind.BOUNCED,
    "rejected": DeliveryKind.BOUNCED,
    "failed": DeliveryKind.BOUNCED,
    "complained": DeliveryKind.COMPLAINED,
    "opened": DeliveryKind.OPENED,
    "clicked": DeliveryKind.OPENED,
}
"""By the event types of django-anymail; the others say nothing of what became of a message."""

ABOUT_THE_ADDRESS = frozenset({"invalid", "bounced", "unsubscribed"})
"""Of its reasons for a refusal: where no reply of a mail server says it, these mean the next message as well."""

SOFT = frozenset({"soft", "softbounce", "soft_bounce", "transient"})


class TooEarly(Exception):
    """The message is not recorded as sent yet: the provider is to report again later."""


def on_tracking(event: Any, esp_name: str, **_: object) -> None:
    """Records one event (`anymail.signals.tracking`). What is about no message of ours is left out, quietly.

    Repeating it changes nothing. Raises TooEarly, and what the database raises.
    """
    kind = KINDS.get(str(event.event_type))
    reminder_id = reminder_of(_tokens(event)) if kind else None
    if kind is None or reminder_id is None:
        reason = "no_outcome" if kind is None else "no_token"
        logger.info("Provider's report left out", extra={"provider": esp_name, "reason": reason})
        return
    recipient = str(event.recipient or "")
    said = str(event.mta_response or event.description or "")[:MAX_READ]
    permanent = kind is DeliveryKind.BOUNCED and _is_permanent(event, said)
    if permanent and is_being_sent(reminder_id):
        raise TooEarly
    recorded = delivery_events.record(
        reminder_id,
        kind,
        source=esp_name.lower()[:20],
        external_id=_external_id(event),
        at=happened_at(_instant(event.timestamp)),
        config=conf.current(),
        detail=redacted(said, recipient=recipient) if kind is DeliveryKind.BOUNCED else "",
        permanent=permanent,
    )
    logger.info(
        "Provider's report read",
        extra={
            "provider": esp_name,
            "kind": kind.value,
            "reminder_id": reminder_id,
            "outcome": "recorded" if recorded else "known",
        },
    )


def _is_permanent(event: Any, said: str) -> bool:
    """By the reply of the mail server if there is one, as for bounces by mail; else by the provider's own reason."""
    status = delivery_status.status_in(said)
    if status or delivery_status.has_reply(said):
        return delivery_status.bounce(status, said).permanent
    given = event.esp_event.values() if isinstance(event.esp_event, Mapping) else ()
    is_soft = any(isinstance(value, str) and value.lower() in SOFT for value in given)
    return event.reject_reason in ABOUT_THE_ADDRESS and not is_soft


def _tokens(event: Any) -> Iterator[str]:
    metadata = event.metadata if isinstance(event.metadata, Mapping) else {}
    for name in (METADATA, HEADER):
        if isinstance(metadata.get(name), str):
            yield metadata[name]


def _external_id(event: Any) -> str:
    """The same for a repetition of this event; providers give few events an id, and some to several."""
    parts = (event.event_type, event.event_id, event.message_id, event.timestamp)
    return hashlib.sha256("\n".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()[:32]


def _instant(at: object) -> datetime | None:
    if not isinstance(at, datetime):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
