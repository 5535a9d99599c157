"""Who was told of work that is then moved, cancelled, given away or described anew hears of it, once."""

import io
import json
from datetime import timedelta

import pytest
from django.db import connection

from assignments import services
from assignments.imports.json_rows import read_json
from assignments.imports.writer import import_rows
from assignments.models import Assignment, Status
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch, scan
from reminders.delivery.ends import record
from reminders.insight.explain.explain import explain
from reminders.insight.simulator.simulator import simulate
from reminders.ledger import beginning, counters
from reminders.models import Kind, Reminder, State
from reminders.operations import pauses
from tests import acting
from tests.conftest import NOON, DatabaseClock
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.stage import Stage

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
GRACE = timedelta(seconds=60)
LATER = NOON + timedelta(hours=6)


@pytest.fixture
def stage(clock: DatabaseClock, config: ReminderConfig, outbox: MemoryChannel) -> Stage:
    return Stage(clock, config, outbox)


@pytest.fixture
def reminded(stage: Stage) -> Stage:
    return stage.remind()


def test_work_that_is_moved_after_its_reminder_gives_one_correction_after_the_grace(reminded):
    services.reschedule(reminded.work.pk, start=LATER)
    assert reminded.tick() == []
    assert reminded.tick(GRACE) == ["Moved from 12:20 to 18:00: Pump"]
    scan.scan(trigger="cli", config=reminded.config)
    assert reminded.tick(GRACE) == []
    assert reminded.ends(Kind.CORRECTION) == [(State.SENT, "")]


def test_a_correction_is_no_reminder_of_the_new_start(reminded):
    services.reschedule(reminded.work.pk, start=LATER)
    reminded.tick(GRACE)
    reminded.clock.set(LATER - 40 * MINUTE)
    scan.scan(trigger="cli", config=reminded.config)
    assert reminded.tick(11 * MINUTE) == ["Reminder: Pump, Mon 15 Jun, 18:00"]


def test_back_and_forth_within_the_grace_sends_nothing(reminded):
    services.reschedule(reminded.work.pk, start=LATER)
    services.reschedule(reminded.work.pk, start=NOON + 20 * MINUTE)
    assert reminded.tick(GRACE) == []
    assert reminded.ends(Kind.CORRECTION) == [(State.SKIPPED, "as_told")]


def test_back_and_forth_to_a_start_whose_reminder_is_due_sends_nothing_either(reminded):
    services.reschedule(reminded.work.pk, start=NOON + 25 * MINUTE)
    assert reminded.tick() == []
    services.reschedule(reminded.work.pk, start=NOON + 20 * MINUTE)
    assert reminded.tick(GRACE) == []


def test_a_reminder_that_is_due_states_the_change_and_no_correction_follows(reminded):
    services.reschedule(reminded.work.pk, start=NOON + 25 * MINUTE)
    assert reminded.tick(GRACE) == ["Reminder: Pump, Mon 15 Jun, 12:25"]
    assert "It was moved from 12:20 to 12:25." in reminded.outbox.messages[-1].text
    assert reminded.tick(GRACE) == []
    assert [state for state, _ in reminded.ends(Kind.CORRECTION)] == [State.SKIPPED]


def test_moved_further_within_the_grace_the_correction_says_the_newest(reminded):
    services.reschedule(reminded.work.pk, start=LATER)
    services.reschedule(reminded.work.pk, start=LATER + 60 * MINUTE)
    assert reminded.tick(GRACE) == ["Moved from 12:20 to 19:00: Pump"]
    services.reschedule(reminded.work.pk, start=NOON + timedelta(days=1))
    assert reminded.tick(GRACE) == ["Moved from Mon 15 Jun, 19:00 to Tue 16 Jun, 12:00: Pump"]
    assert reminded.ends(Kind.CORRECTION) == [(State.SENT, "")] * 2


def test_cancelled_work_is_called_off_and_put_back_it_is_told_again(reminded):
    services.cancel(reminded.work.pk)
    assert reminded.tick(GRACE) == ["Cancelled: Pump, Mon 15 Jun, 12:20"]
    services.change(reminded.work.pk, {"status": Status.SCHEDULED, "scheduled_start": LATER})
    assert reminded.tick(GRACE) == ["Yours again: Pump, Mon 15 Jun, 18:00"]


def test_who_had_the_work_hears_that_it_is_theirs_no_longer_and_nothing_of_the_new_plan(reminded):
    former = reminded.work.assignee
    other = AssigneeFactory(time_zone="UTC")
    services.change(
        reminded.work.pk, {"assignee_id": other.pk, "scheduled_start": LATER, "location": "Vault 7"}
    )
    assert reminded.tick(GRACE) == ["No longer yours: Pump, Mon 15 Jun, 12:20"]
    message = reminded.outbox.messages[-1]
    assert message.address == former.email
    assert former.name in message.text
    for secret in ("18:00", "Vault 7", other.name):
        assert secret not in message.text + message.html


def test_given_back_after_it_was_taken_away_the_work_is_told_again(reminded):
    former, other = reminded.work.assignee, AssigneeFactory()
    services.reassign(reminded.work.pk, assignee_id=other.pk)
    reminded.tick(GRACE)
    services.reassign(reminded.work.pk, assignee_id=former.pk)
    told = reminded.tick(GRACE)
    assert [m.address for m in reminded.outbox.messages[-len(told) :]].count(former.email) == 1
    assert "Reminder: Pump, Mon 15 Jun, 12:20" in told


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"location": "Hall 2"}, "the place has changed; it was: Hall 1."),
        ({"title": "Turbine"}, "the title has changed; it was: Pump."),
    ],
)
def test_another_place_or_title_is_told_though_the_plan_is_the_same(reminded, change, line):
    services.change(reminded.work.pk, change)
    (subject,) = reminded.tick(GRACE)
    assert subject.startswith("Changed: ")
    assert line in reminded.outbox.messages[-1].text
    services.change(reminded.work.pk, {"notes": "bring gloves"})
    assert reminded.tick(GRACE) == []


def test_who_was_told_nothing_is_not_corrected(stage):
    services.reschedule(stage.work.pk, start=LATER)
    services.change(stage.work.pk, {"title": "Turbine"})
    services.cancel(stage.work.pk)
    assert stage.tick(GRACE) == []
    assert stage.ends(Kind.CORRECTION) == []


def test_a_message_that_may_have_arrived_counts_as_told(stage):
    stage.outbox.answer_with(Outcome.UNKNOWABLE)
    stage.tick()
    services.reschedule(stage.work.pk, start=LATER)
    assert stage.tick(GRACE) == ["Moved from 12:20 to 18:00: Pump"]


def test_a_correction_whose_own_end_is_unknown_leads_to_no_other(reminded):
    services.reschedule(reminded.work.pk, start=LATER)
    reminded.outbox.answer_with(Outcome.UNKNOWABLE, Outcome.UNKNOWABLE)
    reminded.tick(GRACE)
    reminded.tick(2 * GRACE)
    scan.scan(trigger="cli", config=reminded.config)
    reminded.tick(GRACE)
    assert reminded.ends(Kind.CORRECTION) == [(State.UNKNOWN, "ambiguous")]
    # Both starts may be known now: a move back to the first one is told too.
    services.reschedule(reminded.work.pk, start=NOON + 50 * MINUTE)
    assert reminded.tick(GRACE) != []


def test_a_change_while_the_message_is_sent_is_corrected(stage):
    dispatch.dispatch(config=stage.config, broker=stage.desk)
    begun = beginning.begin(stage.desk.hints(), config=stage.config)
    stage.desk.batches.clear()
    services.change(stage.work.pk, {"location": "Hall 2"})
    ends = deliver._send_all(begun.claims, stage.config, lambda _: stage.outbox)
    record(ends, stage.config)
    (subject,) = stage.tick(GRACE)
    assert subject.startswith("Changed: ")


def test_a_refused_correction_leaves_what_was_told(reminded):
    services.reschedule(reminded.work.pk, start=LATER)
    reminded.outbox.answer_with(Outcome.REJECTED)
    reminded.tick(GRACE)
    assert reminded.ends(Kind.CORRECTION) == [(State.FAILED, "rejected")]
    services.reschedule(reminded.work.pk, start=NOON + 20 * MINUTE)
    assert reminded.tick(GRACE) == []


def test_a_started_assignee_is_not_corrected_and_work_of_the_past_is_left_alone(reminded):
    acting.start(reminded.work.pk)
    services.change(reminded.work.pk, {"location": "Hall 2"})
    assert reminded.ends(Kind.CORRECTION) == []
    late = Stage(reminded.clock, reminded.config, reminded.outbox)
    late.clock.advance(120 * MINUTE)
    services.cancel(late.work.pk)
    assert late.ends(Kind.CORRECTION) == []


def test_a_start_ends_the_correction_to_who_has_started(reminded):
    services.change(reminded.work.pk, {"location": "Hall 2"})
    assert reminded.ends(Kind.CORRECTION) == [(State.PLANNED, "")]
    acting.start(reminded.work.pk)
    assert reminded.ends(Kind.CORRECTION) == [(State.SKIPPED, "started")]


def test_a_start_leaves_the_correction_to_whose_work_it_was(reminded):
    services.reassign(reminded.work.pk, assignee_id=AssigneeFactory().pk)
    acting.start(reminded.work.pk)
    assert reminded.ends(Kind.CORRECTION) == [(State.PLANNED, "")]
    assert reminded.tick(GRACE) == ["No longer yours: Pump, Mon 15 Jun, 12:20"]


def test_who_has_declined_hears_no_details_but_that_it_is_not_theirs_any_more(reminded):
    acting.decline(reminded.work)
    services.change(reminded.work.pk, {"location": "Hall 2"})
    assert reminded.tick(GRACE) == []
    assert reminded.ends(Kind.CORRECTION) == [(State.SKIPPED, "declined")]
    services.reassign(reminded.work.pk, assignee_id=AssigneeFactory().pk)
    assert reminded.tick(GRACE)[-1].startswith("No longer yours: ")


def test_who_confirms_after_all_hears_what_has_changed_meanwhile(reminded):
    acting.decline(reminded.work)
    services.change(reminded.work.pk, {"location": "Hall 2"})
    assert reminded.tick(GRACE) == []
    acting.confirm(reminded.work)
    (subject,) = reminded.tick(GRACE)
    assert subject.startswith("Changed: ")


def test_within_two_minutes_of_its_use_a_correction_leaves_at_once(reminded):
    reminded.clock.set(NOON + 20 * MINUTE - timedelta(seconds=100))
    services.change(reminded.work.pk, {"location": "Hall 2"})
    assert len(reminded.tick()) == 1


def test_moved_after_its_start_the_new_start_is_still_told(reminded):
    reminded.clock.set(NOON + 25 * MINUTE)
    services.reschedule(reminded.work.pk, start=LATER)
    assert reminded.tick(GRACE) == ["Moved from 12:20 to 18:00: Pump"]


def test_a_row_of_a_former_release_differs_in_nothing_that_it_did_not_keep(reminded):
    Reminder.objects.update(announced=None)
    services.change(reminded.work.pk, {"location": "Hall 2", "title": "Turbine"})
    assert reminded.ends(Kind.CORRECTION) == []
    services.reschedule(reminded.work.pk, start=LATER)
    assert reminded.tick(GRACE) == ["Moved from 12:20 to 18:00: Turbine"]


def test_an_explanation_shows_a_correction_before_and_after(reminded):
    services.reschedule(reminded.work.pk, start=LATER)
    work = Assignment.objects.get(pk=reminded.work.pk)
    (coming,) = [s for s in explain(work, config=reminded.config).upcoming if "correction" in s.summary]
    row = Reminder.objects.get(kind=Kind.CORRECTION)
    assert coming.at == row.next_attempt_at
    assert "moved from 2026-06-15 12:20:00 UTC to 2026-06-15 18:00:00 UTC" in coming.summary
    reminded.tick(GRACE)
    after = explain(work, config=reminded.config)
    assert not [step for step in after.upcoming if "correction" in step.summary]
    assert [
        s
        for s in after.history
        if s.summary.startswith("CORRECTION of version 2") and "accepted" in s.summary
    ]


def test_an_import_that_changes_the_place_corrects_too(reminded):
    work = services.change(reminded.work.pk, {"reference": "W-1"})
    assert reminded.ends(Kind.CORRECTION) == []
    row = [
        {
            "reference": "W-1",
            "title": "Pump",
            "location": "Hall 2",
            "assignee": {"id": work.assignee_id},
            "scheduled_start": (NOON + 20 * MINUTE).isoformat(),
        }
    ]
    import_rows(list(read_json(io.BytesIO(json.dumps(row).encode()))), match_ids=True)
    assert reminded.ends(Kind.CORRECTION) == [(State.PLANNED, "")]


def test_the_simulator_foresees_a_planned_correction_to_who_had_the_work(reminded):
    former = reminded.work.assignee
    services.reassign(reminded.work.pk, assignee_id=None)
    now = reminded.clock.now()
    found = simulate(since=now, until=now + 5 * MINUTE, config=reminded.config)
    assert [(send.kind, send.to) for send in found.sends if send.kind is Kind.CORRECTION] == [
        (Kind.CORRECTION, f"{former.name} (assignee {former.pk})")
    ]


def test_corrections_travel_apart_from_the_reminders_that_are_due(reminded):
    services.reschedule(reminded.work.pk, start=LATER)
    reminded.clock.advance(GRACE)
    AssignmentFactory.create_batch(3, scheduled_start=NOON + 20 * MINUTE)
    dispatch.dispatch(config=reminded.config, broker=reminded.desk)
    kinds = {
        frozenset(Reminder.objects.get(pk=hint.reminder_id).kind for hint in batch.hints)
        for batch in reminded.desk.batches
    }
    assert kinds == {frozenset({"CORRECTION"}), frozenset({"REMINDER"})}


def test_a_pause_shows_the_corrections_that_wait_and_may_skip_them(reminded):
    services.reschedule(reminded.work.pk, start=LATER)
    pauses.pause(by="olga", reason="storm")
    assert reminded.tick(GRACE) == []
    assert pauses.backlog(config=reminded.config).corrections == 1
    pauses.resume(by="olga", reason="told by phone", skip=[pauses.BacklogPart.CORRECTIONS])
    assert reminded.tick() == []
    assert reminded.ends(Kind.CORRECTION) == [(State.SKIPPED, "operator")]


def test_each_correction_is_counted_by_how_it_ended(reminded):
    services.reschedule(reminded.work.pk, start=LATER)
    reminded.tick(GRACE)
    services.reschedule(reminded.work.pk, start=LATER + MINUTE)
    services.reschedule(reminded.work.pk, start=LATER)
    reminded.tick(GRACE)
    with connection.cursor() as cursor:
        totals = counters.totals(cursor)
    assert {label: n for (name, label), n in totals.items() if name == counters.CORRECTIONS} == {
        "outcome=sent": 1,
        "outcome=as_told": 1,
    }
