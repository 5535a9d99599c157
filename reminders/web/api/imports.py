"""Many assignments in one call, as JSON, as a CSV file or as a calendar."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

from django.utils.http import parse_header_parameters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import UnsupportedMediaType, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from assignments.clock import database_now
from assignments.history import Actor
from assignments.imports.fields import InvalidValue
from assignments.imports.formats import (
    BY_MEDIA_TYPE,
    XLSX,
    NoTable,
    NotACalendar,
    with_mapping,
    with_options,
)
from assignments.imports.mappings import UnknownMapping, find_mapping
from assignments.imports.results import RowsRefused
from assignments.imports.rows import MAX_ROWS, ParsedRow, RowFile
from assignments.imports.tables.mapped_rows import with_columns
from assignments.imports.tables.mapping import TableMapping
from assignments.imports.text_files import python_charset
from assignments.imports.writer import import_rows
from assignments.models import Assignment
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.errors import ImportRunning, TooLarge
from reminders.web.api.idempotency import IDEMPOTENCY_KEY, idempotent
from reminders.web.api.parsers import BoundedCalendar, BoundedCsv, BoundedFile, BoundedXlsx, media_type
from reminders.web.api.serializers import assignments, queries
from reminders.web.team_limits import TeamAccess

SECONDS_TO_WAIT = 30
_RUNNING = threading.Lock()
"""One import at a time in a process: its rows and their statements are in memory."""


class ImportView(Endpoint):
    """All or nothing."""

    team_limit = TeamAccess.NARROWS
    parser_classes = [BoundedFile, BoundedCsv, BoundedCalendar, BoundedXlsx]

    @extend_schema(
        operation_id="assignments_import",
        parameters=[queries.ImportQuery, IDEMPOTENCY_KEY],
        request={
            "application/json": assignments.ImportInputSerializer(many=True),
            "text/csv": OpenApiTypes.STR,
            "text/calendar": OpenApiTypes.STR,
            XLSX: OpenApiTypes.BINARY,
        },
        responses=responses({200: assignments.ImportSerializer}, 409, 413, 415, 422),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Imports up to 10,000 assignments: all of them, or none and what is wrong with which row.

        An assignment whose reference is known gets these values, as by PUT; others are created. Nobody is
        reminded of what is past. A table (CSV, XLSX) names its columns in its first line; a person's begin with
        assignee_. Another program's table is read under a `mapping`.
        Of a calendar each event is an assignment, known by its UID; one that repeats, or has several attendees, is one
        for each date in the coming 180 days and each attendee.
        """
        asked = self.address(queries.ImportQuery)
        read = BY_MEDIA_TYPE.get(media_type(request))
        body: Any = request.data
        if read is None:
            raise UnsupportedMediaType(media_type(request))
        mapping = self._mapping(asked)
        try:
            read = with_options(with_mapping(read, mapping), asked, now=database_now())
        except NotACalendar as refusal:
            raise ValidationError({refusal.option: [str(refusal)]}, code="not_a_calendar") from refusal
        except InvalidValue as refusal:
            raise ValidationError({"zone": [str(refusal)]}, code=refusal.code) from refusal
        except NoTable as refusal:
            raise ValidationError({"mapping": [str(refusal)]}, code="no_table") from refusal
        if not isinstance(body, io.BytesIO):
            body = io.BytesIO()  # A body without a byte never meets a parser.
        _, parameters = parse_header_parameters(request.content_type or "")
        with _one_at_a_time():
            source = read(body, python_charset(parameters.get("charset")))
            try:
                done = import_rows(
                    _bounded(source),
                    match_ids=asked["match_ids"],
                    dry_run=asked["dry_run"],
                    scope=self.team_scope,
                    actor=Actor.api(self.by()),
                )
            except RowsRefused as refused:
                raise RowsRefused(
                    with_columns(refused.errors, mapping) if mapping else refused.errors
                ) from refused
        left_out = done.left_out + source.notes.left_out
        shown = assignments.ImportSerializer(
            {
                "dry_run": asked["dry_run"],
                "created": done.created,
                "updated": done.updated,
                "unchanged": done.unchanged,
                "left_out": [{"what": what, "count": count} for what, count in sorted(left_out.items())],
                "notes": source.notes.rows,
                "ids": done.ids,
            }
        )
        return Response(shown.data)

    def _mapping(self, asked: Any) -> TableMapping | None:
        name, sheet = asked.get("mapping"), asked.get("sheet")
        if name is None:
            if sheet:
                raise ValidationError({"sheet": ["a sheet is named beside a mapping only"]}, code="no_table")
            return None
        try:
            found = find_mapping(name, scope=self.team_scope)
        except UnknownMapping as refusal:
            raise ValidationError({"mapping": [str(refusal)]}, code=refusal.code) from refusal
        return replace(found, sheet=sheet) if sheet else found

    def may_see_again(self, body: Any) -> bool:
        ids = set(body["ids"])
        return Assignment.objects.visible_to(self.team_scope).filter(pk__in=ids).count() == len(ids)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    if not _RUNNING.acquire(timeout=SECONDS_TO_WAIT):
        raise ImportRunning
    try:
        yield
    finally:
        _RUNNING.release()


def _bounded(source: RowFile) -> list[ParsedRow]:
    rows = list(islice(source, MAX_ROWS))
    if next(iter(source), None) is not None:
        raise TooLarge(f"no more than {MAX_ROWS} assignments are accepted in one call: send them in portions")
    return rows
