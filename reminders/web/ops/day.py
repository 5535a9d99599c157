"""The Day view: people as rows, hours as columns, each piece of work as a block in the colour of its state."""

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assignments.clock import database_now
from assignments.direction import isolated
from assignments.instants import FIRST_YEAR, LAST_YEAR
from assignments.models import Team
from reminders import conf
from reminders.insight import statistics
from reminders.insight.awareness import WORDS
from reminders.insight.day import MOST_BLOCKS, Block, Day, PersonRow, Span, day
from reminders.insight.explain.wording import place
from reminders.web.ops.page import page, show
from reminders.web.search import clean_text, whole_number
from reminders.web.team_limits import TeamAccess, scope_of

ZOOMS = {1: (_("Day"), 1), 3: (_("3 days"), 3), 7: (_("Week"), 24)}
"""How many days are shown: the words for it, and every how many hours there is a line."""

COLUMNS, STEPS = 24, 12
"""The width is cut into so many columns of so many steps: the classes that place a block (`day.css`)."""

# Some thousand of these are on one page, which the template language would take a second for, and `format_html` a tenth.
BLOCK = (
    '<li><a class="block {}" href="{}/{}" data-at="{}"{}><b>{}</b> <bdi>{}</bdi> <small>{}</small>{}</a></li>'
)
CLASH = " <em>{}</em>"
MOVABLE = " data-movable"

LEGEND: Mapping[str, object] = {
    **{rung.value: words for rung, words in WORDS.items()},
    "completed": _("completed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line, its label and the classes that place it. `day`: it is the beginning of a day."""

    place: str
    label: str
    day: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnRow:
    """A row with what its head says: who, and where their clocks are, if that is elsewhere. `blocks` is HTML."""

    row: PersonRow
    blocks: SafeString
    elsewhere: str


@page(limit=TeamAccess.NARROWS)
def day_view(request: HttpRequest) -> HttpResponse:
    """The work of a day, three days or a week."""
    scope, zone, now = scope_of(request.user), timezone.get_default_timezone(), database_now()
    teams = list(Team.objects.visible_to(scope).order_by("name"))
    team = whole_number(request.GET.get("team", ""))
    team = team if team in {one.pk for one in teams} else None
    kind = clean_text(request.GET.get("kind"))[:60]
    days = whole_number(request.GET.get("days", ""))
    span = Span(
        first=_date(request.GET.get("date", ""), otherwise=now.astimezone(zone).date()),
        days=days if days in ZOOMS else 1,
        zone=zone,
    )
    with statistics.bounded():
        found = day(span, scope=scope, team=team, kind=kind, config=conf.current())
    context = {
        "day": found,
        "rows": [_drawn(row, found, page_of=reverse("ops:assignments")) for row in found.rows],
        "ticks": list(_ticks(span)),
        "now_place": _at(span.part(now)) if span.since <= now < span.until else "",
        "now": now,
        "span": span,
        "minutes": round((span.until - span.since) / timedelta(minutes=1)),
        "previous": span.first - timedelta(days=span.days),
        "next": span.first + timedelta(days=span.days),
        "last": span.first + timedelta(days=span.days - 1),
        "today": now.astimezone(zone).date(),
        "zooms": [(number, words) for number, (words, _) in ZOOMS.items()],
        "teams": teams,
        "team": team,
        "kind": kind,
        "legend": _legend(found),
        "most": MOST_BLOCKS,
        "zone": timezone.get_default_timezone_name(),
    }
    return show(request, "day", context)


def _date(text: str, *, otherwise: date) -> date:
    try:
        given = date.fromisoformat(text)
    except ValueError:
        return otherwise
    return given if FIRST_YEAR < given.year < LAST_YEAR else otherwise


def _legend(found: Day) -> list[tuple[str, object]]:
    """The states that there are, in the order of the ladder."""
    states = {block.state for row in found.rows for block in row.blocks}
    return [(state, words) for state, words in LEGEND.items() if state in states]


def _ticks(span: Span) -> Iterator[Tick]:
    for at in span.ticks(ZOOMS[span.days][1]):
        local = at.astimezone(span.zone)
        is_day = local.hour == 0
        label = date_format(local, "D j") if is_day and span.days > 1 else f"{local:%H}"
        yield Tick(place=_at(span.part(at)), label=label, day=is_day and span.days > 1)


def _drawn(row: PersonRow, found: Day, *, page_of: str) -> DrawnRow:
    own = row.person.time_zone if row.person is not None else ""
    elsewhere = place(own) if own and own != timezone.get_default_timezone_name() else ""
    blocks = "".join(_html_of(block, found.span, page_of) for block in row.blocks)
    return DrawnRow(row=row, blocks=mark_safe(blocks), elsewhere=elsewhere)  # noqa: S308 - escaped by _html_of


def _html_of(block: Block, span: Span, page_of: str) -> str:
    """The block. All that is not of our own making is escaped: the title, the words and the times."""
    steps = max(1, round((block.end - block.begin) * COLUMNS * STEPS))
    classes = f"{block.state} {_at(block.begin)} w{steps // STEPS} v{steps % STEPS} l{block.lane}"
    clashes = ", ".join(f"“{isolated(other.title)}” (#{other.id})" for other in block.clashes)
    same_time = html.escape(gettext("at the same time as %(work)s") % {"work": clashes}) if clashes else ""
    return BLOCK.format(
        f"{classes} conflict" if clashes else classes,
        page_of,
        block.id,
        int(block.start.timestamp()),
        MOVABLE if block.is_movable else "",
        html.escape(_times(block, span)),
        html.escape(block.title),
        html.escape(block.words),
        CLASH.format(same_time) if clashes else "",
    )


def _at(part: float) -> str:
    """The classes of a place: the column, and the step within it."""
    steps = min(int(part * COLUMNS * STEPS + 1e-6), COLUMNS * STEPS - 1)
    return f"h{steps // STEPS} m{steps % STEPS}"


def _times(block: Block, span: Span) -> str:
    """From when to when, by the office's clocks; the day too where several are shown, or it is another one."""
    start = _time(block.start, span, before=span.first)
    if block.stop is None:
        return start
    return f"{start}-{_time(block.stop, span, before=block.start.astimezone(span.zone).date())}"


def _time(at: datetime, span: Span, *, before: date) -> str:
    local = at.astimezone(span.zone)
    return f"{local:%H:%M}" if local.date() == before else date_format(local, "D H:i")
