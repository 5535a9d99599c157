"""The page of the calendars that are polled."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

from assignments.models import CalendarSource
from reminders.operations import calendars as operations
from reminders.web.ops.page import page, show


@dataclass(frozen=True, slots=True)
class Shown:
    """A calendar on the page: its URL is not among what is shown."""

    source: CalendarSource
    host: str
    state: str
    vanished: int


@page()
def calendars(request: HttpRequest) -> HttpResponse:
    """How each calendar is doing, what it brought last, and which asks whether work is to be cancelled."""
    listed = [
        Shown(one, operations.host(one), operations.state(one), len(one.vanished))
        for one in CalendarSource.objects.select_related("team")
    ]
    return show(
        request, "calendars", {"listed": listed, "asks": any(one.source.asks_since for one in listed)}
    )
