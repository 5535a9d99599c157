"""Leads whoever needs a second factor and has none to setting one up, before anything else."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts import second_factors

logger = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])


class SecondFactorMiddleware:
    """Views with the attribute `without_second_factor` are there all the same; calls of the API are refused by
    `accounts.permissions`, in the shape of its errors."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        if getattr(view, "without_second_factor", False) or hasattr(view, "cls"):
            return None
        try:
            if not second_factors.is_missing(request):
                return None
        except (OperationalError, InterfaceError, InternalError) as error:
            # Whether somebody needs one cannot be read: nobody goes on without an answer.
            logger.warning("Page without database", extra={"reason": type(error).__name__})
            return HttpResponse(status=503, headers={"Retry-After": "5"})
        if "HX-Request" in request.headers:
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        return HttpResponseRedirect(reverse("mfa_index"))


def without_second_factor(view: View) -> View:
    """Marks a view that does not ask for a second factor."""
    view.without_second_factor = True  # type: ignore[attr-defined]
    return view
