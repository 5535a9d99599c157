"""What a gateway's answers mean: whether a refusal is about the recipient, the message, or the sender and the service.

Judged by Twilio's error code where the tables below know it, else by the HTTP status (RFC 9110 section 15). The codes are
those of Twilio's "Error and Warning Dictionary": each has a page, https://www.twilio.com/docs/api/errors/CODE, and the
comments are their titles. Twilio says that it may split a code into finer ones, so the status decides about new ones.

There is no idempotency key for messages. The page of 20500 says that a message may have been sent where the answer was
a 500, so such an end is unknowable; that of 20429 says that a request so answered was never processed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from notifications.message import Outcome, Subject

Meaning = tuple[Outcome, Subject]
NUMBER: Meaning = (Outcome.REJECTED, Subject.RECIPIENT)
NUMBER_FOR_NOW: Meaning = (Outcome.REFUSED_FOR_NOW, Subject.RECIPIENT)
TEXT: Meaning = (Outcome.REJECTED, Subject.MESSAGE)
ACCOUNT: Meaning = (Outcome.CHANNEL_REFUSED, Subject.CHANNEL)
PACE: Meaning = (Outcome.THROTTLED, Subject.CHANNEL)
DOWN: Meaning = (Outcome.CHANNEL_DOWN, Subject.CHANNEL)
UNKNOWN: Meaning = (Outcome.UNKNOWABLE, Subject.UNSTATED)

OPTED_OUT = 21610
"""Attempt to send to unsubscribed recipient: the person has answered STOP."""

BY_CODE: Mapping[int, Meaning] = {
    10001: ACCOUNT,  # Account is not active
    14107: PACE,  # Message rate limit exceeded
    20003: ACCOUNT,  # Permission denied; the credentials are wrong
    20005: ACCOUNT,  # Account not active
    20006: ACCOUNT,  # Access denied
    20008: ACCOUNT,  # Cannot access this resource with test credentials
    20404: ACCOUNT,  # Not found; the account in the address
    20429: PACE,  # Too many requests
    20500: UNKNOWN,  # Internal server error; "it is possible for a customer to receive multiple messages"
    20503: DOWN,  # Service unavailable
    21201: NUMBER,  # No 'To' number specified
    21211: NUMBER,  # Invalid 'To' phone number
    21212: ACCOUNT,  # Invalid 'From' number
    21214: NUMBER,  # 'To' phone number cannot be reached
    21217: NUMBER,  # Phone number does not appear to be valid
    21219: NUMBER,  # 'To' phone number not verified
    21265: NUMBER,  # 'To' number cannot be a short code
    21266: NUMBER,  # 'To' and 'From' numbers cannot be the same
    21267: ACCOUNT,  # Alphanumeric sender ID cannot be used by a trial account
    21268: NUMBER,  # 'To' number cannot be a premium or information service number
    21401: ACCOUNT,  # Invalid phone number; of the sender
    21408: NUMBER,  # Permission to send an SMS has not been enabled for the region of the 'To' number
    21601: ACCOUNT,  # Phone number is not a valid SMS-capable inbound phone number; the sender's
    21602: TEXT,  # Message body is required
    21603: ACCOUNT,  # 'From' phone number is required to send a message
    21604: NUMBER,  # 'To' phone number is required to send a message
    21605: TEXT,  # Maximum body length is 160 characters
    21606: ACCOUNT,  # 'From' is not a valid message-capable number for this destination or account
    21607: ACCOUNT,  # 'From' must be the sandbox phone number for trial accounts
    21608: NUMBER,  # 'To' is not yet verified for this trial account
    21609: ACCOUNT,  # Invalid 'StatusCallback' URL
    OPTED_OUT: NUMBER,
    21611: PACE,  # This 'From' number has exceeded the maximum number of queued messages
    21612: NUMBER,  # Message cannot be sent with the current combination of 'To' and 'From'
    21613: NUMBER,  # Phone number requires an address
    21614: NUMBER,  # 'To' number is not a valid mobile number
    21615: ACCOUNT,  # Phone number requires a local address
    21616: ACCOUNT,  # The 'From' number matches multiple numbers for your account
    21617: TEXT,  # The concatenated message body exceeds the 1600 character limit
    21618: TEXT,  # The message body cannot be sent
    21619: TEXT,  # A text message body or media URLs must be specified
    21635: NUMBER,  # 'To' number cannot be a landline
    21659: ACCOUNT,  # 'From' is not a Twilio phone number or short code country mismatch
    21660: ACCOUNT,  # Mismatch between the 'From' number and the account
    21661: ACCOUNT,  # 'From' number is not SMS-capable
    21701: ACCOUNT,  # The messaging service does not exist
    21703: ACCOUNT,  # The messaging service does not have a phone number available
    21704: ACCOUNT,  # The messaging service contains no phone numbers
    21705: ACCOUNT,  # The messaging service is invalid
    21730: DOWN,  # System under maintenance
    30001: PACE,  # Queue overflow
    30002: ACCOUNT,  # Account suspended
    63017: PACE,  # Rate limit exceeded
    63038: PACE,  # Account exceeded the daily messages limit
}

BY_STATUS: Mapping[int, Meaning] = {
    400: (Outcome.REJECTED, Subject.UNSTATED),
    401: ACCOUNT,
    403: ACCOUNT,
    404: ACCOUNT,
    405: ACCOUNT,
    407: ACCOUNT,
    408: (Outcome.REFUSED_FOR_NOW, Subject.UNSTATED),
    413: TEXT,
    429: PACE,
    501: ACCOUNT,
    503: DOWN,
}

# Status callbacks: which codes of a message that was not delivered say that no other one to this number will be.
UNDELIVERABLE: Mapping[int, bool] = {
    30001: False,  # Queue overflow
    30002: False,  # Account suspended
    30003: False,  # Unreachable destination handset: switched off, without signal, or roaming
    30004: False,  # Message blocked, by the carrier or the recipient
    30005: True,  # Unknown destination handset: unknown, or no longer in service
    30006: True,  # Landline or unreachable carrier
    30007: False,  # Message filtered, for its content or sender
    30008: False,  # Unknown error
    30010: False,  # Message price exceeds max price
    30011: False,  # MMS not supported by the receiving phone number in this region
    30022: False,  # US A2P 10DLC: rate limits exceeded
    30023: False,  # US A2P 10DLC: daily message cap reached
    30034: False,  # US A2P 10DLC: message from an unregistered number
    21211: True,
    21265: True,
    21268: True,
    OPTED_OUT: True,
    21614: True,
    21635: True,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A refusal as the tables judge it. `code` is Twilio's error code if the answer held one, else the HTTP status."""

    outcome: Outcome
    subject: Subject
    code: str


def judge(status: int, code: int | None) -> Judgement:
    """What an answer other than 2xx means, by its HTTP status and the `code` in its body, if there was one."""
    if code is not None and (meaning := BY_CODE.get(code)) is not None:
        return Judgement(*meaning, str(code))
    return Judgement(*_by_status(status), str(status if code is None else code))


def _by_status(status: int) -> Meaning:
    if (meaning := BY_STATUS.get(status)) is not None:
        return meaning
    if status >= 500:
        return UNKNOWN  # an intermediary may have answered after the gateway had accepted the message
    if status >= 400:
        return Outcome.REFUSED_FOR_NOW, Subject.UNSTATED
    return ACCOUNT  # a redirect, which is not followed, or no final answer


def is_for_good(code: int | None) -> bool:
    """Whether a message that was not delivered for this reason says that the number takes none at all."""
    return code is not None and UNDELIVERABLE.get(code, False)
