"""Mail providers that report by webhook what becomes of messages: how they keep our token, and what reads their reports.

`django-anymail` (the extra `anymail`) reads them; nothing here imports it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from notifications.channels.email.verp import HEADER
from notifications.message import Message

METADATA = "reminder"
"""The name under which a provider keeps the token, and returns it with what it reports."""


@dataclass(frozen=True, slots=True)
class Provider:
    """`view` is the class of django-anymail that reads the reports, in its package `webhooks`.

    `header` is the header in which this provider takes values of the sender with a mail by SMTP, and `written` the form
    of its value. `key` is the setting of django-anymail that holds the key with which it signs, '' where only the secret
    in the address is checked.
    """

    view: str
    header: str
    written: Callable[[Mapping[str, str]], str] = json.dumps
    key: str = ""


def _first(values: Mapping[str, str]) -> str:
    return next(iter(values.values()))


PROVIDERS: Mapping[str, Provider] = {
    "brevo": Provider("brevo.BrevoTrackingWebhookView", "X-Mailin-custom"),
    "mailgun": Provider(
        "mailgun.MailgunTrackingWebhookView", "X-Mailgun-Variables", key="MAILGUN_WEBHOOK_SIGNING_KEY"
    ),
    "mailjet": Provider("mailjet.MailjetTrackingWebhookView", "X-MJ-EventPayload"),
    "mandrill": Provider("mandrill.MandrillCombinedWebhookView", "X-MC-Metadata", key="MANDRILL_WEBHOOK_KEY"),
    "postmark": Provider("postmark.PostmarkTrackingWebhookView", f"X-PM-Metadata-{METADATA}", _first),
    "resend": Provider("resend.ResendTrackingWebhookView", "X-Metadata"),
    "sendgrid": Provider(
        "sendgrid.SendGridTrackingWebhookView",
        "X-SMTPAPI",
        lambda values: json.dumps({"unique_args": dict(values)}),
    ),
    "sparkpost": Provider(
        "sparkpost.SparkPostTrackingWebhookView",
        "X-MSYS-API",
        lambda values: json.dumps({"metadata": dict(values)}),
    ),
}
NAMES = tuple(PROVIDERS)


def problems(name: str, secret: str, key: str) -> Iterator[str]:
    """What is missing or too much beside ANYMAIL_PROVIDER, each with what is accepted."""
    user, colon, password = secret.partition(":")
    if not (user and colon and len(password) >= 16):
        yield (
            "ANYMAIL_WEBHOOK_SECRET is (hidden): user:password with at least 16 characters after the colon is needed "
            "for ANYMAIL_PROVIDER"
        )
    if PROVIDERS[name].key and not key:
        yield f"ANYMAIL_SIGNING_KEY is not set: the key with which {name} signs its webhooks is needed"
    if key and not PROVIDERS[name].key:
        yield f"ANYMAIL_SIGNING_KEY is (hidden): no value is needed for {name}, which is known by the secret alone"


def anymail_settings(name: str, secret: str, key: str) -> dict[str, str]:
    """The setting ANYMAIL for these."""
    if not name:
        return {}
    keys = {PROVIDERS[name].key: key} if PROVIDERS[name].key else {}
    return {"WEBHOOK_SECRET": secret, **keys}


def with_token(message: Message, *, provider: str) -> Message:
    """The message with its token in the headers: ours, and the one that the provider knows; '' where there is none."""
    headers = {**message.headers, HEADER: message.tracking}
    if provider:
        known = PROVIDERS[provider]
        headers[known.header] = known.written({METADATA: message.tracking})
    return replace(message, headers=headers)
