"""Many assignments in one call, as JSON, as a CSV file or as a calendar."""

import io
from collections.abc import Iterator
from itertools import islice
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from assignments import bulk, calendars, imports
from assignments.bulk import Parsed
from assignments.imports import MOST_AT_ONCE
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.errors import TooLarge
from reminders.web.api.idempotency import IDEMPOTENCY_KEY, idempotent
from reminders.web.api.parsers import BoundedCalendar, BoundedCsv, BoundedJson, media_type
from reminders.web.api.serializers import assignments, queries

FILES = {"text/csv": imports.csv_rows, "text/calendar": calendars.event_rows}


class ImportView(Endpoint):
    """All or nothing."""

    parser_classes = [BoundedJson, BoundedCsv, BoundedCalendar]

    @extend_schema(
        operation_id="assignments_import",
        parameters=[queries.DryRunQuery, IDEMPOTENCY_KEY],
        request={
            "application/json": assignments.ImportInputSerializer(many=True),
            "text/csv": OpenApiTypes.STR,
            "text/calendar": OpenApiTypes.STR,
        },
        responses=responses({200: assignments.ImportSerializer}, 409, 413, 415, 422),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Takes up to 10,000 assignments: all of them, or none and a list of what is wrong with which row.

        An assignment whose reference is known is brought to these values, as by PUT; others are made. Nobody is
        reminded of what is past. A CSV file names its columns in its first line; a person's begin with assignee_.
        Of a calendar each event is an assignment, known by its UID.
        """
        asked = self.address(queries.DryRunQuery)
        sent: Any = request.data
        if isinstance(sent, bytes):
            parsed = FILES[media_type(request)](imports.text_of(io.BytesIO(sent)))
        else:
            parsed = imports.rows(sent)
        done = bulk.bring_in(_not_too_many(parsed), dry_run=asked["dry_run"])
        shown = assignments.ImportSerializer(
            {
                "dry_run": asked["dry_run"],
                "created": done.created,
                "updated": done.updated,
                "unchanged": done.unchanged,
                "ids": done.ids,
            }
        )
        return Response(shown.data)


def _not_too_many(parsed: Iterator[Parsed]) -> list[Parsed]:
    rows = list(islice(parsed, MOST_AT_ONCE))
    if next(parsed, None) is not None:
        raise TooLarge(
            f"no more than {MOST_AT_ONCE} assignments are taken in one call: send them in portions"
        )
    return rows
