"""Applies a FilterSet to a list of the API; an unknown, repeated or invalid query parameter is refused."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from reminders.web.api.serializers.queries import QuerySerializer


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]  # django-filter has no types
    """Of a view with a `filterset_class`, and a `query_class` that names and checks its other parameters."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        others: type[QuerySerializer] = view.query_class
        filters = view.filterset_class.base_filters
        accepted = [*filters, *others().fields]
        errors: dict[str, list[ErrorDetail]] = {}
        for name, values in request.query_params.lists():
            if name not in accepted:
                message = f"unknown: {', '.join(accepted)} are accepted"
                errors[name] = [ErrorDetail(message, code="unknown_field")]
            elif len(values) > 1:
                errors[name] = [ErrorDetail("this is given more than once", code="repeated")]
            elif name in filters and not values[0]:
                errors[name] = [ErrorDetail("a value is needed, or leave it out", code="blank")]
        try:
            found: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        except ValidationError as refusal:
            details = refusal.detail if isinstance(refusal.detail, dict) else {}
            raise ValidationError({**details, **errors}) from refusal
        if errors:
            raise ValidationError(errors)
        return found
