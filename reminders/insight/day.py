"""Who does what when: the work of one to seven days, by person. It reads a bounded number of rows by a range of starts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cached_property

from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from assignments.models import Assignee, Assignment, Status
from assignments.team_scope import TeamScope
from reminders.conf import ReminderConfig
from reminders.insight import awareness
from reminders.ledger.awareness import of_assignments
from reminders.policy.awareness import Awareness
from reminders.policy.double_bookings import Booking, double_bookings
from reminders.policy.wall_clock import first_instant

LONGEST = timedelta(days=2)
"""Work that began longer ago than this before the first day is not looked for: the range of starts stays short."""

MOST_BLOCKS = 3_000
MOST_PEOPLE = 300
"""Of so many people those are shown too who have nothing to do."""

MOST_CLASHES = 3
MOST_LANES = 12
"""What more a person has at one time is drawn in the last lane."""

READ = (
    *("pk", "title", "scheduled_start", "scheduled_end", "status"),
    *("assignee_id", "assignee__name", "assignee__time_zone"),
)
SHORTEST = {1: 1 / 48, 3: 1 / 96, 7: 1 / 128}
"""The least part of the whole width that a block takes, by the number of days: there is something to point at."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """The days that are shown, by the clocks of `zone`: from `since` up to `until`, which is outside."""

    first: date
    days: int
    zone: tzinfo

    @cached_property
    def since(self) -> datetime:
        return self._midnight(0)

    @cached_property
    def until(self) -> datetime:
        return self._midnight(self.days)

    def ticks(self, every: int) -> list[datetime]:
        """The instants at which clocks show every n-th hour, in order; an hour that is skipped has none of its own."""
        found = [
            first_instant(datetime.combine(self.first + timedelta(days=day), time(hour)), zone=self.zone)
            for day in range(self.days)
            for hour in range(0, 24, every)
        ]
        return list(dict.fromkeys(found))

    def part(self, at: datetime) -> float:
        """Where an instant lies between both ends: 0 to 1."""
        return (at - self.since) / (self.until - self.since)

    def _midnight(self, day: int) -> datetime:
        return first_instant(datetime.combine(self.first + timedelta(days=day), time()), zone=self.zone)


@dataclass(frozen=True, slots=True)
class PersonOfDay:
    """Whoever has a row."""

    id: int
    name: str
    time_zone: str


@dataclass(slots=True, kw_only=True)
class Block:
    """One piece of work in the picture. `begin` and `end` are parts of its whole width (0 to 1); blocks of one person that
    would cover each other are in different lanes. `state` is a rung of `policy.awareness`, or "completed"; `clashes` is what
    its assignee has to do at the same time. `stop` None: its length is not known.
    """

    id: int
    title: str
    start: datetime
    stop: datetime | None
    status: str
    state: str
    words: str
    begin: float
    end: float
    lane: int = 0
    clashes: list[Booking] = field(default_factory=list)

    @property
    def is_movable(self) -> bool:
        return self.status == Status.SCHEDULED

    @property
    def booking(self) -> Booking:
        return Booking(id=self.id, title=self.title, start=self.start, end=self.stop)


@dataclass(slots=True, kw_only=True)
class PersonRow:
    """One person and what they do; `person` None: work that nobody has. `lanes` is how many rows of blocks it needs."""

    person: PersonOfDay | None
    blocks: list[Block]
    lanes: int = 1

    @property
    def conflicts(self) -> int:
        """Of how much work something else is at the same time."""
        return sum(bool(block.clashes) for block in self.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What is to be drawn. `rows` begins with work that nobody has. `truncated`: there is more work than MOST_BLOCKS;
    `only_busy`: there are too many people to show those who have nothing to do. `kinds`: of all work in the span.
    """

    span: Span
    rows: list[PersonRow]
    kinds: list[str]
    truncated: bool
    only_busy: bool

    @property
    def blocks(self) -> int:
        return sum(len(row.blocks) for row in self.rows)


def day(
    span: Span, *, scope: TeamScope, config: ReminderConfig, team: int | None = None, kind: str = ""
) -> Day:
    """The work of the span that the caller sees, without what was cancelled; of one team and one kind, where given."""
    within = _work_in(span, scope, team)
    asked = within.filter(kind=kind) if kind else within
    found = list(asked.values_list(*READ)[: MOST_BLOCKS + 1])
    shown = found[:MOST_BLOCKS]
    open_work = [pk for pk, _, _, _, status, *_ in shown if status != Status.COMPLETED]
    states = of_assignments(open_work, config=config)
    by_person: dict[int | None, list[Block]] = defaultdict(list)
    busy: dict[int, PersonOfDay] = {}
    for pk, title, start, stop, status, *owner in shown:
        person = None if owner[0] is None else busy.setdefault(owner[0], PersonOfDay(*owner))
        block = _block(pk, title, start, stop, status, known=states.get(pk), span=span)
        by_person[None if person is None else person.id].append(block)
    others, only_busy = _others(busy, scope, team)
    everybody = sorted((*busy.values(), *others), key=lambda one: (one.name.casefold(), one.id))
    rows = [PersonRow(person=None, blocks=by_person.get(None, []))]
    rows += [PersonRow(person=person, blocks=by_person.get(person.id, [])) for person in everybody]
    for row in rows:
        _arrange(row)
    return Day(
        span=span,
        rows=rows,
        kinds=sorted(set(within.order_by().exclude(kind="").values_list("kind", flat=True).distinct())),
        truncated=len(found) > MOST_BLOCKS,
        only_busy=only_busy,
    )


def _work_in(span: Span, scope: TeamScope, team: int | None) -> QuerySet[Assignment]:
    """A range of assignment_start_idx."""
    rows = Assignment.objects.visible_to(scope)
    if team is not None:
        rows = rows.of_teams([team])
    near = rows.filter(scheduled_start__gt=span.since - LONGEST, scheduled_start__lt=span.until)
    near = near.filter(Q(scheduled_start__gte=span.since) | Q(scheduled_end__gt=span.since))
    return near.exclude(status=Status.CANCELLED).order_by("scheduled_start", "id")


def _others(
    busy: Mapping[int, PersonOfDay], scope: TeamScope, team: int | None
) -> tuple[list[PersonOfDay], bool]:
    """The people who have nothing to do, if there are few; and whether they are left out."""
    people = Assignee.objects.visible_to(scope).present()
    if team is not None:
        people = people.filter(team=team)
    found = list(people.order_by().values_list("pk", "name", "time_zone")[: MOST_PEOPLE + 1])
    if len(found) > MOST_PEOPLE:
        return [], True
    return [PersonOfDay(*one) for one in found if one[0] not in busy], False


def _block(
    pk: int,
    title: str,
    start: datetime,
    stop: datetime | None,
    status: str,
    *,
    known: Awareness | None,
    span: Span,
) -> Block:
    begin = max(span.part(start), 0.0)
    end = span.part(stop or start)
    done, shortest = status == Status.COMPLETED, SHORTEST.get(span.days, 1 / 128)
    return Block(
        id=pk,
        title=title,
        start=start,
        stop=stop,
        status=status,
        state="completed" if done or known is None else known.rung.value,
        words=gettext("completed") if done or known is None else awareness.state_words(known),
        begin=min(begin, 1 - shortest),
        end=min(max(end, begin + shortest), 1.0),
    )


def _arrange(row: PersonRow) -> None:
    """Puts blocks that would cover each other into different lanes, and marks what is at the same time."""
    ends: list[float] = []
    for block in row.blocks:
        lane = next((number for number, end in enumerate(ends) if end <= block.begin), len(ends))
        ends[lane : lane + 1] = [block.end]
        block.lane = min(lane, MOST_LANES - 1)
    row.lanes = min(max(1, len(ends)), MOST_LANES)
    if row.person is not None and row.lanes > 1:
        for one, other in double_bookings(map(_booking, _unfinished(row.blocks)), ()):
            for own, its in ((one, other), (other, one)):
                found = next(block for block in row.blocks if block.id == own.id)
                if len(found.clashes) < MOST_CLASHES:
                    found.clashes.append(its)


def _booking(block: Block) -> Booking:
    return block.booking


def _unfinished(blocks: Iterable[Block]) -> list[Block]:
    return [block for block in blocks if block.status != Status.COMPLETED]
