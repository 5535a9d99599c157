"""Mappings of tables over HTTP: saved by name, and guessed for a file."""

import io
from typing import Any

from django.db.models import QuerySet
from django.utils.http import parse_header_parameters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from assignments.import_models import ImportMapping
from assignments.imports.formats import XLSX
from assignments.imports.mappings import UnknownMapping
from assignments.imports.tables.opening import guess_table
from assignments.imports.tables.preview import preview_guess
from assignments.imports.text_files import python_charset
from assignments.validators import default_time_zone
from reminders.operations.import_mappings import remove_import_mapping, save_import_mapping
from reminders.web.api.endpoint import Endpoint, responses
from reminders.web.api.parsers import BoundedCsv, BoundedXlsx
from reminders.web.api.serializers import mappings as shapes
from reminders.web.api.serializers import queries
from reminders.web.team_limits import TeamAccess


class MappingEndpoint(Endpoint):
    """Who is limited to teams sees the mappings made for them, and no others."""

    team_limit = TeamAccess.NARROWS

    def visible(self) -> QuerySet[ImportMapping]:
        """The mappings that the caller sees."""
        return ImportMapping.objects.visible_to(self.team_scope).order_by("name")


class MappingListView(MappingEndpoint):
    """All mappings."""

    @extend_schema(
        operation_id="import_mappings_list", responses=responses({200: shapes.ImportMappingListSerializer})
    )
    def get(self, request: Request) -> Response:
        """Lists the mappings by their names."""
        self.address(queries.NoQuery)
        return Response(shapes.ImportMappingListSerializer({"results": self.visible()}).data)

    @extend_schema(
        operation_id="import_mappings_save",
        request=shapes.ImportMappingInputSerializer,
        responses=responses(
            {200: shapes.ImportMappingSerializer, 201: shapes.ImportMappingSerializer}, 413, 415
        ),
    )
    def post(self, request: Request) -> Response:
        """Makes the mapping of this name (201), or gives it these values (200)."""
        body = self.body(shapes.ImportMappingInputSerializer)
        saved, made = save_import_mapping(
            body["name"],
            body["mapping"].as_json(),
            team_id=body.get("team"),
            by=self.by(),
            reason=body.get("reason", ""),
            scope=self.team_scope,
        )
        return Response(shapes.ImportMappingSerializer(saved).data, status=201 if made else 200)


class MappingView(MappingEndpoint):
    """One mapping."""

    @extend_schema(
        operation_id="import_mappings_read", responses=responses({200: shapes.ImportMappingSerializer}, 404)
    )
    def get(self, request: Request, pk: int) -> Response:
        """Reads a mapping."""
        found = self.visible().filter(pk=pk).first()
        if found is None:
            raise UnknownMapping(f"there is no mapping {pk}")
        return Response(shapes.ImportMappingSerializer(found).data)

    @extend_schema(operation_id="import_mappings_remove", responses=responses({204: None}, 404))
    def delete(self, request: Request, pk: int) -> Response:
        """Removes a mapping. What was imported by it stays."""
        remove_import_mapping(pk, by=self.by(), scope=self.team_scope)
        return Response(status=204)


class MappingGuessView(Endpoint):
    """What a table may mean."""

    team_limit = TeamAccess.NARROWS
    parser_classes = [BoundedCsv, BoundedXlsx]

    @extend_schema(
        operation_id="import_mappings_guess",
        parameters=[shapes.ImportGuessQuery],
        request={"text/csv": OpenApiTypes.STR, XLSX: OpenApiTypes.BINARY},
        responses=responses({200: shapes.ImportGuessSerializer}, 413, 415),
    )
    def post(self, request: Request) -> Response:
        """Proposes a mapping for a table, and shows its first ten rows under it.

        What cannot be guessed is in `questions`. Nothing is written. Days and months whose order cannot be seen are
        asked about, never guessed.
        """
        asked = self.address(shapes.ImportGuessQuery)
        body: Any = request.data
        content = body.getvalue() if isinstance(body, io.BytesIO) else b""
        _, parameters = parse_header_parameters(request.content_type or "")
        zone = asked.pop("zone", None) or default_time_zone()
        charset = python_charset(parameters.get("charset"))
        found = guess_table(io.BytesIO(content), zone=zone, charset=charset, **asked)
        shown = preview_guess(io.BytesIO(content), found)
        answer = {
            "mapping": found.mapping.as_json(),
            "questions": found.questions,
            "unused": found.unused,
            "preview": shown,
        }
        return Response(shapes.ImportGuessSerializer(answer).data)
