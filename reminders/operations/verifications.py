"""Lets a person show that an address is theirs: a message with a link or a code goes there, and they answer.

A message is recorded before it is sent, within a short time and outside any transaction, by who asks for it. So whoever asks
hears at once whether the address takes messages; no worker is needed, and nothing is repeated by itself.
"""

import hmac
import logging
import secrets
from collections.abc import Callable
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db.models import F
from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments import contact_points
from assignments.clock import database_now
from assignments.contact_point import ContactChannel, ContactPoint
from assignments.locks import lock_keys
from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from assignments.wording import quoted
from notifications.channels import registry
from notifications.channels.base import Channel
from notifications.message import Delivery, Message, Outcome
from reminders.conf import ReminderConfig
from reminders.content import contacts, verification_links, verification_message
from reminders.ledger.audit import record
from reminders.ledger.pauses import pause_in_force
from reminders.models import CircuitBreaker, Verification
from reminders.operations.contact_points import person_of, point_of
from reminders.policy.ways import carrier_of

logger = logging.getLogger(__name__)

VALID_FOR = timedelta(hours=24)
DEADLINE = timedelta(seconds=5)
"""How long a send may take while somebody waits for the page."""
WINDOW = timedelta(hours=1)
MOST_FOR_POINT = 3
MOST_FOR_ADDRESS = 5
"""Messages an hour to one contact point, and to one address, whosever it is."""
MOST_GUESSES = 5
CODE_DIGITS = 6


class NotVerifiable(Refused):
    """No message can go there now."""

    code = "not_verifiable"


class TooOften(Refused):
    """Enough messages have gone there within the hour; `wait` seconds until the next."""

    code = "too_often"

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


def send(
    person_id: int,
    point_id: int,
    *,
    by: str,
    config: ReminderConfig,
    reason: str = "",
    scope: TeamScope = EVERYTHING,
    channel: Callable[[str], Channel] | None = None,
) -> Verification:
    """Sends the message, and returns its record with how that ended. `channel` finds a channel by its name.

    Raises UnknownPerson, UnknownContactPoint, TooOften, or NotVerifiable where nothing may be sent or there is no way.
    """
    prepared, message, way = _prepared(person_id, point_id, by=by, reason=reason, config=config, scope=scope)
    ended = _sent(message, (channel or registry.get)(way), config)
    prepared.outcome, prepared.code, prepared.detail = ended.outcome.value, ended.code, ended.detail
    prepared.save(update_fields=["outcome", "code", "detail"])
    extra = {"contact_point": point_id, "outcome": prepared.outcome, "code": prepared.code}
    logger.info("Verification sent", extra=extra)
    return prepared


def was_sent(verification: Verification) -> bool:
    """Whether the message may have arrived."""
    return verification.outcome in (Outcome.ACCEPTED.value, Outcome.UNKNOWABLE.value)


@atomically
def _prepared(
    person_id: int, point_id: int, *, by: str, reason: str, config: ReminderConfig, scope: TeamScope
) -> tuple[Verification, Message, str]:
    reason = checked_reason(reason, needed=False)
    point = point_of(person_id, point_id, scope=scope)
    channel = carrier_of(point.channel, config)
    if point.opted_out_at is not None:
        raise NotVerifiable(
            gettext("contact point %(point_id)s is opted out: no message goes there") % {"point_id": point_id}
        )
    if not config.enabled:
        raise NotVerifiable(
            gettext("reminders are switched off (REMINDER_WORKER_ENABLED=false): nothing is sent")
        )
    if pause_in_force() is not None:
        raise NotVerifiable(gettext("sending is paused: resume it first"))
    if channel not in config.channels:
        raise NotVerifiable(gettext("the channel %(channel)s is not set up here") % {"channel": channel})
    now = database_now()
    if CircuitBreaker.objects.filter(channel=channel, until__gt=now).exists():
        raise NotVerifiable(
            gettext("the channel %(channel)s does not work at present: try again in a minute")
            % {"channel": channel}
        )
    with_link = point.channel != ContactChannel.SMS
    if with_link and not verification_links.url_of(0):
        raise NotVerifiable(gettext("PUBLIC_URL is not set, so no message can have a link to this site"))
    key = verification_links.address_key(point.channel, point.address)
    lock_keys([f"verification {point_id}", f"verification {key}"])
    for named, most in (
        ({"contact_point": point_id}, MOST_FOR_POINT),
        ({"address_key": key}, MOST_FOR_ADDRESS),
    ):
        recent = Verification.objects.filter(**named, requested_at__gt=now - WINDOW).order_by("requested_at")
        times = list(recent.values_list("requested_at", flat=True))
        if len(times) >= most:
            wait = (times[-most] + WINDOW - now).total_seconds()
            raise TooOften(
                gettext("%(most)s messages have gone there within an hour: wait %(value)s minutes")
                % {"most": most, "value": f"{wait / 60:.0f}"},
                wait,
            )
    made = Verification.objects.create(
        contact_point=point, address_key=key, by=by, requested_at=now, expires_at=now + VALID_FOR
    )
    code = "" if with_link else f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    if code:
        made.code_key = verification_links.code_key(made.pk, code)
        made.save(update_fields=["code_key"])
    contact = contacts.contact_of(person_of(person_id, scope=scope))
    message = verification_message.compose(
        contact,
        point.address,
        url=verification_links.url_of(made.pk) if with_link else "",
        code=code,
        hours=round(VALID_FOR.total_seconds() / 3600),
    )
    selection = {"person": person_id, "contact_point": point_id}
    record("send_verification", by=by, reason=reason, selection=selection)
    return made, message, channel


def _sent(message: Message, channel: Channel, config: ReminderConfig) -> Delivery:
    try:
        return channel.send(message, timeout=min(config.send_timeout, DEADLINE))
    except Exception as error:
        logger.exception("Verification failed", extra={"reason": type(error).__name__})
        return Delivery(Outcome.UNKNOWABLE, "internal", type(error).__name__)
    finally:
        channel.close()  # A web process sends too seldom to keep a connection.


def last_of(point_id: int) -> Verification:
    """The last message to the contact point. Raises Verification.DoesNotExist."""
    return Verification.objects.filter(contact_point=point_id).latest("id")


def open_link(token: str) -> tuple[Verification, ContactPoint] | None:
    """The message and the address of a link that is good at this moment; None for any other text."""
    number = verification_links.verification_id_of(token)
    found = Verification.objects.filter(pk=number, expires_at__gt=database_now()).first() if number else None
    point = (
        ContactPoint.objects.filter(pk=found.contact_point_id).select_related("person").first()
        if found
        else None
    )
    if found is None or point is None or not _is_of(found, point):
        return None
    return found, point


@atomically
def use_link(token: str) -> bool:
    """Notes that who holds this link reads the address; False where it is not good any more."""
    opened = open_link(token)
    if opened is None:
        return False
    _use(*opened)
    return True


def enter_code(person_id: int, point_id: int, code: str, *, scope: TeamScope = EVERYTHING) -> None:
    """Notes that the person has read the code of the last message. Raises ValidationError where it is another one, is not
    good any more, or was guessed at too often.
    """
    code = "".join(code.split())
    point_of(person_id, point_id, scope=scope)
    if not _is_code(point_id, code):
        message = gettext(
            "%(code)s is not the code of the last message there, or it is not good any more: after "
            "%(most_guesses)s wrong ones, or %(value)s hours, a new one is needed"
        ) % {
            "code": quoted(code),
            "most_guesses": MOST_GUESSES,
            "value": f"{VALID_FOR.total_seconds() / 3600:.0f}",
        }
        raise ValidationError({"code": ValidationError(message, code="wrong_code")})


@atomically
def _is_code(point_id: int, code: str) -> bool:
    sent = Verification.objects.filter(contact_point=point_id, expires_at__gt=database_now()).exclude(
        code_key=""
    )
    last = sent.select_for_update(no_key=True).order_by("-id").first()
    point = ContactPoint.objects.filter(pk=point_id).first()
    if (
        last is None
        or point is None
        or last.used_at
        or last.guesses >= MOST_GUESSES
        or not _is_of(last, point)
    ):
        return False
    Verification.objects.filter(pk=last.pk).update(guesses=F("guesses") + 1)
    if not hmac.compare_digest(last.code_key, verification_links.code_key(last.pk, code)):
        return False
    _use(last, point)
    return True


def _use(verification: Verification, point: ContactPoint) -> None:
    Verification.objects.filter(pk=verification.pk, used_at=None).update(used_at=database_now())
    contact_points.mark_verified(point.pk)


def _is_of(verification: Verification, point: ContactPoint) -> bool:
    """Whether the contact point still has the address to which the message went."""
    return verification.address_key == verification_links.address_key(point.channel, point.address)
