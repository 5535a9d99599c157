"""What the message says by which a person shows that an address is theirs."""

import uuid
from email.utils import parseaddr

from django.conf import settings
from django.template.loader import select_template

from assignments.direction import without_controls
from notifications.message import Contact, Message
from reminders.content.compose import language_fallbacks, text_language

FILES = "reminders/mail/{language}/verification.{form}"


def compose(contact: Contact, address: str, *, url: str = "", code: str = "", hours: int) -> Message:
    """The message with a link, or with a code, that is good for so many hours. It says nothing about any work."""
    values = {"name": without_controls(contact.name), "url": url, "code": code, "hours": hours}
    subject, text = _filled("txt", contact.language, values).split("\n", 1)
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return Message(
        message_id=f"{uuid.uuid4()}@{domain}",
        address=address,
        name=without_controls(contact.name),
        subject=subject,
        text=text,
        html="" if code else _filled("html", contact.language, values),
        language=text_language("verification", contact.language),
    )


def _filled(form: str, language: str, values: dict[str, object]) -> str:
    names = [FILES.format(language=one, form=form) for one in language_fallbacks(language)]
    return str(select_template(names).render(values))
