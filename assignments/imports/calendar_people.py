"""Who does the work of an event: its attendees, else its organizer (docs/decisions/0030-calendars.md)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from assignments.imports.calendar_properties import ParsedProperty
from assignments.imports.fields import InvalidValue
from assignments.wording import quoted

NO_PERSON = {"GROUP", "RESOURCE", "ROOM"}
NOT_NEEDED = {"OPT-PARTICIPANT": "optional attendees", "NON-PARTICIPANT": "attendees for information only"}
DECLINED = "attendees who have declined"
DELEGATED = "attendees who have sent somebody else"
UNNAMED = "attendees without an address or a name"
MAILTO_AT_THE_END = re.compile(r"(?i):mailto:([^\s:;]+@[^\s:;]+)$")
"""Where a program writes parameters into the value, as Confluence does."""

MOST_PEOPLE = 100
Person = dict[str, str]


@dataclass(slots=True)
class People:
    """Whose work an event is, in the order of the calendar, and who is left out of it by the reason."""

    workers: list[Person] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def people(organizer: ParsedProperty | None, attendees: Sequence[ParsedProperty]) -> People:
    """Each attendee besides the organizer does the work, but rooms, and who is optional or has declined; without
    attendees the organizer does. Raises InvalidValue for too many."""
    found = People()
    asked = [one for one in attendees if one.param("CUTYPE").upper() not in NO_PERSON]
    others = [one for one in asked if organizer is None or not _same(one, organizer)]
    named: set[str] = set()
    for one in others or asked:
        if reason := _left_out(one):
            found.left_out.append((reason, one.param("CN") or _address(one) or one.value))
            continue
        person = _person(one)
        if not person:
            found.left_out.append((UNNAMED, quoted(one.value)))
        elif (key := person_key(person)) not in named:
            named.add(key)
            found.workers.append(person)
    if not others and not asked and organizer is not None:
        if person := _person(organizer):
            found.workers.append(person)
        else:
            found.left_out.append((UNNAMED, quoted(organizer.value)))
    if len(found.workers) > MOST_PEOPLE:
        message = f"{len(found.workers)} people are invited: {MOST_PEOPLE} are the most"
        raise InvalidValue("several", message)
    return found


def person_key(person: Person) -> str:
    """What tells one attendee of an event from another: the address, else the name."""
    return (person.get("email") or person.get("name") or "").casefold()


def _same(one: ParsedProperty, other: ParsedProperty) -> bool:
    return one.value.strip().lower() == other.value.strip().lower()


def _left_out(one: ParsedProperty) -> str | None:
    if reason := {"DECLINED": DECLINED, "DELEGATED": DELEGATED}.get(one.param("PARTSTAT").upper()):
        return reason
    return NOT_NEEDED.get(one.param("ROLE").upper())


def _person(who: ParsedProperty) -> Person:
    """Name and address, as far as they are stated."""
    name, email = who.param("CN").strip(), _address(who)
    return {field: value for field, value in (("name", name), ("email", email)) if value}


def _address(who: ParsedProperty) -> str:
    """The e-mail address of an attendee: of mailto:, of the parameter EMAIL (RFC 7986), or without a scheme."""
    scheme, colon, rest = who.value.strip().partition(":")
    if scheme.lower() == "mailto":
        return unquote(rest).strip()
    if email := who.param("EMAIL").strip():
        return email[7:] if email[:7].lower() == "mailto:" else email
    if misplaced := MAILTO_AT_THE_END.search(who.value):
        return unquote(misplaced[1])
    return scheme if not colon and "@" in scheme else ""
