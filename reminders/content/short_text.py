"""Messages for channels that take a short text: SMS and chat. What is too long for three segments is shortened.

The templates are `templates/reminders/sms/<kind>.txt`; every character of them costs, and one that is not in the GSM 7 bit
alphabet makes all of them cost more than twice as much. So their translations do without such characters.
"""

import unicodedata
from collections.abc import Callable, Mapping

from django.conf import settings

from notifications.channels.sms import gateway as gateways
from notifications.channels.sms.alphabet import Encoding, ellipsis, plain, size, unaccented

MOST_SEGMENTS = 3
SHORTENED = ("notes", "note", "was_place", "was_title", "entries", "location", "title")
"""What may be shortened, in this order; never an instant, a number or a link, and a name no further than to LONGEST_NAME."""
LONGEST_NAME = 40
DATES = ("start_short", "was_start_short", "first_start", "moved_from", "moved_to", "expected_short", "zone")
"""Days, months and zones: words of ours."""

Values = Mapping[str, str]


def text_of(render: Callable[[Values], str], values: Values) -> str:
    """The text that `render` makes of the values, in as few segments as it takes, MOST_SEGMENTS at most.

    It is longer only where what may not be shortened is.
    """
    values = {
        name: " ".join(value.split()) if name in SHORTENED else unaccented(value) if name in DATES else value
        for name, value in values.items()
    }
    text = _written(render, values)
    if size(text).segments > MOST_SEGMENTS and len(values.get("name", "")) > LONGEST_NAME:
        values = {**values, "name": _cut(values["name"], LONGEST_NAME, ellipsis(Encoding.GSM_7))}
        text = _written(render, values)
    for name in SHORTENED:
        if size(text).segments <= MOST_SEGMENTS:
            break
        if values.get(name):
            values, text = _shortened(render, values, name)
    return text


def takes_replies(channel: str) -> str:
    """'yes' where a message of this channel can be answered, else ''."""
    gateway = gateways.current() if channel == "sms" and settings.PUBLIC_URL else None
    return "yes" if gateway and gateway.takes_replies else ""


def _shortened(render: Callable[[Values], str], values: Values, name: str) -> tuple[Values, str]:
    """The values with as much of this one as there is room for; nothing of it where there is none."""
    whole = values[name]

    def attempt(length: int) -> tuple[Values, str]:
        encoding = size(plain(whole[:length])).encoding
        # The ellipsis of a keyboard, unless the text is UCS-2 in any case: then one character is less than three.
        for mark in (ellipsis(Encoding.GSM_7), ellipsis(encoding)):
            tried = {**values, name: _cut(whole, length, mark)}
            text = _written(render, tried)
            if size(text).segments <= MOST_SEGMENTS:
                break
        return tried, text

    low, high = 0, min(len(whole) - 1, MOST_SEGMENTS * Encoding.GSM_7.joined)
    while low < high:
        middle = (low + high + 1) // 2
        if size(attempt(middle)[1]).segments <= MOST_SEGMENTS:
            low = middle
        else:
            high = middle - 1
    return attempt(low)


def _cut(text: str, length: int, mark: str) -> str:
    """At most so many characters of the text and the mark; no letter loses the accent that follows it."""
    while 0 < length < len(text) and _continues(text[length]):
        length -= 1
    kept = text[:length].rstrip("\u200d \u2068")
    if not kept:
        return ""
    opened = "\u2069" if kept.count("\u2068") > kept.count("\u2069") else ""
    return kept + mark + opened


def _continues(character: str) -> bool:
    """Whether this belongs to the character before it: an accent, a variation, a joiner or a tone of skin."""
    return (
        unicodedata.combining(character) != 0
        or unicodedata.category(character) in ("Mn", "Me", "Mc")
        or character == "\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _written(render: Callable[[Values], str], values: Values) -> str:
    return plain(render(values).strip())
