"""Everything at once, for spreadsheets and other programs: assignments, and the log of what was delivered."""

import csv
import io
import json
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.db import Error
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from assignments import instants
from assignments.imports.csv_rows import ASSIGNEE_PREFIX, EXPORTED_COLUMNS
from assignments.imports.fields import ASSIGNEE, ROW
from assignments.imports.formulas import guarded
from assignments.leads import joined_leads
from assignments.models import ACT_FIELDS, Answer, Assignment
from reminders.ledger import archive
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.filter_backend import StrictFilterBackend
from reminders.web.api.serializers import assignments, queries
from reminders.web.filters import AssignmentFilterSet
from reminders.web.team_limits import TeamAccess

logger = logging.getLogger(__name__)

CHUNK = 2_000
"""Rows that are in memory at once: they come over a cursor of the server's."""

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
    "digest_id",
    "assignment_reference",
    "recipient_reference",
    "contact_point",
)
FILES: Mapping[Any, Any] = {
    (200, "text/csv"): OpenApiTypes.STR,
    (200, "application/json"): assignments.RowListSerializer,
}


class AssignmentExportView(Endpoint, GenericAPIView[Assignment]):
    """Assignments as an import takes them."""

    team_limit = TeamAccess.NARROWS
    queryset = Assignment.objects.all()
    filter_backends = [StrictFilterBackend]
    filterset_class = AssignmentFilterSet
    query_class = queries.FormatQuery
    pagination_class = None

    @extend_schema(
        operation_id="assignments_export",
        filters=True,
        parameters=[queries.FormatQuery],
        responses=responses(FILES),
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Exports all assignments that match, as CSV or JSON, without pages.

        Both have what an import takes, and the assignees' answers, which it leaves alone. People are named by reference,
        name and address, not by id. In CSV an apostrophe is put before what a spreadsheet would take for a formula;
        an import takes it off again.
        """
        rows = Assignment.objects.visible_to(self.team_scope).select_related("assignee__team", "team")
        found = _opened(self.filter_queryset(rows.order_by("id")).iterator(CHUNK))
        if _format(request) == "json":
            columns: tuple[str, ...] = (*ROW, "assignee", *ACT_FIELDS)
            return _file("json", "assignments", columns, found, as_values=_nested)
        return _file("csv", "assignments", EXPORTED_COLUMNS, found, as_values=_flat)


class ReminderExportView(Endpoint):
    """The delivery log."""

    team_limit = TeamAccess.NARROWS

    @extend_schema(
        operation_id="reminders_export", parameters=[queries.ReminderExportQuery], responses=responses(FILES)
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Exports the rows of the ledger that were due in a window, and what came of each.

        As CSV or JSON, without addresses. Work and people are named by their references too, which other systems know.
        What has moved to the archive is there too.
        """
        asked = self.address(queries.ReminderExportQuery)
        rows = archive.live_and_archived(LOG, asked, chunk=CHUNK, scope=self.team_scope)
        return _file(_format(request), "reminders", LOG, _opened(rows))


def _format(request: Request) -> str:
    """csv or json: as `format` says, else as the Accept header prefers, else csv."""
    asked = queries.FormatQuery.checked(request.query_params).get("format")
    if asked:
        return str(asked)
    preferred = request.get_preferred_type(["text/csv", "application/json"])
    return "json" if preferred == "application/json" else "csv"


def _nested(assignment: Assignment) -> dict[str, Any]:
    """An assignment as an import of JSON takes it. Ids are left out: they would be those of others elsewhere."""
    person = assignment.assignee
    values = {name: getattr(assignment, name) for name in (*ROW, *ACT_FIELDS) if name != "team"}
    values["lead_minutes"] = joined_leads(assignment.lead_minutes, assignment.further_lead_minutes)
    values["answer"] = Answer(assignment.answer).name
    values["team"] = assignment.team and assignment.team.name
    named = [name for name in ASSIGNEE if name not in ("id", "team")]
    return values | {
        "assignee": person
        and {**{name: getattr(person, name) for name in named}, "team": person.team and person.team.name}
    }


def _flat(assignment: Assignment) -> dict[str, Any]:
    """An assignment by the columns of a CSV file."""
    values = dict.fromkeys(EXPORTED_COLUMNS) | _nested(assignment)
    person = values.pop("assignee") or {}
    if isinstance(leads := values["lead_minutes"], list):
        values["lead_minutes"] = " ".join(map(str, leads))
    return values | {ASSIGNEE_PREFIX + name: value for name, value in person.items()}


def _opened(rows: Iterator[Any]) -> Generator[Any]:
    """The same rows as a generator, which can be closed."""
    yield from rows


class _Lines:
    """The lines of a file over an open cursor, which `close` closes: the web server calls it however the answer ends."""

    def __init__(self, lines: Iterator[str], rows: Generator[Any], name: str) -> None:
        self.lines, self.rows, self.name = lines, rows, name

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self.lines
        except Error as error:
            # The connection ends without the last chunk, so that no client takes a part for the whole.
            logger.error("Export broken off", extra={"export": self.name, "reason": type(error).__name__})
            raise

    def close(self) -> None:
        self.rows.close()


def _file(
    kind: str,
    name: str,
    columns: Sequence[str],
    rows: Generator[Any],
    *,
    as_values: Callable[[Any], Mapping[str, Any]] = dict,
) -> StreamingHttpResponse:
    """The rows as a download. The first one is read here, so that a database that is away is answered by 503."""
    first = list(islice(rows, 1))
    values = map(as_values, chain(first, rows))
    lines, media_type = (
        (_csv(columns, values), "text/csv; charset=utf-8")
        if kind == "csv"
        else (_json(columns, values), "application/json")
    )
    return StreamingHttpResponse(
        _Lines(lines, rows, name),
        content_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{kind}"', "Vary": "Accept"},
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
    return guarded(value) if isinstance(value, str) else value


def _json(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    before = "["
    for row in rows:
        yield before + json.dumps({name: _plain(row[name]) for name in columns})
        before = ",\n"
    yield "[]" if before == "[" else "]"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return instants.shown(value)
    return value if value is None or isinstance(value, (int, dict, list)) else str(value)
