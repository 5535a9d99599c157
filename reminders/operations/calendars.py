"""Calendars that are polled by URL: what operators do with them. A URL is written, and never shown again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments.clock import database_now
from assignments.models import Assignment, CalendarSource, Status
from assignments.services import Refused
from assignments.transactions import atomically
from reminders.feeds import poll
from reminders.ledger.audit import record
from reminders.operations.checked_urls import checked_url

FIELDS = ("name", "url", "time_zone", "all_day", "team_id", "kind", "every_minutes", "days_ahead", "active")
READ_ANEW = {"url", "time_zone", "all_day", "team_id", "kind", "days_ahead"}
"""After a change of these the calendar is read whole, whether it has changed or not."""


class UnknownCalendar(Refused):
    """There is none with this id."""

    code = "unknown_calendar"


@dataclass(frozen=True, slots=True)
class ShrunkCalendar:
    """A calendar that has lost much, and the work that would be cancelled."""

    source: CalendarSource
    work: Sequence[Assignment]


@atomically
def add_calendar(values: Mapping[str, Any], *, by: str, reason: str = "") -> CalendarSource:
    """Makes a calendar, which is polled after the next scan. Raises ValidationError, which names the field."""
    reason = checked_reason(reason, needed=False)
    made = CalendarSource(created_by=by)
    _write(made, values)
    record("add_calendar", by=by, reason=reason, after=_described(made))
    return made


@atomically
def change_calendar(pk: int, values: Mapping[str, Any], *, by: str, reason: str = "") -> CalendarSource:
    """Changes what is given. Raises UnknownCalendar or ValidationError."""
    reason = checked_reason(reason, needed=False)
    found = _locked(pk)
    before = _described(found)
    changed = {name for name in FIELDS if name in values and getattr(found, name) != values[name]}
    if changed & READ_ANEW:
        found.etag = found.last_modified = ""
        found.full_read_at = None
        found.leased_until = (
            None  # A poll that is under way read something else, and writes nothing any more.
        )
    _write(found, values)
    if changed:
        selection = {"id": pk, "fields": sorted(changed)}
        record(
            "change_calendar",
            by=by,
            reason=reason,
            selection=selection,
            before=before,
            after=_described(found),
        )
    return found


@atomically
def remove_calendar(pk: int, *, by: str, reason: str = "") -> None:
    """Forgets the calendar and its URL. The work that it made stays. Raises UnknownCalendar."""
    reason = checked_reason(reason, needed=False)
    found = _locked(pk)
    record("remove_calendar", by=by, reason=reason, before=_described(found))
    found.delete()


@atomically
def poll_soon(pk: int, *, by: str, reason: str = "") -> CalendarSource:
    """Has the calendar read whole after the next scan. Raises UnknownCalendar."""
    reason = checked_reason(reason, needed=False)
    found = _locked(pk)
    found.next_poll_at, found.full_read_at = database_now(), None
    found.save(update_fields=["next_poll_at", "full_read_at"])
    record("poll_calendar", by=by, reason=reason, selection={"id": pk})
    return found


def asked(pk: int | None = None) -> list[ShrunkCalendar]:
    """The calendars that ask whether work is to be cancelled, or the one with this id, if it does."""
    sources = CalendarSource.objects.filter(asks_since__isnull=False).order_by("name", "pk")
    found = []
    for source in sources if pk is None else sources.filter(pk=pk):
        work = Assignment.objects.filter(
            pk__in=source.vanished,
            calendar_source=source,
            status=Status.SCHEDULED,
            scheduled_start__gt=database_now(),
        )
        found.append(
            ShrunkCalendar(source, list(work.select_related("assignee").order_by("scheduled_start", "pk")))
        )
    return found


@atomically
def accept(pk: int | None = None, *, by: str, reason: str = "") -> int:
    """Cancels the work whose events are gone, of one calendar or of all that ask; returns how much: 0 where none asks.

    Raises UnknownCalendar.
    """
    reason = checked_reason(reason, needed=False)
    now, cancelled = database_now(), 0
    if pk is not None:
        _locked(pk)
    waiting = CalendarSource.objects.select_for_update(no_key=True).filter(asks_since__isnull=False)
    sources = list((waiting if pk is None else waiting.filter(pk=pk)).order_by("pk"))
    for source in sources:
        done = poll.cancel_gone(source, source.vanished, now=now)
        cancelled += done
        source.vanished, source.asks_since = [], None
        source.save(update_fields=["vanished", "asks_since"])
        selection = {"id": source.pk, "name": source.name}
        record("accept_calendar", by=by, reason=reason, selection=selection, after={"cancelled": done})
    return cancelled


def _locked(pk: int) -> CalendarSource:
    found = CalendarSource.objects.select_for_update(no_key=True).filter(pk=pk).first()
    if found is None:
        raise UnknownCalendar(gettext("there is no calendar %(pk)s") % {"pk": pk})
    return found


def _write(source: CalendarSource, values: Mapping[str, Any]) -> None:
    given = {name: values[name] for name in FIELDS if name in values}
    if "url" in given:
        given["url"] = check_url(given["url"])
    if "name" in given and not str(given["name"]).isprintable():
        raise ValidationError(
            {"name": ValidationError(gettext("printable characters are needed"), code="invalid")}
        )
    for name, value in given.items():
        setattr(source, name, value)
    now = database_now()
    source.next_poll_at = now if source.pk is None else min(source.next_poll_at, now)
    source.full_clean()
    source.save()


def check_url(url: str) -> str:
    """The address as it is stored. Raises ValidationError."""
    return checked_url(_as_https(url), private=settings.CALENDAR_ALLOW_PRIVATE)


def _as_https(url: str) -> str:
    """webcal: is how programs write the address of a calendar that is subscribed to over HTTPS."""
    scheme, colon, rest = url.strip().partition(":")
    return f"https:{rest}" if colon and scheme.lower() in ("webcal", "webcals") else url.strip()


def _described(one: CalendarSource) -> dict[str, object]:
    """For the audit trail: the host only, for the rest of the URL may be a secret."""
    return {
        "id": one.pk,
        "name": one.name,
        "host": one.host,
        "time_zone": one.time_zone,
        "all_day": one.all_day and f"{one.all_day:%H:%M}",
        "team": one.team_id,
        "kind": one.kind,
        "every_minutes": one.every_minutes,
        "days_ahead": one.days_ahead,
        "active": one.active,
    }
