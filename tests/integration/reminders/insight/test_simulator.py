"""The simulator foretells what the pipeline then sends, writes nothing, and refuses what makes no sense."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from assignments import services
from assignments.models import Assignment
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, scan
from reminders.insight.simulator.simulator import simulate
from reminders.models import Reminder
from reminders.operations import pauses
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def work(clock):
    """Work of every sort, as (title, start in minutes, lead), with what the rules make of it."""
    ada = AssigneeFactory(name="Ada", email="ada@example.test")
    for title, minutes, lead in (
        ("now", 10, None),
        ("soon", 60, None),
        ("far", 600, None),
        ("own lead", 700, 600),
        ("next day", 26 * 60, None),
    ):
        AssignmentFactory(
            title=title, scheduled_start=NOON + timedelta(minutes=minutes), lead_minutes=lead, assignee=ada
        )
    services.cancel(AssignmentFactory(title="cancelled").pk)
    AssignmentFactory(title="past", past=True)
    AssignmentFactory(title="nobody", unassigned=True)
    return ada


def titles(found) -> list[tuple[str, int]]:
    return [(send.title, round((send.at - NOON) / timedelta(minutes=1))) for send in found.sends]


def test_what_would_be_sent_when_to_whom_and_over_which_channel(work, config):
    found = simulate(since=NOON, until=NOON + 24 * HOUR, config=config)
    assert titles(found) == [("now", 0), ("soon", 30), ("nobody", 30), ("own lead", 100), ("far", 570)]
    assert (found.total, found.people, found.unreachable) == (4, 1, 1)
    assert found.by_channel == {"memory": 4}
    first = found.sends[0]
    assert (first.to, first.contact) == (f"Ada (assignee {work.pk})", "a...@example.test")
    assert [(at - NOON, count) for at, count in found.spans.items()] == [
        (timedelta(minutes=minutes), 1) for minutes in (0, 30, 100, 570)
    ]
    assert found.busiest == (NOON, 1)


def test_other_rules_move_what_nobody_has_begun(work, config):
    found = simulate(
        since=NOON, until=NOON + 24 * HOUR, config=replace(config, lead=45 * timedelta(minutes=1))
    )
    assert titles(found) == [("now", 0), ("soon", 15), ("nobody", 15), ("own lead", 100), ("far", 555)]
    none = simulate(since=NOON, until=NOON + 24 * HOUR, config=replace(config, enabled=False))
    assert (none.total, none.sends, none.busiest) == (0, (), None)


def test_what_was_sent_is_not_sent_again_and_what_failed_comes_when_it_is_tried_again(
    clock, config, channel_of, outbox
):
    def run() -> None:
        desk = MemoryBroker()
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=channel_of)

    AssignmentFactory(soon=True)
    run()
    again = AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.REFUSED_FOR_NOW)
    run()
    found = simulate(since=NOON, until=NOON + HOUR, config=config)
    retry = Reminder.objects.get(assignment=again, kind="REMINDER").next_attempt_at
    assert [(send.assignment_id, send.at) for send in found.sends] == [(again.pk, retry)]


def test_it_foretells_what_the_pipeline_then_sends(work, clock, config, channel_of, outbox):
    found = simulate(since=NOON, until=NOON + 24 * HOUR, config=config)
    sent = {}
    for minute in range(0, 24 * 60, 5):
        clock.set(NOON + timedelta(minutes=minute))
        scan.scan(trigger="cli", config=config)
        desk = MemoryBroker()
        dispatch.dispatch(config=config, broker=desk)
        before = len(outbox.messages)
        deliver.deliver(desk.hints(), config=config, channel=channel_of)
        for message in outbox.messages[before:]:
            sent[message.message_id] = minute
    assert sorted(sent.values()) == [minutes for title, minutes in titles(found) if title != "nobody"]


def test_it_writes_nothing_and_minds_neither_pause_nor_hold(work, config):
    before = list(Reminder.objects.order_by("id").values())
    pauses.pause(by="olga", reason="storm")
    assert simulate(since=NOON, until=NOON + 24 * HOUR, config=config).total == 4
    assert list(Reminder.objects.order_by("id").values()) == before


def test_only_the_first_sends_are_kept_and_all_are_counted(clock, config):
    for minutes in (50, 40, 70, 60):
        AssignmentFactory(scheduled_start=NOON + timedelta(minutes=minutes))
    found = simulate(since=NOON, until=NOON + HOUR, config=config, limit=2)
    assert [round((send.at - NOON) / timedelta(minutes=1)) for send in found.sends] == [10, 20]
    assert (found.total, found.people, found.complete) == (4, 4, True)
    stopped = simulate(since=NOON, until=NOON + HOUR, config=config, budget=timedelta())
    assert (stopped.total, stopped.complete) == (0, False)


def test_a_stream_of_assignments_costs_a_few_statements(clock, config, django_assert_max_num_queries):
    AssignmentFactory.create_batch(30)
    with django_assert_max_num_queries(9):
        assert simulate(since=NOON, until=NOON + HOUR, config=config).total == 30


@pytest.mark.parametrize(
    ("hours", "span"), [(24, 5), (25.1, 15), (75.1, 60), (24 * 30, 360), (24 * 366, 1440)]
)
def test_the_longer_the_range_the_wider_the_spans(clock, config, hours, span):
    found = simulate(since=NOON, until=NOON + hours * HOUR, config=config)
    assert found.span == timedelta(minutes=span)


@pytest.mark.parametrize(
    ("since", "until", "limit", "field"),
    [
        (0, 0, 1, "until"),
        (1, 0, 1, "until"),
        (-3, -1, 1, "until"),
        (0, 24 * 366 + 1, 1, "until"),
        (0, 1, -1, "limit"),
        (0, 1, 1001, "limit"),
    ],
)
def test_a_range_of_no_use_is_refused(clock, config, since, until, limit, field):
    with pytest.raises(ValidationError) as refusal:
        simulate(since=NOON + since * HOUR, until=NOON + until * HOUR, config=config, limit=limit)
    assert list(refusal.value.message_dict) == [field]


# --- the command -----------------------------------------------------------------------------------------------


def test_the_command_answers_in_words(work, capsys):
    now = Assignment.objects.get(title="now").pk
    call_command("simulate_reminders", "--to", "2026-06-15T13:00:00+00:00", "--limit", "1")
    assert capsys.readouterr().out.splitlines() == [
        "From 2026-06-15 12:00:00 UTC until 2026-06-15 13:00:00 UTC, under today's settings:",
        "2 messages would be sent; people who get one: 1.",
        "  over memory: 2",
        "1 would fail: there is nobody to write to, or no usable address.",
        "",
        "By 5 minutes (most at 2026-06-15 12:00:00 UTC: 1):",
        "  2026-06-15 12:00:00 UTC  1",
        "  2026-06-15 12:30:00 UTC  1",
        "",
        "The first 1:",
        f"  2026-06-15 12:00:00 UTC  #{now} now: Ada (assignee {work.pk}), a...@example.test",
    ]


def test_the_command_takes_other_rules_and_answers_in_json(work, capsys):
    words = ["--set", "REMINDER_LEAD_MINUTES=45", "REMINDER_CHANNEL=memory", "--json"]
    call_command("simulate_reminders", *words)
    out = capsys.readouterr().out
    answer = json.loads(out)
    assert (answer["sends"], answer["unreachable"], answer["span_seconds"]) == (4, 1, 300)
    assert answer["set"] == {"REMINDER_LEAD_MINUTES": "45", "REMINDER_CHANNEL": "memory"}
    assert answer["first"][1]["at"] == "2026-06-15T12:15:00+00:00"
    assert "ada@example.test" not in out


def test_the_command_says_what_it_leaves_out(work, capsys, settings):
    pauses.pause(by="olga", reason="storm")
    settings.REMINDERS = ReminderConfig(channel="memory", enabled=False)
    call_command("simulate_reminders")
    notes = capsys.readouterr().out.splitlines()[-2:]
    assert notes[0].startswith("REMINDER_WORKER_ENABLED is false")
    assert notes[1] == "Sending is paused at present; this is what goes out without a pause."


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "noon"], "an instant is needed"),
        (["--from", "2026-06-15T12:00:00"], "an offset is needed"),
        (["--to", "0001-01-01T00:00:00+14:00"], "too far away"),
        (["--to", "2026-06-15T11:00:00Z"], "after the beginning"),
        (["--set", "REMINDER_LEAD_MINUTES"], "NAME=VALUE is needed"),
        (["--set", "REMINDER_LEAD=60"], "the nearest is REMINDER_LEAD_MINUTES"),
        (["--set", "REMINDER_LEAD_MINUTES=0"], "a whole number from 1 to 43200 is needed"),
        (["--set", "REMINDER_LEAD_MINUTES=600"], "REMINDER_LOOKAHEAD_MINUTES is 120"),
        (["--set", "REMINDER_CHANNEL=pigeon"], "one of chat, email"),
        (["--set", "SECRET_KEY=x"], "SECRET_KEY is not a variable"),
        (["--limit", "-1"], "from 0 to 1000"),
    ],
)
def test_bad_ranges_and_bad_settings_are_refused_in_clear_words(clock, words, told):
    with pytest.raises(CommandError, match=told):
        call_command("simulate_reminders", *words)
