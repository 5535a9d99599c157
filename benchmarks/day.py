"""A working day, compressed: work is entered, moved, cancelled and begun while its reminders fall due, half on the hour.

Twelve hours of the day take `DAY_SECONDS` or more, and lead, look-ahead and the time between scans are compressed with them.
Work is entered and begun by set-based SQL, as by a program that writes to the tables; moved and cancelled by the import. A
day that is interrupted (Ctrl-C) reports how far it came.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import cpu, day_figures
from benchmarks.modes import whole_crew
from benchmarks.stage import DEFAULTS, Figures, Link, Meter, Options, bench_stack, one, sent, settle
from tests.stack import Stack, until

SHARES = (2, 5, 14, 12, 10, 8, 7, 12, 10, 8, 7, 5)
"""How many of a hundred reminders are due in each hour, from six o'clock on."""
HOURS = len(SHARES)
ON_THE_HOUR = 2
"""Every second one is due when the hour begins; the others are spread over it."""
DAY_SECONDS = 240.0
LEAST_RATE = 4_500
"""So many reminders a second on average, where the day would else be shorter than that allows."""
ENTERED_AHEAD = 2.0
"""Hours before it is due that work is entered."""
LOOK_AHEAD, TUNED_LOOK_AHEAD = 2.0, 2 / 3
"""Hours."""
TUNED_QUEUE_LIMIT = 50_000
CHANGED_AHEAD = 0.5
"""Hours before it is due that work is moved or cancelled."""
EVERY, MOVED, CANCELLED = 40, 7, 23
"""Of so many pieces of work one is moved by an hour, and another one is cancelled."""
STEPS = 240
PEOPLE = 4
"""So many pieces of work each person has, a quarter of the day apart."""
GIVE_UP_AFTER = 1_800.0
"""Seconds after the end of the day within which everything must be sent."""

PEOPLE_SEED = """
    INSERT INTO assignments_assignee (reference, name, email, phone, time_zone, language)
    SELECT 'P-' || i, 'Person ' || i, 'user' || i || '@example.test', '', 'Europe/Berlin', 'en'
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) i
"""
# `k` counts within the hour; the first `sharp` of it are due when it begins.
ENTER = """
    INSERT INTO assignments_assignment (reference, title, kind, location, notes, assignee_id, status, scheduled_start,
        version, reminder_status)
    SELECT 'JOB-' || (%(before)s + k), 'Assignment ' || (%(before)s + k), '', 'Street ' || k %% 300, '',
           %(person)s + (%(before)s + k) %% %(people)s, 'SCHEDULED',
           to_timestamp(%(begins)s) + make_interval(secs => %(lead)s + %(hour)s * CASE
               WHEN k < %(sharp)s THEN 0 ELSE (k - %(sharp)s)::float8 / greatest(%(size)s - %(sharp)s, 1) END),
           1, 'NONE'
    FROM generate_series(%(first)s::bigint, %(last)s::bigint - 1) k
"""
BEGIN_WORK = """
    UPDATE assignments_assignment SET status = 'IN_PROGRESS', started_at = now(), version = version + 1, updated_at = now()
    WHERE scheduled_start > to_timestamp(%s) AND scheduled_start <= to_timestamp(%s) AND status = 'SCHEDULED'
"""
TO_CHANGE = f"""
    SELECT a.reference, a.title, a.location, extract(epoch FROM a.scheduled_start)::float8, a.id %% {EVERY} = {CANCELLED},
           p.reference, p.name, p.email
    FROM assignments_assignment a JOIN assignments_assignee p ON p.id = a.assignee_id
    WHERE a.scheduled_start > to_timestamp(%s) AND a.scheduled_start <= to_timestamp(%s)
      AND a.id %% {EVERY} IN ({MOVED}, {CANCELLED}) AND a.version = 1 AND a.status = 'SCHEDULED'
"""
IMPORT = """
import json, sys
from assignments.imports.rows import read_row
from assignments.imports.writer import import_rows
done = import_rows([read_row(number, row) for number, row in enumerate(json.load(sys.stdin), 1)])
print(json.dumps(done.updated))
"""
WAL_OF_ENTRY = "SELECT coalesce((pg_stat_get_backend_wal(pg_backend_pid())).wal_bytes, 0)::bigint"
NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


@dataclass(slots=True)
class CourseOfADay:
    """The course of a day of `n` reminders, over `seconds`, whose first are due at `begins` (seconds since the epoch)."""

    n: int
    seconds: float
    tuned: bool = False
    begins: float = 0.0
    person: int = 0
    entered: int = 0
    changed: int = 0
    begun_until: float = 0.0
    changed_until: float = 0.0
    hours_told: int = 0

    @property
    def hour(self) -> float:
        """Seconds that an hour of the day takes."""
        return self.seconds / HOURS

    @property
    def lead(self) -> int:
        """In minutes, as all that are set: 30 of the day."""
        return max(1, round(self.hour / 2 / 60))

    @property
    def rules(self) -> dict[str, str]:
        """30 minutes of lead, 2 hours of look-ahead, 5 minutes between scans, all compressed; limits that hold nobody up.

        Tuned: 40 minutes of look-ahead, and more may be handed over between two ticks.
        """
        look_ahead = TUNED_LOOK_AHEAD if self.tuned else LOOK_AHEAD
        poll = max(5.0, self.hour / 12)
        return {
            "REMINDER_LEAD_MINUTES": str(self.lead),
            "REMINDER_LOOKAHEAD_MINUTES": str(max(self.lead + 1, round(look_ahead * self.hour / 60))),
            "REMINDER_POLL_INTERVAL_MS": str(round(poll * 1000)),
            "REMINDER_LEASE_SECONDS": f"{DEFAULTS.lease.total_seconds():g}",
            "REMINDER_QUEUE_LIMIT": str(TUNED_QUEUE_LIMIT if self.tuned else DEFAULTS.queue_limit),
            "REMINDER_RATE_PER_MINUTE": "60",
            "REMINDER_RATE_PER_HOUR": "1000",
        }

    @property
    def people(self) -> int:
        return max(1, self.n // PEOPLE)

    @property
    def ends(self) -> float:
        """When the last piece of work begins, those included that are moved."""
        return self.begins + self.seconds + self.hour + self.lead * 60

    def known_by(self, hours: float) -> int:
        """How many reminders are due up to this hour of the day, if each hour were even."""
        whole = min(max(int(hours), 0), HOURS)
        share = sum(SHARES[:whole]) + (SHARES[whole] * (hours - whole) if 0 < hours < HOURS else 0)
        return round(self.n * share / sum(SHARES))

    def parts(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        """The parameters of ENTER for the work from `first` to `last`, hour by hour."""
        for hour in range(HOURS):
            before, after = self.known_by(hour), self.known_by(hour + 1)
            if before < last and first < after:
                yield {
                    "before": before,
                    "first": max(first, before) - before,
                    "last": min(last, after) - before,
                    "size": after - before,
                    "sharp": (after - before) // ON_THE_HOUR,
                    "begins": self.begins + hour * self.hour,
                    "hour": self.hour,
                    "lead": self.lead * 60.0,
                    "person": self.person,
                    "people": self.people,
                }


def day(options: Options) -> Figures:
    """The figures of a day of `n` reminders."""
    plan = CourseOfADay(
        options.n, options.day_seconds or max(DAY_SECONDS, options.n / LEAST_RATE), tuned=options.tuned
    )
    with bench_stack(options, plan.rules) as (stack, link):
        _seed_people(link, plan)
        sizes_before = day_figures.sizes(link)
        crew = whole_crew(stack, options)
        meter = Meter(stack, link, crew)
        start = day_figures.Readings.of(link)
        entry = EntryCosts(link)
        first = plan.known_by(ENTERED_AHEAD)
        plan.begins = float(one(link, NOW)) + 15 + first / 4_000
        plan.begun_until = plan.begins
        plan.changed_until = plan.begins + plan.hour * CHANGED_AHEAD + plan.lead * 60
        complete = True
        try:
            _live_through(stack, link, plan)
            until(
                lambda: day_figures.is_all_closed(link),
                within=GIVE_UP_AFTER,
                what="every reminder has come to its end",
                every=1.0,
            )
        except (KeyboardInterrupt, AssertionError) as end:
            complete = False
            sys.stderr.write(f"the day was left after {sent(link)} reminders: {end!r}\n")
        done = sent(link)
        used = meter.per_thousand(max(done, 1))
        own = entry.per_thousand(max(done, 1))
        used["cpuSPer1000"]["postgres"] = round(used["cpuSPer1000"]["postgres"] - own, 3)
        used["cpuSPer1000"]["entry"] = own
        figures: Figures = {
            "complete": complete,
            "daySeconds": round(plan.seconds),
            "entered": plan.entered,
            "changed": plan.changed,
            "sent": done,
            "load": [round(value, 1) for value in os.getloadavg()],
            **used,
            **day_figures.rates(link),
            **day_figures.lags(link),
            **day_figures.scans(link),
            **start.since(link, done, entry_wal=entry.wal()),
            "sizes": day_figures.grown(sizes_before, day_figures.sizes(link), done),
            **day_figures.bloat(link),
        }
        figures["ledger"] = day_figures.outcomes(link)
        figures |= day_figures.verify(link)
        if complete:
            figures["archive"] = day_figures.archive(stack, link)
        return figures


class EntryCosts:
    """What the bench's own connection costs, which enters the work."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pid = link.info.backend_pid
        self._cpu, self._wal = cpu.process(self._pid), int(one(link, WAL_OF_ENTRY))

    def per_thousand(self, n: int) -> float:
        return round((cpu.process(self._pid) - self._cpu) / n * 1000, 3)

    def wal(self) -> int:
        return int(one(self._link, WAL_OF_ENTRY)) - self._wal


def _seed_people(link: Link, plan: CourseOfADay) -> None:
    # The index of names is brought up to date once, at the end.
    link.execute("SET gin_pending_list_limit = '1GB'")
    for first in range(1, plan.people + 1, 100_000):
        link.execute(PEOPLE_SEED.encode(), {"first": first, "last": min(first + 99_999, plan.people)})
    link.execute("RESET gin_pending_list_limit")
    plan.person = int(one(link, "SELECT min(id) FROM assignments_assignee"))
    settle(link, ["assignments_assignee"])


def _live_through(stack: Stack, link: Link, plan: CourseOfADay) -> None:
    """Step after step until the last piece of work has begun."""
    step = plan.seconds / STEPS
    while (now := float(one(link, NOW))) < plan.ends + step:
        hours = (now - plan.begins) / plan.hour
        _enter(link, plan, plan.known_by(hours + ENTERED_AHEAD))
        _change(stack, link, plan, now)
        if now > plan.begun_until:
            link.execute(BEGIN_WORK.encode(), [plan.begun_until, now])
            plan.begun_until = now
        if hours >= plan.hours_told:
            plan.hours_told = int(hours) + 1
            _tell(link, plan, hours)
        time.sleep(max(0.0, now + step - float(one(link, NOW))))


def _enter(link: Link, plan: CourseOfADay, wanted: int) -> None:
    for portion in range(plan.entered, wanted, 50_000):
        for part in plan.parts(portion, min(portion + 50_000, wanted)):
            link.execute(ENTER.encode(), part)
    plan.entered = max(plan.entered, wanted)


def _change(stack: Stack, link: Link, plan: CourseOfADay, now: float) -> None:
    """Moves and cancels what is due soon. What is moved starts an hour later, and is not looked at again."""
    last = now + plan.hour * CHANGED_AHEAD + plan.lead * 60
    if last <= plan.changed_until:
        return
    found = link.execute(TO_CHANGE.encode(), [plan.changed_until, last]).fetchall()
    plan.changed_until = last
    for portion in range(0, len(found), 10_000):
        rows = [_row(plan, values) for values in found[portion : portion + 10_000]]
        plan.changed += int(json.loads(stack.python(IMPORT, rows)))


def _row(plan: CourseOfADay, values: tuple[Any, ...]) -> dict[str, Any]:
    reference, title, location, start, is_cancelled, person, name, email = values
    moved = start if is_cancelled else start + plan.hour
    whole, part = divmod(moved, 1)
    return {
        "reference": reference,
        "title": title,
        "location": location,
        "scheduled_start": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f"{part:.6f}"[1:] + "Z",
        "status": "CANCELLED" if is_cancelled else "SCHEDULED",
        "assignee": {"reference": person, "name": name, "email": email},
    }


def _tell(link: Link, plan: CourseOfADay, hours: float) -> None:
    """One line for who watches, and for a day that is cut off."""
    told = {"hour": round(hours, 1), "entered": plan.entered, "changed": plan.changed, "sent": sent(link)}
    sys.stderr.write(json.dumps(told | day_figures.at_a_glance(link)) + "\n")
