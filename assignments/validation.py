"""What values an assignment, an assignee and a team may have, and the form in which they are stored.

Nothing here asks the database. A value that is stored already is not checked again: a time zone may have left the
zone database since, and that is no reason to refuse another change.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.module_loading import import_string
from django.utils.translation import gettext

from assignments import instants
from assignments.direction import without_controls
from assignments.leads import split_leads
from assignments.models import Assignee, Assignment, Team
from assignments.references import normalized, person_key, person_reference, validate_addressable
from assignments.wording import quoted

NORMALIZED_TEXTS = {"reference", "name"}
SHOWN_TEXTS = {"title", "kind", "location", "notes", "name", "answer_note", "organisation"}
TEXTS = (
    *("reference", "title", "kind", "location", "notes", "name", "email", "phone", "time_zone", "language"),
    *("organisation", "reply_to"),
)


def stored_form(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are stored: instants to the second, references and names in one spelling, and no text that turns
    around what is written after it.

    Several lead times are stored as the shortest and the further ones. Raises ValidationError for an instant without an
    offset, and for lead times that are not accepted together.
    """
    stored = {name: _stored(name, value) for name, value in values.items()}
    if "lead_minutes" in stored and "further_lead_minutes" not in stored:
        stored["lead_minutes"], stored["further_lead_minutes"] = split_leads(stored["lead_minutes"])
    return stored


def stored_person(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a person as they are stored: as `stored_form`, and addresses and references in one spelling.

    What is no address stays as it is: `check_assignee` refuses it where it is new.
    """
    return {name: _stored_of_person(name, value) for name, value in stored_form(values).items()}


def _stored_of_person(name: str, value: Any) -> Any:
    value = _stored(name, value)
    known = PERSON_SPELLINGS.get(name)
    return known(value) if known is not None and isinstance(value, str) and value else value


def _compared_of_person(name: str, value: Any) -> Any:
    return person_key(value) if name == "reference" and value else _stored_of_person(name, value)


def contact_form(channel: str) -> Callable[[str], str]:
    """The function that gives an address of the channel as it is stored, or raises ValidationError (CONTACT_ADDRESSES)."""
    form: Callable[[str], str] = import_string(settings.CONTACT_ADDRESSES[channel])
    return form


def _spelled(text: str, *, channel: str) -> str:
    try:
        return contact_form(channel)(text)
    except ValidationError:
        return text


PERSON_SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "reference": person_reference,
    "email": partial(_spelled, channel="email"),
    "phone": partial(_spelled, channel="sms"),
}
"""The fields of a person that may be given in several spellings."""


def _stored(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            message = gettext("%(isoformat)s has no offset: 2026-11-23T09:00:00+01:00 has one") % {
                "isoformat": value.isoformat()
            }
            raise ValidationError({name: ValidationError(message, code="naive")})
        return instants.to_second(value)
    if not isinstance(value, str):
        return value
    if name in SHOWN_TEXTS:
        value = without_controls(value)
    return normalized(value) if name in NORMALIZED_TEXTS else value


def stored_name(name: str) -> str:
    """A name as it is stored, and as names are compared."""
    return normalized(without_controls(name))


def differing(row: Model, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values (in stored form) that differ from what the row has, compared in stored form."""
    form = _compared_of_person if isinstance(row, Assignee) else _stored
    return {
        name: value for name, value in values.items() if form(name, getattr(row, name)) != form(name, value)
    }


def check_assignment(assignment: Assignment, names: Iterable[str]) -> None:
    """Raises ValidationError, by field, if one of the named fields has a value that is not accepted."""
    names = set(names)
    _check_fields(assignment, names)
    start, end = assignment.scheduled_start, assignment.scheduled_end
    if names & {"scheduled_start", "scheduled_end"} and end is not None and end < start:
        message = gettext("the end %(shown)s is before the start %(shown2)s") % {
            "shown": instants.shown(end),
            "shown2": instants.shown(start),
        }
        raise ValidationError({"scheduled_end": ValidationError(message, code="invalid")})
    if "reference" in names and assignment.reference is not None:
        try:
            validate_addressable(assignment.reference)
        except ValidationError as refusal:
            raise ValidationError({"reference": refusal}) from refusal


def check_assignee(assignee: Assignee, names: Iterable[str]) -> None:
    """Raises ValidationError, by field, if one of the named fields has a value that is not accepted."""
    names = set(names)
    _check_fields(assignee, names)
    _check_quiet_hours(assignee, names)
    if "phone" in names and assignee.phone:
        try:
            contact_form("sms")(assignee.phone)
        except ValidationError as refusal:
            message = f"{quoted(assignee.phone)}: {' '.join(refusal.messages)}"
            raise ValidationError({"phone": ValidationError(message, code="invalid")}) from refusal


def check_team(team: Team, names: Iterable[str]) -> None:
    """Raises ValidationError, by field, if one of the named fields has a value that is not accepted."""
    _check_fields(team, set(names))
    _check_quiet_hours(team, set(names))


def _check_quiet_hours(row: Assignee | Team, names: set[str]) -> None:
    begin, end = row.quiet_from, row.quiet_until
    if not names & {"quiet_from", "quiet_until"}:
        return
    if (begin is None) != (end is None):
        missing = "quiet_until" if end is None else "quiet_from"
        message = gettext("quiet hours need quiet_from and quiet_until, at two times, or neither")
        raise ValidationError({missing: ValidationError(message, code="required")})
    if begin is not None and begin == end:
        message = gettext("%(begin)s is quiet_from too: quiet hours end at another time than they begin") % {
            "begin": f"{begin:%H:%M}"
        }
        raise ValidationError({"quiet_until": ValidationError(message, code="invalid")})


def _check_fields(row: Model, names: set[str]) -> None:
    fields = {field.attname: field for field in row._meta.concrete_fields}
    for name in names.intersection(TEXTS):
        check_text(name, getattr(row, name) or "", longest=fields[name].max_length)
    # Whether assignee and team exist is for the foreign keys to say.
    checked = names - {"assignee_id", "team_id"}
    row.clean_fields(exclude=[field.name for attname, field in fields.items() if attname not in checked])


def check_text(name: str, text: str, *, longest: int | None) -> None:
    """Raises ValidationError, for the field of this name, if the text cannot be stored or is too long."""
    if "\x00" in text:
        message = gettext("%(text)s contains a NUL character, which cannot be stored") % {
            "text": quoted(text)
        }
        raise ValidationError({name: ValidationError(message, code="null_characters_not_allowed")})
    if longest is not None and len(text) > longest:
        raise ValidationError({name: too_long(text, longest)})


def too_long(text: str, longest: int) -> ValidationError:
    """The error for a text that is longer than its field."""
    return ValidationError(
        gettext("%(text)s has %(number)s characters: no more than %(longest)s are accepted")
        % {"text": quoted(text), "number": f"{len(text):,}", "longest": longest},
        code="max_length",
    )


def nested(refusal: ValidationError, path: str) -> ValidationError:
    """The same errors, with the path of the object whose fields they name."""
    return ValidationError({f"{path}.{name}": errors for name, errors in refusal.error_dict.items()})
