"""One shape for every error: {"type", "title", "errors": [{"field", "code", "message"}]}."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as ModelError
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.fields import Field
from rest_framework.response import Response
from rest_framework.views import set_rollback

from assignments.imports.mappings import UnknownMapping
from assignments.imports.results import RowsRefused
from assignments.imports.rows import UnreadableFile
from assignments.services import Refused, Stale, UnknownAssignment
from assignments.teams import TeamInUse, UnknownTeam
from assignments.transactions import sqlstate
from reminders.delivery.scan import Disabled
from reminders.operations.calendars import UnknownCalendar
from reminders.operations.message_templates import UnknownTemplate
from reminders.operations.reminder_rules import UnknownRule
from reminders.operations.subscriptions import UnknownSubscription

logger = logging.getLogger(__name__)

TITLES = {
    400: ("invalid", "The request is not accepted as it is."),
    401: ("not_authenticated", "A token or a staff session is needed."),
    403: ("forbidden", "The caller may not do this."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not know this method."),
    406: ("not_acceptable", "The answer is JSON."),
    409: ("conflict", "This contradicts the present state."),
    412: ("stale", "The state has changed since it was read."),
    413: ("too_large", "The request is too large."),
    415: (
        "unsupported_media_type",
        "Send JSON, with Content-Type: application/json; an import takes text/csv and text/calendar too.",
    ),
    422: ("key_reused", "This Idempotency-Key has named another request."),
    429: ("throttled", "Too many requests: wait a little."),
    500: ("internal", "Something went wrong here. It is in our log."),
    503: ("unavailable", "The database cannot do this at present. Try again in a moment."),
}
RETRY_AFTER_SECONDS = 5
LONGEST_MESSAGE = 500
MAX_ROW_ERRORS = 1_000
"""Errors of an import that are listed: nobody corrects more of them by hand."""

UNIQUE_VIOLATION = "23505"
FOREIGN_KEY_VIOLATION = "23503"
UNAVAILABLE = ("", "08", "25", "40", "53", "55", "57", "58")
"""SQLSTATE classes about the server, not the statement (PostgreSQL manual, appendix A)."""
NOT_A_VALUE = "22"


class TooLarge(exceptions.APIException):
    """The body is larger than this server reads."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class UnsupportedEncoding(exceptions.APIException):
    """The body has a Content-Encoding that is not read."""

    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported_encoding"
    default_detail = "Content-Encoding gzip, or none, is accepted"


class BadEncoding(exceptions.APIException):
    """The body is not valid for its Content-Encoding, or is incomplete."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "bad_encoding"
    default_detail = "the body is not complete gzip, which its Content-Encoding announces"


class ImportRunning(exceptions.APIException):
    """Another import occupies the memory of this process."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "import_running"
    default_detail = "another import is running: try again in a moment"
    wait = RETRY_AFTER_SECONDS


class KeyInUse(exceptions.APIException):
    """The same call is being carried out at this moment."""

    status_code = HTTPStatus.CONFLICT
    default_code = "in_progress"
    default_detail = "a call with this Idempotency-Key is being carried out: ask again in a moment"


class KeyReused(exceptions.APIException):
    """The key has named another request within the last day."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "key_reused"
    default_detail = "this Idempotency-Key has named another request: take a new key for a new request"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and with which field; `field` is None where no single field is.

    `row` is the number of the row in an import, `column` the name of its column under a mapping. `line` and `character`
    are a place in the text of a message template, from 1.
    """

    field: str | None
    code: str
    message: str
    row: int | None = None
    column: str | None = None
    line: int | None = None
    character: int | None = None

    def shown(self) -> dict[str, Any]:
        places = {"row": self.row, "column": self.column, "line": self.line, "character": self.character}
        known = {name: place for name, place in places.items() if place is not None}
        return {**known, "field": self.field, "code": self.code, "message": self.message}


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Translates what was raised. None for what nobody expected: Django logs it and answers 500."""
    status, faults, headers = _translate(error)
    if status is None:
        return None
    set_rollback()
    body = error_body(status, faults)
    if isinstance(error, Stale) and (current := getattr(context.get("view"), "current", None)):
        state, etag = current()
        body["current"] = state
        if etag:
            headers["ETag"] = etag
    return Response(body, status=status, headers=headers)


def error_body(status: int, faults: Sequence[Fault] = ()) -> dict[str, Any]:
    """The body of an error."""
    kind, title = TITLES.get(status, TITLES[400])
    return {"type": kind, "title": title, "errors": [fault.shown() for fault in faults]}


def _translate(error: Exception) -> tuple[int | None, list[Fault], dict[str, str]]:
    match error:
        case exceptions.APIException():
            return _from_framework(error)
        case Http404():
            return 404, [Fault(None, "not_found", "there is nothing at this address")], {}
        case PermissionDenied():
            return 403, [Fault(None, "forbidden", "the caller may not do this")], {}
        case ModelError():
            return 400, list(_from_model(error)), {}
        case RowsRefused():
            return 400, list(_rows(error)), {}
        case UnreadableFile():
            return 400, [Fault(None, "unreadable", _plain(str(error)))], {}
        case UnknownTeam():
            return 404, [Fault(None, "not_found", _plain(str(error)))], {}
        case TeamInUse():
            return 409, [Fault(None, "in_use", _plain(str(error)))], {}
        case (
            UnknownAssignment()
            | UnknownCalendar()
            | UnknownSubscription()
            | UnknownRule()
            | UnknownMapping()
            | UnknownTemplate()
        ):
            return 404, [_fault(error)], {}
        case Stale():
            return 412, [_fault(error)], {}
        case Refused():
            return 409, [_fault(error)], {}
        case Disabled():
            return 409, [Fault(None, "disabled", _plain(str(error)))], {}
        case RequestDataTooBig():
            return 413, [Fault(None, "too_large", "the body is larger than this server reads")], {}
        case RecursionError():
            return 400, [Fault(None, "parse_error", "the JSON is nested too deeply")], {}
        case DatabaseError() | InterfaceError():
            return _from_database(error)
    return None, [], {}


def _rows(error: RowsRefused) -> Iterator[Fault]:
    for one in error.errors[:MAX_ROW_ERRORS]:
        column = one.column and _plain(one.column)
        yield Fault(one.field and _plain(one.field), one.code, _plain(one.message), one.row, column)
    if (more := len(error.errors) - MAX_ROW_ERRORS) > 0:
        rows = len({one.row for one in error.errors})
        yield Fault(None, "more", f"{more} more errors are not listed; {rows} rows are not accepted in all")


def _fault(refusal: Refused) -> Fault:
    return Fault(None, refusal.code, _plain(str(refusal)))


def _from_framework(error: exceptions.APIException) -> tuple[int, list[Fault], dict[str, str]]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    return error.status_code, list(_flat(error.detail)), headers


def _flat(detail: Any, path: str = "") -> Iterator[Fault]:
    """The faults of a nested detail, each with the path of its field: assignee.email, ids.3."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else _plain(str(name))
            yield from _flat(inner, ".".join(part for part in (path, own) if part))
    elif isinstance(detail, list):
        for place, inner in enumerate(detail):
            # A list of texts is about this field; a list of lists or mappings is about its elements.
            nested = isinstance(inner, (Mapping, list))
            if inner:
                yield from _flat(inner, f"{path}.{place}" if nested and path else path)
    else:
        missing = path and str(detail) == str(Field.default_error_messages["required"])
        message = f"{path} is missing: it has to be sent" if missing else _plain(str(detail))
        yield Fault(path or None, str(getattr(detail, "code", "invalid")), message)


def _from_model(error: ModelError) -> Iterator[Fault]:
    if not hasattr(error, "error_dict"):
        yield from (Fault(None, "invalid", _plain(message)) for message in error.messages)
        return
    for name, problems in error.error_dict.items():
        field = None if name == "__all__" else name.removesuffix("_id")
        for one in problems:
            place = one.params or {}
            yield Fault(
                field,
                one.code or "invalid",
                _plain(" ".join(one.messages)),
                line=place.get("line"),
                character=place.get("column"),
            )


def _from_database(error: Exception) -> tuple[int | None, list[Fault], dict[str, str]]:
    code = sqlstate(error)
    if code == UNIQUE_VIOLATION:
        constraint = str(getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or "")
        field = "reference" if "reference" in constraint else None
        return 409, [Fault(field, "duplicate", "this is taken already: no two may share it")], {}
    if code == FOREIGN_KEY_VIOLATION:
        return 409, [Fault(None, "conflict", "what this names was removed meanwhile, or is still in use")], {}
    if code[:2] == NOT_A_VALUE:
        return 400, [Fault(None, "invalid", "a value is not one that can be stored")], {}
    if code[:2] in UNAVAILABLE:
        logger.error("Database refused a request", extra={"reason": type(error).__name__, "code": code})
        message = "the database is read-only or does not answer at present: nothing was changed"
        return 503, [Fault(None, "unavailable", message)], {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return None, [], {}


def _plain(text: str) -> str:
    """The text as valid Unicode, and at most LONGEST_MESSAGE characters."""
    clean = text.encode("utf-8", "backslashreplace").decode()
    return clean if len(clean) <= LONGEST_MESSAGE else clean[:LONGEST_MESSAGE] + "..."


# --- outside the framework -------------------------------------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django itself refuses, such as a host that is not ours."""
    if not _expects_json(request):
        return defaults.bad_request(request, exception)
    return _json(413 if isinstance(exception, RequestDataTooBig) else 400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address that no view has."""
    return _json(404) if _expects_json(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Something went wrong; Django has logged it."""
    return _json(500) if _expects_json(request) else defaults.server_error(request)


def _json(status: int) -> JsonResponse:
    kind, title = TITLES[status]
    return JsonResponse(error_body(status, [Fault(None, kind, title)]), status=status)


def _expects_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
