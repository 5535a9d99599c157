"""The page of the calendars that are polled."""

from django.http import HttpRequest, HttpResponse

from assignments.models import CalendarSource
from reminders.web.ops.page import page, show


@page()
def calendars(request: HttpRequest) -> HttpResponse:
    """How each calendar is doing, what it brought last, and which asks whether work is to be cancelled."""
    listed = list(CalendarSource.objects.select_related("team"))
    asks = any(one.asks_since for one in listed)
    return show(request, "calendars", {"listed": listed, "asks": asks})
