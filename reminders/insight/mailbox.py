"""Reads the mails that the mail server of `manage.py up` has stored as files, for people who try the system out.

A file may hold anything: whoever can reach that server writes it. What is broken is shown as far as it can be read, and
nothing is read without a bound.
"""

import heapq
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import EmailPolicy
from pathlib import Path

MOST_LISTED = 100
MOST_OF_HEAD = 16_384
"""Bytes of a file in which its headers are looked for, for the list."""
MOST_OF_MAIL = 500_000
"""Bytes that are read of one mail."""
MOST_DELIMITERS = 200
"""Lines that may begin a part; what has more of them is not taken apart."""
LONGEST_HEADER = 1_000
"""Characters of a header that are parsed, for which the standard library needs time by the square of them."""


class _Bounded(EmailPolicy):
    """The default policy, for headers of any length."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:LONGEST_HEADER]


_POLICY = _Bounded()
_NAME = re.compile(r"([0-9]{8}T[0-9]{6}\.[0-9]{6}Z)-[0-9]{1,9}")
_CONTROLS = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {0x09, 0x0A}, "\ufffd")


@dataclass(frozen=True, slots=True)
class Heading:
    """A stored mail in the list. What its file does not say is ''."""

    name: str
    at: datetime
    to: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """One stored mail. `text` is the whole source where it cannot be taken apart; `cut` says that the file goes on."""

    heading: Heading
    sender: str
    text: str
    html: str
    cut: bool = False
    broken: bool = False


def newest(folder: Path, *, after: str = "") -> tuple[list[Heading], int]:
    """The newest MOST_LISTED mails, the newest first, and how many there are. With `after`, the name of a mail, those that
    came later.
    """
    names = [name for name in _names(folder) if name > after]
    return [_heading(folder, name) for name in heapq.nlargest(MOST_LISTED, names)], len(names)


def read(folder: Path, name: str) -> Mail | None:
    """The mail of this name; None where there is none."""
    if _arrival(name) is None:
        return None
    content = _content(folder, name, most=MOST_OF_MAIL + 1)
    if content is None:
        return None
    cut = len(content) > MOST_OF_MAIL
    content = content[:MOST_OF_MAIL]
    heading = _heading(folder, name)
    try:
        if content.count(b"\n--") > MOST_DELIMITERS:
            raise ValueError("too many parts")
        message = message_from_bytes(content, policy=_POLICY)
        assert isinstance(message, EmailMessage)
        sender, text, html = _header(message, "from"), _part(message, "plain"), _part(message, "html")
    except Exception:  # the parser has no class of its own for what it cannot take apart
        source = _cleaned(content.decode("utf-8", "replace"))
        return Mail(heading=heading, sender="", text=source, html="", cut=cut, broken=True)
    return Mail(heading=heading, sender=sender, text=text, html=html, cut=cut)


def _names(folder: Path) -> Iterator[str]:
    try:
        for path in folder.iterdir():
            if path.suffix == ".eml" and _arrival(path.stem) is not None:
                yield path.stem
    except OSError:  # nothing has arrived yet
        return


def _arrival(name: str) -> datetime | None:
    """When the mail of this name was stored; None for what is no name of a mail."""
    found = _NAME.fullmatch(name)
    try:
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC) if found else None
    except ValueError:  # a 13th month
        return None


def _heading(folder: Path, name: str) -> Heading:
    at = _arrival(name)
    assert at is not None  # callers pass names of mails
    head = _content(folder, name, most=MOST_OF_HEAD)
    if head is None:
        return Heading(name, at)
    try:
        message = BytesHeaderParser(policy=_POLICY).parsebytes(head)
        assert isinstance(message, EmailMessage)
        to = _header(message, "to") or _header(message, "delivered-to")
        return Heading(name, at, to=to, subject=_header(message, "subject"))
    except Exception:  # as in `read`
        return Heading(name, at)


def _content(folder: Path, name: str, *, most: int) -> bytes | None:
    """The first bytes of a file; None where it is away by now, or no file."""
    path = folder / f"{name}.eml"
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return None


def _header(message: EmailMessage, name: str) -> str:
    return " ".join(_cleaned(str(message.get(name, ""))).split())


def _part(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    return _cleaned(str(part.get_content())) if part is not None else ""


def _cleaned(text: str) -> str:
    """The text as a page may show it: no half of a character, no control code but tabulators and line ends."""
    return text.encode("utf-8", "replace").decode().replace("\r\n", "\n").translate(_CONTROLS)
