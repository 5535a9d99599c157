"""Status callbacks and replies, as Twilio posts them, with its signature.

The signature covers the URL, which is built from PUBLIC_URL, so that no header of the request decides what is compared. A
forged request gets 403 and is counted; it reads and changes nothing else.
"""

import logging
import re
from collections.abc import Callable
from html import escape

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.sign_in_failures import Failures
from assignments.clock import database_now
from assignments.transactions import atomically
from notifications.channels.sms import gateway as gateways
from notifications.channels.sms import signature
from notifications.channels.sms.channel import STATUS_PATH, TRACKING
from notifications.channels.sms.gateway import NUMBER
from notifications.channels.sms.responses import is_for_good
from reminders import conf
from reminders.content import tracking
from reminders.ledger import counters, delivery_events
from reminders.models import DeliveryKind
from reminders.operations import sms_replies
from reminders.web.team_limits import TeamAccess, team_limit

logger = logging.getLogger(__name__)

REPLY_PATH = "/api/inbound/sms"
MOST_OCTETS = 32_768
"""Of a body. Twilio's have about one thousand; an SMS of 1,600 characters is five thousand at most."""
MOST_PARAMETERS = 100
FORM = "application/x-www-form-urlencoded"
KINDS = {
    "delivered": DeliveryKind.DELIVERED,
    "read": DeliveryKind.OPENED,
    "undelivered": DeliveryKind.BOUNCED,
    "failed": DeliveryKind.BOUNCED,
}
"""What a status is told as; others (queued, sending, sent) say nothing that is not known."""
ID = re.compile(r"[A-Za-z0-9_-]{2,64}")

forged = Failures()
"""Those that are not counted yet: a flood of them is no flood of writes."""

View = Callable[[HttpRequest, QueryDict], HttpResponse]


def _signed(callback: str, path: str) -> Callable[[View], Callable[[HttpRequest], HttpResponse]]:
    """Lets only requests through that hold a valid signature, with their parameters; counts the others."""

    def wrap(view: View) -> Callable[[HttpRequest], HttpResponse]:
        @team_limit(TeamAccess.PUBLIC)
        @csrf_exempt
        @require_POST
        def checked(request: HttpRequest) -> HttpResponse:
            posted = _genuine(request, path)
            if posted is None:
                if number := forged.add(callback):
                    _count(callback, "forged", number)
                return HttpResponse(status=403)
            return view(request, posted)

        return checked

    return wrap


def _genuine(request: HttpRequest, path: str) -> QueryDict | None:
    """The parameters of a request whose signature is valid; None for any other request."""
    gateway = gateways.current()
    given = request.headers.get(signature.HEADER, "")
    if gateway is None or not settings.PUBLIC_URL or not given or request.content_type != FORM:
        return None
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_OCTETS:
            return None
        body = request.body
        if len(body) > MOST_OCTETS or body.count(b"&") >= MOST_PARAMETERS:
            return None
        posted = QueryDict(body, encoding="utf-8")
    except (ValueError, OSError):
        return None
    query = request.META.get("QUERY_STRING", "")
    url = f"{settings.PUBLIC_URL}{path}" + (f"?{query}" if query else "")
    parameters = dict(posted.lists())
    good = signature.is_genuine(given, token=gateway.token, url=url, parameters=parameters)
    return posted if good else None


@_signed("status", STATUS_PATH)
def status(request: HttpRequest, posted: QueryDict) -> HttpResponse:
    """What became of a message. Messages that are not known are ignored: 204 in every case."""
    state = str(posted.get("MessageStatus", ""))
    kind = KINDS.get(state)
    sid = posted.get("MessageSid", "")
    reminder_id = tracking.reminder_id_of(request.GET.get(TRACKING, ""))
    if not ID.fullmatch(sid):
        return _counted("status", "invalid")
    if reminder_id is None:
        return _counted("status", "unknown")
    if kind is None:
        return _counted("status", "taken")
    code = str(posted.get("ErrorCode", ""))
    number = int(code) if re.fullmatch(r"[0-9]{1,6}", code) else None
    noted = delivery_events.record(
        reminder_id,
        kind,
        source="sms",
        external_id=f"{sid}:{kind.value}",
        at=database_now(),
        config=conf.current(),
        detail=f"{state}, error {number}" if number else state,
        permanent=kind is DeliveryKind.BOUNCED and is_for_good(number),
    )
    return _counted("status", "taken" if noted else "repeated")


@_signed("reply", REPLY_PATH)
def reply(request: HttpRequest, posted: QueryDict) -> HttpResponse:
    """What somebody has answered. The answer to them is TwiML, empty where there is none."""
    sid, number = posted.get("MessageSid", ""), posted.get("From", "")
    if not ID.fullmatch(sid) or not NUMBER.fullmatch(number):
        _count("reply", "invalid")
        return _twiml("")
    taken = sms_replies.take(sid=sid, number=number, text=posted.get("Body", ""))
    _count("reply", taken.outcome)
    return _twiml(taken.answer)


def _twiml(text: str) -> HttpResponse:
    """The answer as Twilio's markup language writes it."""
    message = f"<Message>{escape(text, quote=False)}</Message>" if text else ""
    document = f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'
    return HttpResponse(document, content_type="text/xml; charset=utf-8")


def _counted(callback: str, outcome: str) -> HttpResponse:
    _count(callback, outcome)
    return HttpResponse(status=204)


def report_the_rest() -> None:
    """Counts what is not counted yet, so that a scrape of this process shows all."""
    for callback, number in forged.take_all().items():
        _count(callback, "forged", number)


def _count(callback: str, outcome: str, number: int = 1) -> None:
    """Adds to the counter. Nothing is refused because it cannot be written."""
    try:
        _add(counters.labels(callback=callback, outcome=outcome), number)
    except DatabaseError as error:
        logger.warning("Metrics incomplete", extra={"part": "sms", "reason": type(error).__name__})


@atomically
def _add(labels: str, number: int) -> None:
    with connection.cursor() as cursor:
        counters.write(cursor, counters.Counts({(counters.SMS_CALLBACKS, labels): number}))
