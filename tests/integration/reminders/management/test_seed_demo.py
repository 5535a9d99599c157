"""What a newcomer sees within half a minute of `seed_demo`, under any lead."""

from collections import Counter
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from assignments.models import Assignee, Assignment, ChangeRecord, ReminderStatus
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch
from reminders.management import sample_work
from reminders.management.sample_work import DISPATCHER, PLANNER
from reminders.models import Audit, Kind, Reminder
from tests.conftest import NOON
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

SUPERVISED = {"channel": "memory", "ops_emails": ("ops@example.test",)}


def rules(**more: object) -> ReminderConfig:
    return ReminderConfig(**{**SUPERVISED, **more})


def half_a_minute(clock, config, outbox):
    """Seconds go by: a tick of dispatch and a worker in each."""
    desk = MemoryBroker()
    for _ in range(30):
        clock.advance(timedelta(seconds=1))
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=lambda _: outbox)
        desk.batches.clear()


@pytest.mark.parametrize(
    "config",
    [
        rules(),
        rules(lead=timedelta(minutes=1), lookahead=timedelta(minutes=10), overdue=timedelta(minutes=1)),
        rules(lead=timedelta(minutes=43_200), lookahead=timedelta(minutes=50_000)),
    ],
    ids=["default", "shortest lead", "longest lead"],
)
def test_every_fate_is_seen_within_half_a_minute(clock, outbox, settings, config):
    settings.REMINDERS = config
    call_command("seed_demo", stdout=StringIO())
    half_a_minute(clock, config, outbox)

    to = [message.address for message in outbox.messages]
    assert sorted(to) == [
        "aoife.oneill@example.net",
        "chidi.okafor@example.org",
        "eva.novak@example.org",
        "eva.novak@example.org",
        "jonas.brandt@example.net",
        "lucia.moreno@example.org",
        "maria.lindqvist@example.org",
    ]
    closed = Reminder.objects.exclude(closed_at=None).order_by("id")
    # With a short lead the start is near, and the cancelled and the moved work had a marker already.
    closed = closed.exclude(kind=Kind.OVERDUE, state="SKIPPED")
    ends = Counter(closed.values_list("kind", "state", "reason"))
    assert ends == {
        (Kind.REMINDER, "SENT", ""): 6,
        (Kind.REMINDER, "SKIPPED", "cancelled"): 1,
        (Kind.REMINDER, "SKIPPED", "moved"): 1,
        (Kind.REMINDER, "SKIPPED", "past"): 1,
        (Kind.REMINDER, "FAILED", "no_contact"): 1,
        (Kind.OVERDUE, "MARKED", ""): 1,
        (Kind.OVERDUE, "SENT", ""): 1,
    }
    roll_up = Counter(Assignment.objects.values_list("reminder_status", flat=True).order_by("id"))
    assert roll_up == {ReminderStatus.SENT: 6, ReminderStatus.OVERDUE: 1, ReminderStatus.NONE: 16}


def test_the_first_reminder_is_due_after_six_seconds_and_the_last_within_twenty_five(config):
    leads = [
        (
            sample.start
            - NOON
            - (timedelta(minutes=sample.lead_minutes) if sample.lead_minutes else config.lead)
        )
        for sample in sample_work.samples(now=NOON, config=config)
    ]
    soon = sorted(lead.total_seconds() for lead in leads if timedelta() < lead < timedelta(minutes=1))
    assert soon == [6, 10, 14, 16, 18, 20, 22, 24]


def test_a_second_run_adds_a_second_set_for_the_same_people(clock):
    said = StringIO()
    call_command("seed_demo", stdout=said)
    call_command("seed_demo", stdout=said)
    assert Assignee.objects.count() == 10
    assert Assignment.objects.filter(reference__startswith="DEMO-1-").count() == 23
    assert Assignment.objects.filter(reference__startswith="DEMO-2-").count() == 23
    assert said.getvalue().splitlines()[2] == "sample set 2: 23 assignments for 10 people"


def test_nobody_could_really_be_written_to(clock):
    call_command("seed_demo", stdout=StringIO())
    domains = {email.partition("@")[2] for email in Assignee.objects.values_list("email", flat=True) if email}
    assert domains == {"example.org", "example.net", "example.com"}


def test_tomorrows_work_stands_at_the_hour_of_each_persons_own_clock(config):
    tomorrow = [sample for sample in sample_work.samples(now=NOON, config=config) if sample.start.utcoffset()]
    assert [sample.start.strftime("%H:%M %z") for sample in tomorrow] == [
        "08:00 +0200",
        "09:30 +0900",
        "07:45 -0600",
        "13:15 +0530",
        "10:00 +0200",
        "16:30 +0100",
        "11:00 +0200",
        "15:00 +1000",
    ]


def test_switched_off_it_says_that_nothing_will_be_sent(clock, settings):
    settings.REMINDERS = rules(enabled=False)
    said = StringIO()
    call_command("seed_demo", stdout=said)
    assert said.getvalue().splitlines()[1] == (
        "REMINDER_WORKER_ENABLED is false: nothing will be planned or sent"
    )
    assert Reminder.objects.count() == 0


def test_named_operators_did_what_was_done(clock):
    call_command("seed_demo", stdout=StringIO())
    assert set(ChangeRecord.objects.values_list("actor", flat=True)) == {PLANNER, DISPATCHER}
    assert set(Audit.objects.values_list("actor", flat=True)) == {PLANNER}
