"""What the message says by which a person shows that an address is theirs."""

import uuid
from email.utils import parseaddr

from django.conf import settings
from django.template.loader import get_template
from django.utils import translation

from assignments.direction import isolated, without_controls
from notifications.message import Contact, Message
from reminders.content.languages import text_language


def compose(contact: Contact, address: str, *, url: str = "", code: str = "", hours: int) -> Message:
    """The message with a link, or with a code, that is good for so many hours. It says nothing about any work."""
    values = {"name": isolated(contact.name), "url": url, "code": code, "hours": hours}
    language = text_language(contact.language)
    subject, text = _filled("txt", language, values).split("\n", 1)
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return Message(
        message_id=f"{uuid.uuid4()}@{domain}",
        address=address,
        name=without_controls(contact.name),
        subject=subject,
        text=text,
        html="" if code else _filled("html", language, values),
        language=language,
    )


def _filled(form: str, language: str, values: dict[str, object]) -> str:
    with translation.override(language):
        return str(get_template(f"reminders/mail/verification.{form}").render(values))
