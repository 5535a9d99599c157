"""A system in which everything has happened: the scene that the browser looks at."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts import roles
from assignments import services
from assignments.models import Assignee, Assignment, ReminderStatus
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, heartbeats, scan
from reminders.insight import statistics
from reminders.models import (
    Attempt,
    Audit,
    ChannelPace,
    CircuitBreaker,
    Process,
    Reminder,
    ScanRun,
    Statistics,
)
from reminders.operations import pauses, rescans
from tests import acting
from tests.browser.remembered import Remembered
from tests.emptying import filled
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

PAYLOAD = "<script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">'\"&{{7*7}}"


@dataclass
class Scene:
    """What the tests ask for by name."""

    sent: Assignment
    unreachable: Assignment
    unknown: Assignment
    coming: Assignment
    late: Assignment
    out_of_sync: Assignment


def logins() -> None:
    """vera looks, olga acts, guest has no role."""
    roles.set_up()
    for name, groups in (("vera", [roles.VIEWERS]), ("olga", [roles.OPERATORS]), ("guest", [])):
        user = get_user_model().objects.create_user(name, is_staff=True)
        user.groups.set(Group.objects.filter(name__in=groups))


_made: list[tuple[Remembered, dict[str, int]]] = []
"""What the first test of this process made, and which work is which there."""


def set_up(config: ReminderConfig) -> Scene:
    """Work in every fate, by the real clock."""
    if Assignee.objects.exists():  # Beside other work, it is this test's own.
        scene = _make(config, timezone.now())
    elif _made:
        remembered, keys = _made[0]
        remembered.put_back()
        scene = Scene(**{name: Assignment.objects.get(pk=key) for name, key in keys.items()})
    else:
        before, now = filled(), timezone.now()
        scene = _make(config, now)
        keys = {field.name: getattr(scene, field.name).pk for field in fields(Scene)}
        _made.append((Remembered.since(before, now), keys))
    Statistics.objects.all().delete()
    statistics.current(config=config)
    return scene


def _make(config: ReminderConfig, now: datetime) -> Scene:
    """Step by step; the last bit of history is written as if it were older."""

    def turn(*outcomes: Outcome) -> None:
        channel = MemoryChannel()
        channel.answer_with(*outcomes)
        desk = MemoryBroker()
        # What may have arrived waits before it is repeated: here its time has come.
        Reminder.objects.filter(closed_at__isnull=True, ambiguous__gt=0).update(next_attempt_at=now)
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=lambda _name: channel)

    def work(title: str, minutes: float, **values: object) -> Assignment:
        return AssignmentFactory(title=title, scheduled_start=now + timedelta(minutes=minutes), **values)

    unknown = work("Collect blood samples", 15, assignee__name="Aoife O'Neill")
    turn(Outcome.UNKNOWABLE)
    turn(Outcome.UNKNOWABLE)
    doubled = work("Deliver oxygen bottles", 16, assignee__name="Chidi Okafor")
    turn(Outcome.UNKNOWABLE)
    turn()
    sent = work("Replace water meter", 20, reference="W-1001", assignee__name="Jonas Brandt")
    unreachable = work(
        "Check smoke detectors",
        25,
        reference="W-1002",
        assignee__name="Tom Walsh",
        assignee__unreachable=True,
    )
    for number in range(3):
        work(f"Care visit {number + 1}", 18 + number, assignee__name="Maria Lindqvist")
    turn()
    Reminder.objects.filter(assignment__title__startswith="Care visit").update(
        closed_at=now - timedelta(minutes=17), sent_at=now - timedelta(minutes=17)
    )
    late = work("Return wheelchair", 1, assignee__name="Yuki Tanaka", reference="W-1003")
    turn()
    # As if it had begun 50 minutes ago, and nobody came.
    began = now - timedelta(minutes=50)
    Assignment.objects.filter(pk=late.pk).update(scheduled_start=began, known_at=now - timedelta(days=1))
    Reminder.objects.filter(assignment=late).update(planned_start=began, next_attempt_at=now)
    turn()
    late.refresh_from_db()
    assert late.reminder_status == ReminderStatus.OVERDUE
    coming = work("Service boiler", 70, reference="W-1004", assignee__name="Priya Sharma")
    acting.confirm(coming)
    away = work("Read gas meters, Hill Road", 95, assignee__name="Sam Field")
    acting.decline(away, note="I am ill until Friday.")
    for number in range(4):
        work(f"School bus, route {number + 1}", 40 + 33 * number, assignee__name="Daniel Reyes")
    work("Read gas meters", 60, assignee=None)
    out_of_sync = work("Fit hearing aid", 90, reference="W-1005", assignee__name="Lucía Moreno")
    Assignment.objects.filter(pk=out_of_sync.pk).update(reminder_status=ReminderStatus.SENT)
    services.cancel(work("Inspect lift no. 4", 75, assignee__name="Yuki Tanaka").pk)
    assert Reminder.objects.get(assignment=doubled).ambiguous == 1
    scan.scan(trigger="beat", config=config)
    for kind in ("beat", "scanner", "worker", "web"):
        heartbeats.record(kind)
        Process.objects.get_or_create(kind=kind, host="ops-1", pid=4_711)
    return Scene(sent, unreachable, unknown, coming, late, out_of_sync)


def slow_mail_server(config: ReminderConfig) -> tuple[Assignment, Assignment]:
    """A channel that accepts two messages a minute while eight wait: one that waits, and one that is too late by then."""
    now = timezone.now()
    waiting = [
        AssignmentFactory(title=f"Water plants, house {number}", scheduled_start=now + timedelta(minutes=20))
        for number in range(8)
    ]
    late = waiting[-1]
    Reminder.objects.filter(assignment=late, kind="REMINDER").update(not_after=now + timedelta(seconds=20))
    ChannelPace.objects.create(
        channel=config.channel,
        per_minute=2,
        tokens=0,
        refilled_at=now,
        raised_at=now,
        throttled_at=now,
        since=now - timedelta(minutes=12),
        code="452",
        detail="too many messages",
    )
    Statistics.objects.all().delete()
    statistics.current(config=config)
    return waiting[3], late


def poison(config: ReminderConfig) -> Assignment:
    """One assignment and all around it with markup in every text that somebody may write."""
    person = AssigneeFactory(name=PAYLOAD, reference=PAYLOAD)
    Assignee.objects.filter(pk=person.pk).update(phone=PAYLOAD[:40])  # As an earlier release took it.
    work = AssignmentFactory(
        title=PAYLOAD,
        reference=PAYLOAD,
        kind=PAYLOAD[:60],
        location=PAYLOAD,
        notes=PAYLOAD,
        assignee=person,
        scheduled_start=timezone.now() + timedelta(minutes=20),
    )
    desk, channel = MemoryBroker(), MemoryChannel()
    dispatch.dispatch(config=config, broker=desk)
    deliver.deliver(desk.hints(), config=config, channel=lambda _name: channel)
    Attempt.objects.update(code=PAYLOAD[:40], detail=PAYLOAD)
    rescans.rescan(trigger="cli", by=PAYLOAD, reason=PAYLOAD, config=config)
    ScanRun.objects.filter(error="").update(by=PAYLOAD)
    pauses.pause(by=PAYLOAD, reason=PAYLOAD)
    CircuitBreaker.objects.create(
        channel="<b>mail</b>",
        until=timezone.now() + timedelta(minutes=5),
        code=PAYLOAD[:40],
        detail=PAYLOAD,
        failures=1,
    )
    Process.objects.create(kind="worker", host=PAYLOAD, pid=1)
    Audit.objects.create(
        actor=PAYLOAD,
        action=PAYLOAD[:40],
        reason=PAYLOAD,
        selection={"ids": [PAYLOAD]},
        before={PAYLOAD: 1},
        after={PAYLOAD: PAYLOAD},
    )
    Statistics.objects.all().delete()
    return work
