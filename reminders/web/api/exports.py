"""Everything at once, for spreadsheets and other programs: assignments, and the log of what was delivered."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from assignments import imports, instants
from assignments.models import Answer, Assignment
from assignments.services import ANSWER_FIELDS
from reminders.ledger import archive
from reminders.web.api.assignments import matching
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.serializers import assignments, queries

CHUNK = 2_000
"""Rows that are in memory at once: they come over a cursor of the server's."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
LOG = (
    "id",
    "assignment_id",
    "version",
    "kind",
    "recipient",
    "channel",
    "state",
    "reason",
    "due_at",
    "not_after",
    "planned_at",
    "sent_at",
    "closed_at",
    "attempts",
    "message_id",
)
FILES: Mapping[Any, Any] = {
    (200, "text/csv"): OpenApiTypes.STR,
    (200, "application/json"): assignments.RowListSerializer,
}


class AssignmentExportView(Endpoint):
    """Assignments as an import takes them."""

    @extend_schema(
        operation_id="assignments_export",
        parameters=[queries.AssignmentExportQuery],
        responses=responses(FILES),
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """All assignments that match, as CSV or JSON, without pages.

        The CSV file has the columns that an import takes, and the assignees' answers, which it leaves alone. A text
        that a spreadsheet would take for a formula begins with an apostrophe there; an import takes it off again.
        """
        asked = self.address(queries.AssignmentExportQuery)
        found = matching(asked).order_by("id").iterator(CHUNK)
        return _file(asked["format"], "assignments", imports.EXPORTED, map(_importable, found))


class ReminderExportView(Endpoint):
    """The delivery log."""

    @extend_schema(
        operation_id="reminders_export", parameters=[queries.ReminderExportQuery], responses=responses(FILES)
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Every row of the ledger that was due in the window, and what came of it, as CSV or JSON; no addresses.

        What has moved to the archive is there too.
        """
        asked = self.address(queries.ReminderExportQuery)
        return _file(asked["format"], "reminders", LOG, archive.live_and_archived(LOG, asked, chunk=CHUNK))


def _importable(assignment: Assignment) -> dict[str, Any]:
    person = assignment.assignee
    own = {name: getattr(assignment, name) for name in (*imports.VALUES, *imports.STATES)}
    own |= {name: getattr(assignment, name) for name in ANSWER_FIELDS}
    own["answer"] = Answer(assignment.answer).name
    return own | {f"assignee_{name}": person and getattr(person, name) for name in imports.PERSON}


def _file(
    kind: str, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> StreamingHttpResponse:
    lines: Callable[[Sequence[str], Iterable[Mapping[str, Any]]], Iterator[str]]
    lines, media_type = (_csv, "text/csv; charset=utf-8") if kind == "csv" else (_json, "application/json")
    return StreamingHttpResponse(
        lines(columns, rows),
        content_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{kind}"'},
    )


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in columns])
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()


def _cell(value: Any) -> Any:
    value = _plain(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _json(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    before = "["
    for row in rows:
        yield before + json.dumps({name: _plain(row[name]) for name in columns})
        before = ",\n"
    yield "[]" if before == "[" else "]"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return instants.shown(value)
    return value if value is None or isinstance(value, int) else str(value)
