"""Writes a `Message` as the bytes of an internet mail: headers, a text part, an HTML part and a calendar file.

Django and the standard library build a tree of objects for each message. The structure of ours never
changes, so it is a fixed template here, and only filled in.
"""

import os
import re
from binascii import b2a_base64, b2a_qp
from datetime import datetime
from email.base64mime import header_encode
from email.utils import format_datetime
from functools import lru_cache

from notifications.message import Calendar, Message

MAX_LINE = 998  # octets without CRLF; RFC 5321 section 4.5.3.1.6, RFC 5322 section 2.1.1
MAX_PLAIN_HEADER = 900  # characters of a header that need no folding; well below the longest line
CALENDAR_FILE = "appointment.ics"
BASE64_LINE = 76  # RFC 2045 section 6.8
# Octets of text in one encoded word: at most 76 characters with "Subject: " and with "To: " before it.
WORD_IN_SUBJECT = 39
WORD_IN_NAME = 45

OWN_HEADERS = frozenset(
    {"bcc", "cc", "date", "from", "message-id", "mime-version", "reply-to", "sender", "subject", "to"}
    | {"content-language", "content-transfer-encoding", "content-type"}
)

# Everything that a parser might take for the end of a line, and all other control characters.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")  # RFC 5322 section 3.2.3, with blanks between
_HEADER_NAME = re.compile(r"[!-9;-~]+")  # RFC 5322 section 3.6.8
_MESSAGE_ID = re.compile(r"[^\s<>@\x00-\x1f]+@[^\s<>@\x00-\x1f]+")
_ADDRESS = re.compile(r'(?:[^\s<>@,;:"\\\x00-\x1f]+|"[^\r\n]*")@[A-Za-z0-9.-]+')
_LANGUAGE = re.compile(r"[A-Za-z0-9]{1,8}(?:-[A-Za-z0-9]{1,8})*")  # RFC 5646 section 2.1
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\n"
_ASCII = bytes(range(0x80))


def serialized(message: Message, *, sender_header: str, at: datetime) -> bytes:
    """The mail as it is submitted: CRLF line ends, no line longer than 998 octets, not yet dot-stuffed.

    `sender_header` is what `from_header` makes, with `reply_to_header` behind it where answers go elsewhere, `at` the
    instant of the Date line (aware). A message without HTML has one text part, else multipart/alternative (RFC 2046
    section 5.1.4); a calendar file is attached to it, in multipart/mixed (section 5.1.3). All of it is ASCII, save for an
    address whose local part is not (RFC 6532).

    Line ends of `text` and `html` become CRLF (RFC 2046 section 4.1.1). Line ends and other control
    characters in the subject, the name and the headers become blanks: no value can add a header or end the
    header part.

    Raises ValueError where message id, address or the name of an extra header is malformed.
    """
    if not _MESSAGE_ID.fullmatch(message.message_id) or not message.message_id.isascii():
        raise ValueError("the message id is not of the form left@right")
    head = (
        f"{_date_line(at.replace(microsecond=0))}"
        f"{sender_header}"
        f"To: {_mailbox(message.name, message.address)}\r\n"
        f"Subject: {unstructured(message.subject)}\r\n"
        f"Message-ID: <{message.message_id}>\r\n"
        "MIME-Version: 1.0\r\n"
        f"{_extra_headers(message)}"
        f"{_language_line(message.language)}"
    )
    # Random, so that no text can contain the delimiter of its own part.
    boundary = os.urandom(15).hex()
    texts = _texts(message, boundary=boundary)
    if message.calendar is None:
        return head.encode() + texts
    outer = f"{boundary}-mixed"
    return b"".join(
        (
            head.encode(),
            f'Content-Type: multipart/mixed; boundary="{outer}"\r\n\r\n--{outer}\r\n'.encode(),
            texts,
            f"\r\n--{outer}\r\n".encode(),
            _calendar_part(message.calendar),
            f"\r\n--{outer}--\r\n".encode(),
        )
    )


def _texts(message: Message, *, boundary: str) -> bytes:
    """Text and HTML of the message, from the header of their part on."""
    if not message.html:
        return _part("plain", message.text)
    delimiter = f"\r\n--{boundary}".encode()
    return b"".join(
        (
            f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n'.encode(),
            delimiter,
            b"\r\n",
            _part("plain", message.text),
            delimiter,
            b"\r\n",
            _part("html", message.html),
            delimiter,
            b"--\r\n",
        )
    )


def from_header(name: str, address: str) -> str:
    """The whole From line of a sender, to be made once and passed to `serialized`."""
    return f"From: {_mailbox(name, address)}\r\n"


def reply_to_header(name: str, address: str) -> str:
    """The whole Reply-To line: where answers go (RFC 5322 section 3.6.2)."""
    return f"Reply-To: {_mailbox(name, address)}\r\n"


def one_line(text: str) -> str:
    """`text` with each run of line ends or other control characters replaced by one blank."""
    if text.isprintable():
        return text
    return _CONTROLS.sub(" ", text).encode("utf-8", "replace").decode("utf-8")


def display_name(text: str) -> str:
    """`text` on one line with single blanks between its words, as mail readers show a name."""
    return " ".join(one_line(text).split())


def unstructured(text: str) -> str:
    """A header's value: as it is where it is plain ASCII, else in encoded words (RFC 2047), folded."""
    text = one_line(text)
    # "=?" would be read as an encoded word; blanks at the ends would be lost.
    if text.isascii() and len(text) <= MAX_PLAIN_HEADER and "=?" not in text and text == text.strip():
        return text
    return _encoded_words(text)


def _mailbox(name: str, address: str) -> str:
    """`name <address>` (RFC 5322 section 3.4). Without a name the address stands alone."""
    if not _ADDRESS.fullmatch(address):
        raise ValueError("the recipient is not one address")
    name = display_name(name)
    if not name:
        return address
    if not name.isascii() or len(name) > MAX_PLAIN_HEADER // 2 or "=?" in name:
        return f"{_encoded_words(name, size=WORD_IN_NAME)}\r\n <{address}>"
    if _ATOMS.fullmatch(name):
        return f"{name} <{address}>"
    return f"{quoted(name)} <{address}>"


def quoted(name: str) -> str:
    """`name` as a quoted string (RFC 5322 section 3.2.4)."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _encoded_words(text: str, *, size: int = WORD_IN_SUBJECT) -> str:
    """RFC 2047 section 4.1, cut between characters (section 5) so that each line stays within 76."""
    octets = text.encode()
    words = []
    start = 0
    while start < len(octets):
        end = start + size
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        words.append(header_encode(octets[start:end], "utf-8"))
        start = end
    return "\r\n ".join(words)


def _extra_headers(message: Message) -> str:
    lines = "" if "Auto-Submitted" in message.headers else "Auto-Submitted: auto-generated\r\n"  # RFC 3834
    for name, value in message.headers.items():
        if not _may_be_added(name):
            raise ValueError(f"{name!r} cannot be an extra header")
        lines += f"{name}: {unstructured(value)}\r\n"
    return lines


@lru_cache(maxsize=64)
def _may_be_added(name: str) -> bool:
    return _HEADER_NAME.fullmatch(name) is not None and name.lower() not in OWN_HEADERS


@lru_cache(maxsize=8)
def _date_line(at: datetime) -> str:
    return f"Date: {format_datetime(at)}\r\n"


@lru_cache(maxsize=64)
def _language_line(language: str) -> str:
    """A person's language setting may be anything; what is no language tag is left out."""
    tag = language.replace("_", "-")
    return f"Content-Language: {tag}\r\n" if _LANGUAGE.fullmatch(tag) else ""


def _part(subtype: str, text: str) -> bytes:
    """The header and body of one text part. The body has no line end of its own at its end."""
    if "\r" in text:
        text = _LINE_ENDS.sub("\n", text)
    body = text.encode("utf-8", "replace")
    if body.isascii() and not body.translate(None, _PRINTABLE) and _longest_line(body) <= MAX_LINE:
        return _PART_HEADS[subtype, "7bit"] + body.replace(b"\n", b"\r\n")
    non_ascii = len(body.translate(None, _ASCII))
    if non_ascii * 6 <= len(body):
        # Shorter than base64 and readable, as long as few characters need their three octets for one.
        quoted = b2a_qp(body, istext=True)
        return _PART_HEADS[subtype, "quoted-printable"] + quoted.replace(b"\n", b"\r\n")
    return _PART_HEADS[subtype, "base64"] + _base64(body.replace(b"\n", b"\r\n"))


def _calendar_part(calendar: Calendar) -> bytes:
    """The file is attached: shown in place of the texts it would hide them (docs/calendars.md)."""
    head = (
        f'Content-Type: text/calendar; charset=utf-8; method={calendar.method.value}; name="{CALENDAR_FILE}"\r\n'
        f'Content-Disposition: attachment; filename="{CALENDAR_FILE}"\r\n'
    )
    if calendar.text.isascii():
        return f"{head}Content-Transfer-Encoding: 7bit\r\n\r\n{calendar.text}".encode()
    return f"{head}Content-Transfer-Encoding: base64\r\n\r\n".encode() + _base64(calendar.text.encode())


def _base64(body: bytes) -> bytes:
    packed = b2a_base64(body, newline=False)
    return b"\r\n".join([packed[start : start + BASE64_LINE] for start in range(0, len(packed), BASE64_LINE)])


def _longest_line(body: bytes) -> int:
    return len(body) if len(body) <= MAX_LINE else max(map(len, body.split(b"\n")))


_PART_HEADS = {
    (subtype, encoding): (
        f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode()
    for subtype in ("plain", "html")
    for encoding in ("7bit", "quoted-printable", "base64")
}
