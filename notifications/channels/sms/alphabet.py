"""How the text of an SMS is encoded, and into how many segments it falls.

The alphabet is the GSM 7 bit default alphabet with its extension table (3GPP TS 23.038, sections 6.2.1 and 6.2.1.1); a
text with any other character is sent as UCS-2, in practice UTF-16. A message of several segments spends 6 octets
of each on a header (3GPP TS 23.040 section 9.2.3.24.1), so they hold less.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("^{}\\[~]|€\f")
"""Each of these takes two septets: an escape before it."""
_GSM_7 = _BASIC | _EXTENSION

# What office programs write instead of the characters of a keyboard. One of them would make UCS-2 of the whole text.
_PLAIN_PUNCTUATION = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " "),
        "\u2026": "...",
        "\u2022": "*",
        "\u00ad": "",
        "\u200b": "",
    }
)


class Encoding(Enum):
    """How a text is sent. The value is its name as gateways write it."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"

    @property
    def alone(self) -> int:
        """Units, septets or code units of 16 bits, of a message of one segment."""
        return 160 if self is Encoding.GSM_7 else 70

    @property
    def joined(self) -> int:
        """Units of each segment of a longer message."""
        return 153 if self is Encoding.GSM_7 else 67


@dataclass(frozen=True, slots=True)
class Size:
    """What a text takes as an SMS."""

    encoding: Encoding
    units: int
    segments: int


def size(text: str) -> Size:
    """The encoding of this text, and how many segments it takes; an empty text takes one."""
    encoding = Encoding.GSM_7 if is_gsm_7(text) else Encoding.UCS_2
    costs = list(_costs(text, encoding))
    units = sum(costs)
    if units <= encoding.alone:
        return Size(encoding, units, 1)
    segments, filled = 1, 0
    for cost in costs:
        if filled + cost > encoding.joined:  # neither an escape nor half of a surrogate pair ends a segment
            segments, filled = segments + 1, 0
        filled += cost
    return Size(encoding, units, segments)


def is_gsm_7(text: str) -> bool:
    """Whether every character is in the GSM 7 bit default alphabet or its extension table."""
    return _GSM_7.issuperset(text)


def plain(text: str) -> str:
    """The text with the quotation marks, dashes and blanks of a keyboard, where that makes GSM-7 of it; else unchanged."""
    if is_gsm_7(text):
        return text
    written = text.translate(_PLAIN_PUNCTUATION)
    return written if is_gsm_7(written) else text


def unaccented(text: str) -> str:
    """The text without the accents that the GSM 7 bit alphabet lacks: 'sab' for 'sáb', but 'mié' as it is. For words of our
    own that stay clear without them, such as abbreviated days and months.
    """
    if is_gsm_7(text):
        return text
    return "".join(
        character if character in _GSM_7 else unicodedata.normalize("NFD", character)[0] for character in text
    )


def ellipsis(encoding: Encoding) -> str:
    """What ends a shortened text: the one character is not in the GSM 7 bit alphabet."""
    return "..." if encoding is Encoding.GSM_7 else "\u2026"


def _costs(text: str, encoding: Encoding) -> Iterator[int]:
    """The units of each character."""
    if encoding is Encoding.GSM_7:
        return (2 if character in _EXTENSION else 1 for character in text)
    return (2 if ord(character) > 0xFFFF else 1 for character in text)
