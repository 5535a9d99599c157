"""Reads a mail of any content within bounds of memory and time."""

import email
import re
from email.message import Message

MOST_OCTETS = 256 * 1024
"""Of a mail that are considered at all. What a report says of the message stands before the returned message, whose
headers come first."""

MOST_LINES = 10_000
LONGEST_LINE = 998
"""RFC 5322 section 2.1.1; what is longer is cut."""

MOST_PARTS = 40
"""Parts that hold parts. The parser looks at each line once for every part around it, and calls itself for each."""

_HOLDS_PARTS = re.compile(rb"multipart/|message/", re.IGNORECASE)
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:|From ")


def cut(content: bytes, *, octets: int = MOST_OCTETS, longest: int = LONGEST_LINE) -> bytes:
    """As much of it as is considered, with LF line ends."""
    lines = content[:octets].replace(b"\r\n", b"\n").split(b"\n", MOST_LINES)[:MOST_LINES]
    return b"\n".join(line[:longest] for line in lines)


def parsed(content: bytes) -> Message | None:
    """The mail in what `cut` has left of it; None where it is none, or has too many parts."""
    if not _HEADER.match(content) or len(_HOLDS_PARTS.findall(content)) > MOST_PARTS:
        return None
    try:
        return email.message_from_bytes(content)
    except Exception:  # The parser is meant never to raise; whatever it does then is about this mail alone.
        return None


def header(message: Message, name: str) -> str:
    """The first header of this name on one line; '' where there is none. Octets beyond ASCII are replaced."""
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # As above: the value may be anything.
        return ""
