"""`/ops/`: the state of all reminders; every figure leads to the list behind it.

All of it comes from the shared statistics row, so that a page that refreshes every 15 seconds costs the database
next to nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from assignments.models import ReminderStatus, Status
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.insight import awareness, figure_queries, starting_soon, statistics
from reminders.insight.doctor.system import LATE
from reminders.insight.explain.wording import WORDS, channel_name, rate
from reminders.insight.pace_outlook import PaceFigures
from reminders.insight.statistics import Snapshot
from reminders.models import Reason
from reminders.web.ops import chart, health
from reminders.web.ops.page import page, page_context
from reminders.web.team_limits import TeamAccess, scope_of
from reminders.web.templatetags.ops import age
from reminders.web.templatetags.ops import words as code_words

REFRESH_INTERVAL = timedelta(seconds=15)
STALE_AFTER = 4 * statistics.MAX_AGE
"""Older statistics are shown with a warning: counting fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure and the list behind it. `tone` is quiet, good, warn or bad; `alarm` is the reason in words."""

    name: str
    label: str
    value: int
    note: str
    href: str
    tone: str = "quiet"
    alarm: str = ""


@page(limit=TeamAccess.NARROWS)
def overview(request: HttpRequest) -> HttpResponse:
    """The whole page."""
    return render(request, "ops/overview.html", _shown(request))


@page(limit=TeamAccess.NARROWS)
def live(request: HttpRequest) -> HttpResponse:
    """The part of the page that refreshes itself."""
    return render(request, "ops/parts/live.html", {**_shown(request), "again": True})


def _shown(request: HttpRequest) -> dict[str, object]:
    context, config = page_context(request), conf.current()
    # A pause that has just begun is shown at once.
    scope = scope_of(request.user)
    snapshot = replace(statistics.current_of(scope, config=config), paused=context["pause"] is not None)
    shown = {
        "work": list(work(snapshot, config)),
        "attendance": list(attendance(snapshot)),
        "problems": list(problems(snapshot, config)),
    }
    return {
        **context,
        "snapshot": snapshot,
        "stale": timezone.now() - snapshot.taken > STALE_AFTER,
        **shown,
        **by_urgency([tile for tiles in shown.values() for tile in tiles]),
        "paces": [pace_note(one) for one in snapshot.paces],
        "failed": [
            (
                code_words(reason),
                number,
                _reminders(show="failed", reason=reason),
                str(WORDS.get(Reason(reason), "")),
            )
            for reason, number in sorted(snapshot.failed.items(), key=lambda item: (-item[1], item[0]))
        ],
        "chart": chart.draw(snapshot.messages, now=snapshot.taken, ahead=figure_queries.chart_ahead(config)),
        # Processes and queue work for all teams, and lead to pages about the whole system.
        "health": [] if scope.limited else list(health.health(snapshot, health.broker(), config=config)),
        "refresh_seconds": int(REFRESH_INTERVAL.total_seconds()),
    }


ALWAYS_SHOWN = ("none", "sent")
"""Figures that say something at 0 too."""


def by_urgency(tiles: Sequence[Tile]) -> dict[str, list[Tile]]:
    """The tiles as the page shows them: alarms first and large, then figures; what is 0 and should be is one line."""
    alarms = [tile for tile in tiles if tile.tone in ("bad", "warn") or tile.alarm]
    quiet = [tile for tile in tiles if tile not in alarms]
    clear = [tile for tile in quiet if not tile.value and tile.name not in ALWAYS_SHOWN]
    return {
        "alarms": sorted(alarms, key=lambda tile: tile.tone != "bad"),
        "figures": [tile for tile in quiet if tile not in clear],
        "clear": clear,
    }


# --- figures ---------------------------------------------------------------------------------------------------


def work(snapshot: Snapshot, config: ReminderConfig) -> Iterator[Tile]:
    """Scheduled work by its reminder status; overdue is counted by the clock."""
    counts = {
        roll_up: snapshot.assignments.get((Status.SCHEDULED, roll_up), 0)
        for roll_up in (ReminderStatus.NONE, ReminderStatus.SENT)
    }
    yield Tile(
        name="none",
        label=gettext("Waiting"),
        value=counts[ReminderStatus.NONE],
        note=gettext("scheduled, not reminded yet"),
        href=_assignments(status=Status.SCHEDULED, reminder_status=ReminderStatus.NONE),
    )
    yield Tile(
        name="sent",
        label=gettext("Reminded"),
        value=counts[ReminderStatus.SENT],
        note=gettext("scheduled, reminder accepted"),
        href=_assignments(status=Status.SCHEDULED, reminder_status=ReminderStatus.SENT),
        tone="good",
    )
    alarm = snapshot.overdue > config.overdue_alert
    allowed = gettext("more than %(overdue_alert)s is an alarm") % {"overdue_alert": config.overdue_alert}
    yield Tile(
        name="overdue",
        label=gettext("Overdue"),
        value=snapshot.overdue,
        note=gettext("not started %(overdue)s after the start; %(allowed)s")
        % {"overdue": age(config.overdue), "allowed": allowed},
        href=_assignments(show="overdue"),
        tone="bad" if alarm else "quiet",
        alarm=gettext("Above the alert threshold") if alarm else "",
    )


def attendance(snapshot: Snapshot) -> Iterator[Tile]:
    """Work for which nobody may come: what starts soon first."""
    yield Tile(
        name="unaware_soon",
        label=gettext("Do not know yet"),
        value=snapshot.unaware_soon,
        note=gettext("from %(horizon)s before the start: nobody assigned, not told, or the message in doubt")
        % {"horizon": age(awareness.HORIZON)},
        href=f"{reverse('ops:board')}?{urlencode({'hours': 2})}",
        tone="bad" if snapshot.untold_soon else "quiet",
        alarm=gettext("%(untold_soon)s will not be told by any message")
        % {"untold_soon": snapshot.untold_soon}
        if snapshot.untold_soon
        else "",
    )
    yield Tile(
        name="declined_soon",
        label=gettext("Can't make it, starts soon"),
        value=snapshot.declined_soon,
        note=gettext("from %(horizon)s before the start until it is overdue")
        % {"horizon": age(starting_soon.HORIZON)},
        href=_assignments(show="declined_soon"),
        tone="bad" if snapshot.declined_soon else "quiet",
        alarm=gettext("Nobody will come") if snapshot.declined_soon else "",
    )
    # Where nobody confirms as a rule this is no alarm: it is whom to call first.
    yield Tile(
        name="unanswered_soon",
        label=gettext("No answer, starts soon"),
        value=snapshot.unanswered_soon,
        note=gettext("reminded and not heard from, from %(horizon)s before the start until it is overdue")
        % {"horizon": age(starting_soon.HORIZON)},
        href=_assignments(show="unanswered_soon"),
    )
    yield Tile(
        name="declined",
        label=gettext("Can't make it"),
        value=snapshot.declined,
        note=gettext("scheduled work whose assignee declined"),
        href=_assignments(show="declined"),
        tone="warn" if snapshot.declined else "quiet",
        alarm=gettext("Somebody else is needed") if snapshot.declined else "",
    )


def problems(snapshot: Snapshot, config: ReminderConfig) -> Iterator[Tile]:
    """Figures that should be 0, or soon will be."""
    held = snapshot.paused or not config.enabled
    late = snapshot.oldest_due_age_seconds > LATE.total_seconds()
    yield Tile(
        name="due",
        label=gettext("Due, not sent"),
        value=snapshot.due_unsent,
        note=gettext("the oldest has waited for %(oldest_due_age_seconds)s")
        % {"oldest_due_age_seconds": age(snapshot.oldest_due_age_seconds)}
        if snapshot.due_unsent
        else gettext("nothing waits"),
        href=_reminders(show="due"),
        tone="quiet" if not late else "warn" if held else "bad",
        alarm=gettext("Held by the switch")
        if late and held
        else gettext("Later than a minute")
        if late
        else "",
    )
    yield Tile(
        name="failed",
        label=gettext("Failed"),
        value=sum(snapshot.failed.values()),
        note=gettext("in the last 24 hours"),
        href=_reminders(show="failed"),
        tone="bad" if snapshot.failed else "quiet",
        alarm=gettext("Somebody was not reminded") if snapshot.failed else "",
    )
    yield Tile(
        name="bounced",
        label=gettext("Bounced"),
        value=snapshot.bounced,
        note=gettext("accepted, and came back, in the last 24 hours"),
        href=_reminders(show="bounced"),
        tone="warn" if snapshot.bounced else "quiet",
        alarm=gettext("The mailbox for bounces cannot be read") if snapshot.mailbox_failing else "",
    )
    yield Tile(
        name="duplicates",
        label=gettext("Possible duplicates"),
        value=snapshot.possible_duplicates,
        note=gettext("may have arrived twice, in the last 24 hours"),
        href=_reminders(show="duplicates"),
        tone="warn" if snapshot.possible_duplicates else "quiet",
    )
    yield Tile(
        name="unknown",
        label=gettext("Unknown"),
        value=snapshot.unknown,
        note=gettext("may or may not have arrived: to be decided"),
        href=_reminders(show="unknown"),
        tone="warn" if snapshot.unknown else "quiet",
        alarm=gettext("An operator decides") if snapshot.unknown else "",
    )
    yield Tile(
        name="unaccounted",
        label=gettext("Unaccounted"),
        value=snapshot.unaccounted,
        note=gettext("due work without a reminder: must be 0"),
        href=_assignments(show="unaccounted"),
        tone="bad" if snapshot.unaccounted else "quiet",
        alarm=gettext("A rescan plans them") if snapshot.unaccounted else "",
    )


def _assignments(**query: str) -> str:
    return f"{reverse('ops:assignments')}?{urlencode(query)}"


def _reminders(**query: str) -> str:
    return f"{reverse('ops:reminders')}?{urlencode(query)}"


# --- paces -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceNote:
    """What is said of a channel that accepts only so many messages. `tone` is quiet, warn or bad."""

    server: str
    rate: str
    since: datetime | None
    code: str
    waiting: int
    last_leaves_at: datetime | None
    too_late: int
    href: str
    tone: str


def pace_note(one: PaceFigures) -> PaceNote:
    return PaceNote(
        server=channel_name(one.channel),
        rate=rate(one.per_minute),
        since=_instant(one.since),
        code=one.code,
        waiting=one.waiting,
        last_leaves_at=_instant(one.last_leaves_at),
        too_late=one.too_late,
        href=_reminders(show="due"),
        tone="bad" if one.too_late else "warn" if one.waiting else "quiet",
    )


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
