"""The stored texts in force, as this process knows them: read anew when one was changed, and looked up without a query."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import Error as DatabaseError
from django.db import connection

from assignments.contact_point import ContactChannel
from notifications.channels import registry
from reminders.content.message_templates.custom_text import CustomText
from reminders.content.message_templates.variables import TextForm

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 2.0
"""How long a change may take until a process that sends follows it."""

REVISION = "SELECT count(*), coalesce(sum(revision), 0), coalesce(max(id), 0) FROM reminders_messagetemplate"
"""Each change of a template raises its revision under its lock, so that this differs after any of them."""

IN_FORCE = """
    SELECT v.id, t.kind, t.channel, t.language, t.team_id, v.subject, v.body
    FROM reminders_messagetemplate t JOIN reminders_templateversion v ON v.template_id = t.id AND v.number = t.active_number
"""

Key = tuple[str, str, str, int | None]
"""Kind, channel, language, and team (None: every team)."""


@dataclass(frozen=True, slots=True, eq=False)
class ActiveTemplates:
    """All texts in force at one revision."""

    revision: tuple[int, ...] = ()
    texts: Mapping[Key, CustomText] = field(default_factory=dict)


_active = ActiveTemplates()
_next_look = float("-inf")


def are_any() -> bool:
    """Whether any text is in force."""
    return bool(_active.texts)


def text_for(
    kind: str, channel: str, *, languages: tuple[str, ...], built_in: str, team_id: int | None
) -> CustomText | None:
    """The stored text for such a message; None where the built-in one is used.

    `languages` are those that the reader takes, the best first, `built_in` that of the built-in text: a stored text in a
    language that the reader takes less is not preferred to it. A text of the team is preferred to one of every team.
    """
    texts = _active.texts
    if not registry.takes_short_text(channel):
        channel = (
            ContactChannel.EMAIL
        )  # Channels that stand in for it, as on a development machine, have its texts.
    for language in languages:
        for team in (team_id, None) if team_id is not None else (None,):
            if (found := texts.get((kind, channel, language, team))) is not None:
                return found
        if language == built_in:
            return None
    return None


def refresh() -> None:
    """Looks every REFRESH_SECONDS whether a text was changed, and reads them anew then.

    While the database does not say, the texts that are known stay in force.
    """
    global _next_look
    now = time.monotonic()
    if now < _next_look:
        return
    _next_look = now + REFRESH_SECONDS
    try:
        _read()
    except DatabaseError as error:
        logger.warning("Message templates not read", extra={"reason": type(error).__name__})


def expire() -> None:
    """The next `refresh` asks the database: somebody in this process has changed a text."""
    global _next_look
    _next_look = float("-inf")


def _read() -> None:
    global _active
    known = _active
    with connection.cursor() as cursor:
        cursor.execute(REVISION)
        revision = tuple(map(int, cursor.fetchone()))
        if revision == known.revision:
            return
        cursor.execute(IN_FORCE)
        rows = cursor.fetchall()
    by_version = {text.version_id: text for text in known.texts.values()}
    texts: dict[Key, CustomText] = {}
    for version_id, kind, channel, language, team_id, subject, body in rows:
        form = form_of(channel)
        text = by_version.get(version_id)
        # The words of a version change where a person is erased.
        if text is None or (text.subject, text.body) != (subject, body):
            text = CustomText(
                version_id=version_id, kind=kind, form=form, language=language, subject=subject, body=body
            )
        texts[kind, channel, language, team_id] = text
    _active = ActiveTemplates(revision, texts)


def form_of(channel: str) -> TextForm:
    """How much room a channel has."""
    return TextForm.SHORT if registry.takes_short_text(channel) else TextForm.MAIL
