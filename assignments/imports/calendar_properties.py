"""The lines of a calendar: name, parameters and value (RFC 5545, section 3.1)."""

from dataclasses import dataclass
from quopri import decodestring

from icalendar.parser import Contentline

from assignments.imports.fields import InvalidValue
from assignments.imports.rows import UnreadableFile
from assignments.imports.text_files import python_charset
from assignments.wording import quoted


@dataclass(frozen=True, slots=True)
class Property:
    """A line of a calendar whose name is known already."""

    name: str
    line: str

    def parsed(self) -> "ParsedProperty":
        """Its parameters and its value. Raises InvalidValue."""
        try:
            _, params, value = Contentline(self.line).parts()  # type: ignore[no-untyped-call]
        except (ValueError, LookupError, AssertionError) as error:
            raise InvalidValue("invalid", f"{quoted(self.line)} is not a line of a calendar") from error
        joined = {
            str(name).upper(): ",".join(given) if isinstance(given, list) else str(given)
            for name, given in params.items()
        }
        return ParsedProperty(self.name, joined, _decoded(str(value), joined))


def _decoded(value: str, params: dict[str, str]) -> str:
    """A value that is written in quoted-printable, as vCalendar 1.0 has it. Raises InvalidValue."""
    if params.get("ENCODING", "").upper() != "QUOTED-PRINTABLE":
        return value
    try:
        return decodestring(value.encode()).decode(python_charset(params.get("CHARSET")))
    except (UnicodeDecodeError, UnreadableFile) as error:
        raise InvalidValue(
            "invalid", f"{quoted(value)} is not in the charset that is declared for it"
        ) from error


@dataclass(frozen=True, slots=True)
class ParsedProperty:
    """A property with its parameters; several values of a parameter are one text, joined by commas."""

    name: str
    params: dict[str, str]
    value: str

    def param(self, name: str) -> str:
        """The value of a parameter; '' where it is missing."""
        return self.params.get(name, "")
