"""Pages of the lists of assignments and of people, by cursor."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from assignments.models import Assignment
from reminders.web.api.serializers.queries import PageQuery, PeopleQuery


class PositionPagination(CursorPagination):
    """REST framework's cursors with a position of our own, in place of a value and an offset."""

    def link_after(self, position: str) -> str:
        """The address of the page that begins behind this position."""
        # The stubs say int; REST framework itself uses a text.
        cursor = Cursor(offset=0, reverse=False, position=position)  # type: ignore[arg-type]
        return str(self.encode_cursor(cursor))

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self.get_next_link(), "results": data})

    def decode_cursor(self, request: Request) -> Any:
        try:
            return super().decode_cursor(request)
        except NotFound as error:
            raise _invalid() from error


class AssignmentPagination(PositionPagination):
    """REST framework's cursors with the position (start, id): exact among assignments that start at the same instant.

    The class it extends pages through equal starts by an offset of at most 1,000, which skips rows that are inserted
    meanwhile and repeats the 1,001st for ever (docs/decisions/0016-positions-of-a-cursor.md).
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        asked: Mapping[str, Any] = PageQuery.checked(request.query_params)
        self.base_url, limit = request.build_absolute_uri(), asked["limit"]
        backwards, name = asked["ordering"].startswith("-"), asked["ordering"].lstrip("-")
        names = ["id"] if name == "id" else ["scheduled_start", "id"]
        rows = queryset.order_by(*(f"-{one}" if backwards else one for one in names))
        cursor = self.decode_cursor(request)
        if cursor is not None:
            rows = rows.filter(_beyond(*_position(cursor), by_id=name == "id", backwards=backwards))
        found = list(rows[: limit + 1])
        page = found[:limit]
        self.has_next = len(found) > limit
        self.last = page[-1] if page else None
        return page

    def get_next_link(self) -> str | None:
        last: Assignment | None = self.last
        if last is None or not self.has_next:
            return None
        position = f"{last.scheduled_start.astimezone(UTC).isoformat()}|{last.pk}"
        return self.link_after(position)


def _beyond(start: datetime, pk: int, *, by_id: bool, backwards: bool) -> Q:
    side = "lt" if backwards else "gt"
    beyond = Q(**{f"id__{side}": pk})
    if by_id:
        return beyond
    # The second condition is a range of the index on the start.
    return (Q(**{f"scheduled_start__{side}": start}) | beyond) & Q(**{f"scheduled_start__{side}e": start})


def _position(cursor: Cursor) -> tuple[datetime, int]:
    try:
        start, _, pk = str(cursor.position or "").partition("|")
        instant = datetime.fromisoformat(start)
        if instant.utcoffset() is None or not (pk.isascii() and pk.isdigit()) or len(pk) > 18:
            raise ValueError(cursor.position)
        return instant.astimezone(UTC), int(pk)
    except (ValueError, OverflowError) as error:
        raise _invalid() from error


def _invalid() -> ValidationError:
    return ValidationError({"cursor": ["this is not a cursor of this list: follow `next`"]}, "invalid")


class PeoplePagination(PositionPagination):
    """Pages in the order of the ids: a cursor is the last id of the page before."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        asked: Mapping[str, Any] = PeopleQuery.checked(request.query_params)
        self.base_url, limit = request.build_absolute_uri(), asked["limit"]
        rows = queryset.order_by("pk")
        cursor = self.decode_cursor(request)
        if cursor is not None:
            position = str(cursor.position or "")
            if not (position.isascii() and position.isdigit()) or len(position) > 18:
                raise _invalid()
            rows = rows.filter(pk__gt=int(position))
        found = list(rows[: limit + 1])
        self.last_id = found[limit - 1].pk if len(found) > limit else None
        return found[:limit]

    def get_next_link(self) -> str | None:
        if self.last_id is None:
            return None
        return self.link_after(str(self.last_id))
