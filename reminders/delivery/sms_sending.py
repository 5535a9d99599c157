"""What goes with the send of each SMS: the monthly cap before it, its segments after it, and who has opted out."""

import logging
from collections.abc import Callable
from datetime import date

from django.conf import settings
from django.db import Error as DatabaseError

from assignments import contact_points
from assignments.contact_point import ContactChannel, ContactPoint
from notifications.channels.sms import alphabet
from notifications.channels.sms.responses import OPTED_OUT
from notifications.message import Delivery, Message, Outcome, Subject
from reminders.ledger import sms_usage
from reminders.policy import recipients

logger = logging.getLogger(__name__)

MAY_HAVE_LEFT = (Outcome.ACCEPTED, Outcome.UNKNOWABLE)


def send_counted(message: Message, recipient: str, send: Callable[[], Delivery]) -> Delivery:
    """Sends the message unless the month's are used up, and counts it.

    Where the cap is reached nothing is sent: the code is `sms_usage.CAPPED`, as if there were no such contact point.
    Who has opted out at the gateway (its answer says so) has opted out here.
    """
    cap: int = settings.SMS_MONTHLY_CAP
    try:
        month = sms_usage.reserve(cap=cap)
    except DatabaseError as error:
        detail = f"the month's SMS cannot be counted: {type(error).__name__}"
        return Delivery(Outcome.CHANNEL_DOWN, "database", detail, subject=Subject.CHANNEL)
    if month is None:
        detail = f"SMS_MONTHLY_CAP: {cap} SMS have left in this month (UTC), and no more does"
        return Delivery(Outcome.REJECTED, sms_usage.CAPPED, detail, subject=Subject.RECIPIENT)
    delivery = send()
    try:
        _count(delivery, message, month)
        if delivery.code == str(OPTED_OUT):
            _opt_out(recipient, message.address)
    except DatabaseError as error:
        # How the send ended matters more, and is recorded next.
        logger.warning("Metrics incomplete", extra={"part": "sms", "reason": type(error).__name__})
    return delivery


def _count(delivery: Delivery, message: Message, month: date) -> None:
    if delivery.outcome in MAY_HAVE_LEFT:
        sms_usage.count_segments(alphabet.size(message.text).segments)
    else:
        sms_usage.take_back(month)


def _opt_out(recipient: str, number: str) -> None:
    person_id = recipients.person_behind(recipient)
    points = ContactPoint.objects.filter(person=person_id, channel=ContactChannel.SMS, address=number)
    for point in points:
        contact_points.opt_out(point.pk)
