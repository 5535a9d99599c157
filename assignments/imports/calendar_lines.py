"""The lines of a calendar file: unfolded, numbered and bounded (RFC 5545, section 3.1).

Lines are unfolded as bytes, because a fold may part a character.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from assignments.imports.rows import LONGEST_ROW


class Line(NamedTuple):
    """One unfolded line."""

    number: int
    content: bytes
    complete: bool

    @property
    def name(self) -> str:
        """The name of the property, in capital letters."""
        return self.content[:40].replace(b":", b";").split(b";")[0].strip().upper().decode("ascii", "replace")

    @property
    def marker(self) -> str:
        """BEGIN: or END: with the name of a component, in capital letters; '' for any other line."""
        if self.content[:1] not in b"BbEe":
            return ""
        marker = self.content[:60].strip().upper().replace(b" ", b"").decode("ascii", "replace")
        return marker if marker.startswith(("BEGIN:", "END:")) else ""


def unfolded(file: BinaryIO) -> Iterator[Line]:
    """The lines of the file (RFC 5545, section 3.1). What is longer than a row may be is cut."""
    number, started, whole, joined = 0, 1, True, bytearray()
    inside = False
    while piece := file.readline(LONGEST_ROW):
        if not inside:
            number += 1
            content = piece.rstrip(b"\r\n")
            if _goes_on(joined):
                joined.pop()
            elif piece[:1] in (b" ", b"\t"):
                content = content[1:]
            else:
                if joined:
                    yield Line(started, bytes(joined), whole)
                started, whole, joined = number, True, bytearray()
        else:
            content = piece.rstrip(b"\r\n")
        inside = not piece.endswith(b"\n")
        if len(joined) + len(content) > LONGEST_ROW:
            whole = False
        else:
            joined += content
    if joined:
        yield Line(started, bytes(joined), whole)


def _goes_on(joined: bytearray) -> bool:
    """Whether this line is in quoted-printable and ends in the middle of its value, as vCalendar 1.0 parts lines."""
    return joined.endswith(b"=") and b"QUOTED-PRINTABLE" in joined[:200].partition(b":")[0].upper()


def skip_mark(file: BinaryIO) -> None:
    """Goes to the start of the text, behind a byte order mark."""
    file.seek(0)
    file.seek(3 if file.read(3) == b"\xef\xbb\xbf" else 0)
