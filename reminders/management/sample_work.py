"""Sample work for a demonstration: who, what and when, so that every outcome can be seen within half a minute.

Everybody here is invented; the addresses are in domains that belong to nobody (RFC 2606).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from reminders.conf import ReminderConfig

QUARTER = timedelta(minutes=15)


class Then(Enum):
    """What somebody does once the reminder of a work has arrived."""

    START = "the assignee starts it, by the link in the mail"
    DECLINE = "the assignee can't make it, and says so by the link in the mail"
    MOVE = "it is moved, so that what the assignee was told is wrong"
    NOTHING = "nothing: its reminder came a day before, by a rule"


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """An invented assignee; `key` makes up the reference."""

    key: str
    name: str
    email: str
    phone: str
    time_zone: str
    team: str = ""


@dataclass(frozen=True, slots=True)
class SampleTeam:
    """An invented team; `supervisor` is the key of a person."""

    name: str
    time_zone: str
    supervisor: str


@dataclass(frozen=True, slots=True)
class SampleRule:
    """An invented rule for one kind of work: its people are reminded so long before the start."""

    name: str
    kind: str
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One piece of invented work. `move_to` and `cancel` are what happens to it before it is due, `then` afterwards."""

    title: str
    kind: str
    location: str
    person: str
    start: datetime
    length: timedelta = timedelta(hours=1)
    notes: str = ""
    lead_minutes: int | None = None
    cancel: bool = False
    move_to: datetime | None = None
    then: Then | None = None


PEOPLE = (
    SamplePerson(
        "lindqvist",
        "Maria Lindqvist",
        "maria.lindqvist@example.org",
        "+46 8 5550 0101",
        "Europe/Stockholm",
        "Care",
    ),
    SamplePerson(
        "okafor", "Chidi Okafor", "chidi.okafor@example.org", "+234 201 555 0102", "Africa/Lagos", "Drivers"
    ),
    SamplePerson(
        "brandt", "Jonas Brandt", "jonas.brandt@example.net", "+49 30 5550103", "Europe/Berlin", "Technicians"
    ),
    SamplePerson(
        "tanaka", "Yuki Tanaka", "yuki.tanaka@example.com", "+81 3 5550 0104", "Asia/Tokyo", "Technicians"
    ),
    SamplePerson(
        "moreno",
        "Lucía Moreno",
        "lucia.moreno@example.org",
        "+34 91 555 01 05",
        "Europe/Madrid",
        "Technicians",
    ),
    SamplePerson(
        "oneill", "Aoife O'Neill", "aoife.oneill@example.net", "+353 1 555 0106", "Europe/Dublin", "Care"
    ),
    SamplePerson(
        "reyes", "Daniel Reyes", "daniel.reyes@example.com", "+1 303 555 0107", "America/Denver", "Drivers"
    ),
    SamplePerson(
        "sharma", "Priya Sharma", "priya.sharma@example.org", "+91 22 5550 0108", "Asia/Kolkata", "Care"
    ),
    SamplePerson("walsh", "Tom Walsh", "", "+61 2 5550 0109", "Australia/Sydney", "Technicians"),
    SamplePerson(
        "novak", "Eva Novak", "eva.novak@example.org", "+420 2 5550 0110", "Europe/Prague", "Technicians"
    ),
)

TEAMS = (
    SampleTeam("Care", "Europe/Stockholm", "lindqvist"),
    SampleTeam("Technicians", "Europe/Berlin", "novak"),
    SampleTeam("Drivers", "Africa/Lagos", "okafor"),
)

PLANNER, DISPATCHER = "petra.planner", "dave.dispatch"
"""Invented operators, by whose names the audit trail tells of what is changed."""

INSPECTION = "Inspection"
RULES = (
    SampleRule("The day before an inspection", INSPECTION, 24 * 60),
    SampleRule("Half an hour before an inspection", INSPECTION, 30),
)

LATER_TODAY = (
    ("Replace water meter", "Technician", "18 Mill Lane, flat 3", "brandt"),
    ("Afternoon care visit", "Care", "Rosewood House, room 12", "lindqvist"),
    ("Collect blood samples", "Driver", "Surgery at North Gate", "oneill"),
    ("Check smoke detectors", "Technician", "Primary school, Elm Street", "moreno"),
    ("Deliver oxygen bottles", "Driver", "Harbour clinic, ramp B", "okafor"),
)
TOMORROW = (
    (time(8, 0), "Morning care visit", "Care", "Rosewood House, room 12", "lindqvist"),
    (time(9, 30), "Inspect lift no. 4", "Technician", "Central station, hall 2", "tanaka"),
    (time(7, 45), "School bus, route 12", "Driver", "Depot East", "reyes"),
    (time(13, 15), "Fit hearing aid", "Care", "Lakeside practice", "sharma"),
    (time(10, 0), "Read gas meters, block C", "Technician", "Garden Court 20-48", "moreno"),
    (time(16, 30), "Return wheelchair", "Driver", "St. Brigid's, front desk", "oneill"),
    (time(11, 0), "Service boiler", "Technician", "22 Kiln Road", "brandt"),
    (time(15, 0), "Test the fire alarm", "Technician", "Town library", "walsh"),
)


def samples(*, now: datetime, config: ReminderConfig) -> Iterator[Sample]:
    """The work of one demonstration that begins at `now`, whatever lead and overdue time are in force."""

    def due_in(seconds: float) -> datetime:
        return now + config.lead + timedelta(seconds=seconds)

    yield Sample(
        title="Morning medication round",
        kind="Care",
        location="Rosewood House, ground floor",
        person="lindqvist",
        start=due_in(6),
        notes="Ring twice. The key is with the neighbour.",
    )
    yield Sample(
        title="Repair heating pump",
        kind="Technician",
        location="22 Kiln Road, cellar",
        person="brandt",
        start=due_in(10),
        length=timedelta(hours=2),
    )
    yield Sample(
        title="Patient transport to dialysis",
        kind="Driver",
        location="Harbour clinic, entrance A",
        person="okafor",
        start=due_in(14),
        then=Then.MOVE,
    )
    yield Sample(
        title="Install fibre connection",
        kind="Technician",
        location="7 Station Square, 2nd floor",
        person="moreno",
        start=now + timedelta(minutes=5, seconds=18),
        lead_minutes=5,
        notes="Wants to be told five minutes before, not earlier.",
        then=Then.START,
    )
    yield Sample(
        title="Night watch handover",
        kind="Care",
        location="Lakeside home, ward 2",
        person="oneill",
        start=due_in(22),
        then=Then.DECLINE,
    )
    yield Sample(
        title="Check fire extinguishers",
        kind="Technician",
        location="Town library",
        person="walsh",
        start=due_in(16),
        notes="Nobody has noted an e-mail address for Tom.",
    )
    yield Sample(
        title="Deliver hospital bed",
        kind="Driver",
        location="41 Orchard Street",
        person="reyes",
        start=due_in(20),
        cancel=True,
    )
    yield Sample(
        title="Vaccination at home",
        kind="Care",
        location="3 Chapel Close",
        person="sharma",
        start=due_in(24),
        move_to=due_in(24) + timedelta(hours=3),
    )
    yield Sample(
        title="Clear blocked drain",
        kind="Technician",
        location="Market hall, stand 9",
        person="tanaka",
        start=now - config.overdue + timedelta(seconds=15),
        notes="Nobody has started this one: it becomes overdue.",
    )
    yield Sample(
        title="Inspect playground",
        kind=INSPECTION,
        location="Elm Street park",
        person="novak",
        start=now + timedelta(minutes=RULES[0].minutes, seconds=26),
        notes="A rule has inspections announced a day before.",
        then=Then.NOTHING,
    )
    for hours, (title, kind, location, person) in enumerate(LATER_TODAY, start=1):
        start = _next_quarter(now + config.lead + timedelta(hours=hours))
        yield Sample(title=title, kind=kind, location=location, person=person, start=start)
    for at, title, kind, location, person in TOMORROW:
        yield Sample(
            title=title,
            kind=kind,
            location=location,
            person=person,
            start=_next_day(now + config.lead, at, zone_of(person)),
        )


def zone_of(key: str) -> ZoneInfo:
    """Where this person's clock hangs."""
    return ZoneInfo(next(person.time_zone for person in PEOPLE if person.key == key))


def _next_quarter(instant: datetime) -> datetime:
    past = timedelta(minutes=instant.minute % 15, seconds=instant.second, microseconds=instant.microsecond)
    return instant - past + QUARTER


def _next_day(instant: datetime, at: time, zone: ZoneInfo) -> datetime:
    """`at` on this person's wall, on the day after the instant's: with a lead of weeks, tomorrow is due today."""
    return datetime.combine(instant.astimezone(zone).date() + timedelta(days=1), at, tzinfo=zone)
