"""The mails that the mail server of `manage.py up` has stored: those to an erased person, or about them, go."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings

from reminders.policy.erased_words import Eraser, PersonWords

LARGEST = 5_000_000


def remove(words: PersonWords) -> int:
    """Removes them; returns how many. Without that mail server there are none."""
    if not settings.MAIL_SINK_DIR:
        return 0
    eraser, removed = Eraser(words), 0
    for path in sorted(Path(settings.MAIL_SINK_DIR).glob("*.eml")):
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST)
            if eraser.names(_text(content)):
                path.unlink()
                removed += 1
        except OSError:  # it is away by now
            continue
    return removed


def _text(content: bytes) -> str:
    """What the mail says, its headers and its parts, and its source."""
    said = [content.decode("utf-8", "replace")]
    try:
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        said += [str(value) for value in message.values()]
        said += [str(part.get_content()) for part in message.walk() if part.get_content_maintype() == "text"]
    except Exception:  # the parser has no class of its own for what it cannot take apart
        return "\n".join(said)
    return "\n".join(said)
