"""The explainer foretells what the pipeline then does, and says why afterwards."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings
from django.utils.html import escape
from django_celery_beat.models import PeriodicTask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assignments import acts, services, teams
from assignments.models import Assignee, Assignment, Status
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule, dispatch, scan
from reminders.delivery import deliver as delivery_deliver
from reminders.insight.explain.answer import Explanation, Outlook
from reminders.insight.explain.explain import explain, find
from reminders.insight.explain.inputs import supervisors_of
from reminders.insight.explain.wording import ADVICE, WORDS
from reminders.ledger import archive, beginning
from reminders.models import CircuitBreaker, Kind, Reason, Reminder
from reminders.operations import pauses, resets, schedule
from tests import acting
from tests.conftest import NOON, DatabaseClock
from tests.depth import examples
from tests.factories import AssigneeFactory, AssignmentFactory, overdue_notice
from tests.fakes.api_caller import ApiCaller
from tests.fakes.broker import MemoryBroker

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]


def deliver(config: ReminderConfig, outbox: MemoryChannel) -> None:
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    delivery_deliver.deliver(desk.hints(), config=config, channel=lambda _: outbox)


def summary(assignment: Assignment, config: ReminderConfig) -> str:
    return explain(assignment, config=config).summary


def shut(assignment: Assignment, config: ReminderConfig) -> dict[str, str]:
    return {
        gate.name: gate.consequence for gate in explain(assignment, config=config).gates if not gate.passed
    }


def test_before_and_after(clock, config, outbox):
    far = AssignmentFactory(far=True)
    assert summary(far, config) == (
        "The reminder will be sent at 2026-06-18 11:30:00 UTC; it is planned from 2026-06-18 10:00:00 UTC on, "
        "when the start comes within the look-ahead."
    )
    near = AssignmentFactory()
    assert summary(near, config) == "The reminder will be sent at 2026-06-15 12:30:00 UTC."
    clock.advance(timedelta(minutes=30))
    assert summary(near, config) == "The reminder will be sent now: every condition is met."
    deliver(config, outbox)
    assert summary(near, config) == "The reminder was accepted at 2026-06-15 12:30:00 UTC."
    assert explain(near, config=config).outlook is Outlook.SENT


def test_each_switch_is_named(clock, config):
    assignment = AssignmentFactory(soon=True)
    pauses.pause(by="ada", reason="storm")
    assert summary(assignment, config) == (
        "The reminder waits: sending is paused; after 2026-06-15 12:40:00 UTC it is of no use any more."
    )
    gate = next(gate for gate in explain(assignment, config=config).gates if not gate.passed)
    assert (gate.name, gate.observed) == ("not paused", "paused by ada until somebody resumes: storm")
    assert gate.consequence == "waits: sending is paused"
    off = ReminderConfig(channel="memory", enabled=False)
    assert "REMINDER_WORKER_ENABLED=false" in summary(assignment, off)
    pauses.resume(by="ada")
    CircuitBreaker.objects.create(channel="memory", until=NOON + timedelta(seconds=30))
    assert summary(assignment, config) == (
        "The reminder will be sent at 2026-06-15 12:00:30 UTC; until then the channel does not work at present "
        "and is left alone for a while."
    )


def test_what_stands_in_the_way_later_is_said_before(clock, config):
    assignment = AssignmentFactory()
    pauses.pause(by="ada", reason="storm")
    assert summary(assignment, config).startswith(
        "The reminder is due at 2026-06-15 12:30:00 UTC and waits: sending is paused;"
    )
    pauses.resume(by="ada")
    pauses.pause(by="ada", reason="storm", until=NOON + timedelta(minutes=45))
    answer = explain(assignment, config=config)
    assert (answer.will_send, answer.next_at) == (True, NOON + timedelta(minutes=45))
    assert shut(assignment, config) == {
        "due": "waits until 2026-06-15 12:30:00 UTC: it is not due yet",
        "not paused": "waits until 2026-06-15 12:45:00 UTC: sending is paused",
    }


def test_nobody_to_write_to_is_foretold(clock, config):
    nobody = AssignmentFactory(unassigned=True)
    assert summary(nobody, config) == (
        "The reminder will fail at 2026-06-15 12:30:00 UTC: there is nobody to write to, or no usable address."
    )
    assert shut(nobody, config)["can be reached"].startswith("ends as FAILED")
    nowhere = AssignmentFactory(far=True, assignee__email="")
    assert explain(nowhere, config=config).outlook is Outlook.FAILED
    assert "no address for memory" in explain(nowhere, config=config).gates[-1].observed


def test_what_was_never_planned_is_explained_by_the_gates_of_planning(clock, config):
    cancelled = AssignmentFactory(far=True)
    services.cancel(cancelled.pk)
    assert summary(cancelled, config) == "The reminder is not planned: the assignment was cancelled."
    assert shut(cancelled, config) == {
        "still to be done": "is not planned: the assignment was cancelled",
        "within the look-ahead": "waits until 2026-06-18 10:00:00 UTC: it is not due yet",
    }
    off = ReminderConfig(channel="memory", enabled=False)
    far = AssignmentFactory(far=True)
    assert explain(far, config=off).outlook is Outlook.WAITS


def test_a_send_under_way_names_the_end_of_its_lease(clock, config):
    assignment = AssignmentFactory(soon=True)
    desk = MemoryBroker()
    dispatch.dispatch(config=config, broker=desk)
    beginning.begin(desk.hints(), config=config)
    answer = explain(assignment, config=config)
    assert answer.outlook is Outlook.SENDING
    assert answer.summary.startswith(
        "The reminder is being sent right now; if no answer is recorded by 2026-06-15 12:00:25"
    )


def test_what_is_due_for_long_says_so_and_names_what_is_wrong(clock, config):
    assignment = AssignmentFactory(soon=True)
    clock.advance(timedelta(minutes=5))
    answer = explain(assignment, config=config)
    assert answer.summary.endswith("every condition is met; it has been due for 5 minutes.")
    assert answer.problems == [
        "beat does not run reminders.scan: its entry is missing",
        "beat does not run reminders.dispatch: its entry is missing",
        "no beat was seen in the last 30 seconds",
        "no scanner was seen in the last 30 seconds",
        "no worker was seen in the last 30 seconds",
    ]
    beat_schedule.set_up(config)
    PeriodicTask.objects.filter(task=beat_schedule.DISPATCH).update(enabled=False)
    assert explain(assignment, config=config).problems[0] == (
        "beat does not run reminders.dispatch: its entry is disabled, by no operator"
    )


@pytest.mark.parametrize("planned", [True, False])
def test_while_an_operator_has_switched_the_schedule_off_nothing_is_said_to_come(clock, config, planned):
    assignment = AssignmentFactory(soon=True)
    if planned:
        scan.scan(trigger="cli", config=config)
    else:
        Reminder.objects.all().delete()
    beat_schedule.set_up(config)
    assert explain(assignment, config=config).will_send
    schedule.switch(beat_schedule.DISPATCH, on=False, by="ada", reason="the import runs")
    answer = explain(assignment, config=config)
    assert (answer.outlook, answer.will_send, answer.next_at) == (Outlook.WAITS, False, None)
    assert answer.summary.startswith("The reminder waits: the schedule was switched off by ada at ")
    assert answer.summary.endswith(": the import runs.")
    assert answer.advice.startswith("Switch reminders.scan and reminders.dispatch on again")
    assert (answer.gates[0].name, answer.gates[0].passed) == ("the schedule is on", False)
    assert answer.problems[0] == "beat does not run reminders.dispatch: switched off by ada: the import runs"
    assert [step.at for step in answer.upcoming] == [None]
    schedule.switch(beat_schedule.DISPATCH, on=True, by="ada", reason="done")
    assert explain(assignment, config=config).will_send


def test_past_and_future_are_told_in_the_order_of_time(clock, config, outbox):
    assignment = AssignmentFactory(soon=True)
    answer = explain(assignment, config=config)
    assert [(step.at, step.summary) for step in answer.upcoming] == [
        (NOON, "The reminder will be sent now: every condition is met."),
        (
            NOON + timedelta(minutes=40),
            "If nobody has started the work by then, it is marked OVERDUE at 2026-06-15 12:40:00 UTC.",
        ),
    ]
    deliver(config, outbox)
    clock.advance(timedelta(minutes=1))
    resets.resend(assignment.pk, by="ada", reason="asked for", config=config)
    told = [step.summary for step in explain(assignment, config=config).history]
    person = f"{assignment.assignee.name} (assignee {assignment.assignee.pk})"
    assert [told[0], *told[-2:]] == [
        "The assignment was entered.",
        "An operator reset the reminder status.",
        f"REMINDER of version 2 for {person} was planned, due at 2026-06-15 11:40:00 UTC.",
    ]
    assert "REMINDER of version 1, attempt 1: accepted" in " ".join(told)


def test_attempts_and_old_versions_are_told(clock, config, outbox):
    assignment = AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.REJECTED)
    deliver(config, outbox)
    services.reschedule(assignment.pk, start=NOON + timedelta(hours=1))
    assignment.refresh_from_db()
    answer = explain(assignment, config=config)
    old = next(s for s in answer.reminders if s.version == 1 and s.kind == Kind.REMINDER)
    assert (old.summary, [t.outcome for t in old.attempts]) == (
        "failed: the mail server refused it for good",
        ["rejected"],
    )
    assert answer.will_send


def test_what_was_archived_is_still_told(clock, config, outbox):
    assignment = AssignmentFactory(soon=True)
    deliver(config, outbox)
    acting.complete(assignment.pk)
    before = explain(assignment, config=config)
    clock.advance(timedelta(days=100))
    assert archive.archive_batch(after=timedelta(days=90)) == 1
    after = explain(assignment, config=config)
    assert (after.outlook, after.summary, after.history) == (Outlook.SENT, before.summary, before.history)


def test_every_reason_has_words_and_every_trouble_advice():
    assert set(WORDS) == set(Reason) - {Reason.STALE}
    changes = {Reason.MOVED, Reason.CANCELLED, Reason.REASSIGNED, Reason.STARTED, Reason.REPLANNED}
    fine = {
        *(Reason.ALREADY_TOLD, Reason.AS_TOLD, Reason.MERGED, Reason.IMPORTED),
        *(Reason.TOO_EARLY, Reason.TO_BE_JOINED, Reason.SHORT_NOTICE, Reason.TOO_CLOSE),
        *(Reason.QUIET_HOURS, Reason.CONFIRMED, Reason.FALLBACK, Reason.REACHED),
    }
    assert set(ADVICE) == set(WORDS) - changes - fine


def test_what_can_be_done_is_said_beside_what_is_wrong(clock, config, outbox):
    assignment = AssignmentFactory(soon=True)
    assert explain(assignment, config=config).advice == ""
    pauses.pause(by="ada", reason="storm")
    assert explain(assignment, config=config).advice == ADVICE[Reason.PAUSED]
    pauses.resume(by="ada")
    outbox.answer_with(Outcome.REJECTED)
    deliver(config, outbox)
    assert explain(assignment, config=config).advice == ADVICE[Reason.REJECTED]


def test_the_command_answers_in_words_and_in_json(clock, config):
    assignment = AssignmentFactory(reference="R-9")
    out = io.StringIO()
    call_command("explain_reminder", "R-9", stdout=out)
    assert "The reminder will be sent at 2026-06-15 12:30:00 UTC." in out.getvalue()
    assert "[FAIL] due: next attempt at 2026-06-15 12:30:00 UTC" in out.getvalue()
    out = io.StringIO()
    call_command("explain_reminder", str(assignment.pk), "--json", stdout=out)
    assert json.loads(out.getvalue())["assignment_id"] == assignment.pk
    with pytest.raises(CommandError, match="there is no assignment with the id or reference 'nope'"):
        call_command("explain_reminder", "nope")


def test_a_reference_goes_before_an_id(clock):
    first = AssignmentFactory()
    second = AssignmentFactory(reference=str(first.pk))
    assert find(str(first.pk)).pk == second.pk


def test_the_api_gives_the_answer_of_the_command_line_and_so_does_the_admin(clock, admin_client):
    assignment = AssignmentFactory(reference="R-9", title="<b>Gate</b>")
    pauses.pause(by="ada", reason="<script>storm</script>")
    out = io.StringIO()
    call_command("explain_reminder", "R-9", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert ApiCaller("read").get(f"/api/assignments/{assignment.pk}/explain").json() == answer
    page = admin_client.get(f"/admin/assignments/assignment/{assignment.pk}/change/").content.decode()
    assert escape(answer["summary"]) in page
    assert all(escape(gate["observed"]) in page for gate in answer["gates"])
    assert "<script>storm" not in page
    assert ApiCaller("write").get(f"/api/assignments/{assignment.pk + 1}/explain").status_code == 404


# --- it cannot drift -------------------------------------------------------------------------------------------

MINUTE = timedelta(minutes=1)
EDITS = (
    "move",
    "reassign",
    "nobody",
    "lead",
    "reset",
    "CANCELLED",
    "SCHEDULED",
    "IN_PROGRESS",
    "tick",
    "fails",
    "wait",
    "confirm",
    "decline",
    "late",
)


TOLD = {
    "start": 20,
    "lead": None,
    "reachable": True,
    "edits": [("wait", 0), ("tick", 0), ("lead", 1)],
    "pause": None,
    "held": False,
    "enabled": True,
    "unplanned": True,
}


@example(**TOLD)
@example(**{**TOLD, "edits": [*TOLD["edits"], ("wait", 1), ("reset", 0)]})
@settings(
    max_examples=examples(150), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    start=st.integers(-60, 400),
    lead=st.sampled_from([None, 5, 45, 300]),
    reachable=st.booleans(),
    edits=st.lists(st.tuples(st.sampled_from(EDITS), st.integers(-30, 200)), max_size=5),
    pause=st.sampled_from([None, None, 5, 90, 0]),
    held=st.booleans(),
    enabled=st.sampled_from([True, True, True, False]),
    unplanned=st.booleans(),
)
def test_what_it_foretells_is_what_happens(start, lead, reachable, edits, pause, held, enabled, unplanned):
    """Random work, edits, clocks, pauses and holds; then the pipeline itself decides whether the answer was right."""
    on = ReminderConfig(channel="memory", max_attempts=2)
    config = replace(on, enabled=enabled)
    outbox = MemoryChannel()
    # What is entered and changed while the switch is off has no row yet: then the gates of planning decide.
    with a_clock() as clock, override_settings(REMINDERS=replace(on, enabled=not unplanned)):
        people = [AssigneeFactory(email="a@example.test" if reachable else ""), AssigneeFactory()]
        work = AssignmentFactory(
            scheduled_start=NOON + start * MINUTE, lead_minutes=lead, assignee=people[0]
        ).pk
        for edit, minutes in edits:
            change(work, edit, minutes, people, clock, on, outbox)
        if pause is not None:
            pauses.pause(by="ada", reason="x", until=clock.now() + pause * MINUTE if pause else None)
        if held:
            CircuitBreaker.objects.create(channel="memory", until=clock.now() + MINUTE)
        before = explain(Assignment.objects.get(pk=work), config=config)
        sent_before = len(outbox.messages)

        def run() -> Explanation:
            if enabled:
                scan.scan(trigger="cli", config=config)
            deliver(config, outbox)
            return explain(Assignment.objects.get(pk=work), config=config)

        if before.next_at is not None:
            assert before.next_at >= clock.now()
            if before.next_at > clock.now():
                for instant in (clock.now(), before.next_at - timedelta(seconds=1)):
                    clock.set(instant)
                    waiting = run()
                    assert (waiting.outlook, waiting.next_at) == (before.outlook, before.next_at)
                    assert len(outbox.messages) == sent_before
            clock.set(before.next_at)
            after = run()
            comes = before.outlook is Outlook.COMING
            assert (after.outlook, after.next_at) == (Outlook.SENT if comes else before.outlook, None)
            assert len(outbox.messages) == sent_before + comes
        elif before.outlook is Outlook.WAITS:
            assert not enabled or pause == 0
            clock.advance(timedelta(minutes=10))
            assert run().outlook is Outlook.WAITS
            clock.advance(timedelta(days=2))
            has_row = any(story.version == before.version for story in before.reminders)
            found_late = Outlook.WAITS if has_row else Outlook.NOT_SENT
            assert run().outlook in (Outlook.WAITS, found_late)
            assert len(outbox.messages) == sent_before
        else:
            run()
            clock.advance(timedelta(days=2))
            if pause == 0:
                pauses.resume(by="ada")
            assert run().outlook is before.outlook
            assert len(outbox.messages) == sent_before


def change(
    work: int,
    edit: str,
    minutes: int,
    people: Sequence[Assignee],
    clock: DatabaseClock,
    config: ReminderConfig,
    outbox: MemoryChannel,
) -> None:
    """One thing that may happen to an assignment; what the services refuse does not happen."""
    try:
        with transaction.atomic():
            match edit:
                case "move":
                    services.reschedule(work, start=clock.now() + minutes * MINUTE)
                case "reassign":
                    services.reassign(work, assignee_id=people[minutes % 2].pk)
                case "nobody":
                    services.reassign(work, assignee_id=None)
                case "lead":
                    services.change(work, {"lead_minutes": [None, 5, 60, 200][minutes % 4]})
                case "reset":
                    services.remind_again([work])
                case "tick":
                    deliver(config, outbox)
                case "fails":
                    busy = MemoryChannel()
                    busy.answer_with(Outcome.REFUSED_FOR_NOW)
                    deliver(config, busy)
                case "confirm":
                    acts.confirm(work, actor=acting.API)
                case "decline":
                    acts.decline(work, actor=acting.API)
                case "late":
                    acts.run_late(work, actor=acting.API, minutes=max(5, minutes))
                case "wait":
                    clock.advance(abs(minutes) * MINUTE)
                    scan.scan(trigger="cli", config=config)
                case _:
                    services.change(work, {"status": Status(edit)})
    except services.Refused:
        return


@contextmanager
def a_clock() -> Iterator[DatabaseClock]:
    """A clock at noon in a transaction that is taken back: one for each example."""
    clock = DatabaseClock()
    try:
        with transaction.atomic():
            clock.set(NOON)
            yield clock
            transaction.set_rollback(True)
    finally:
        clock.stop()


def test_a_notice_says_with_how_many_others_it_went_and_when_the_next_ones_go(clock, config, outbox):
    rules = replace(config, ops_emails=("chief@example.test",))
    works = AssignmentFactory.create_batch(3)
    start = NOON - rules.overdue - timedelta(minutes=1)
    Reminder.objects.all().delete()
    Assignment.objects.update(scheduled_start=start, known_at=start - timedelta(days=1))
    scan.scan(trigger="cli", config=rules)
    for _ in range(2):  # the markers, then the notices that they plan
        deliver(rules, outbox)
    found = explain(works[0], config=rules)
    notice = next(one for one in found.reminders if one.recipient.startswith("ops:"))
    assert notice.summary.endswith(", in a message with 2 others")
    assert (notice.others_in_message, notice.message_id) == (2, outbox.messages[0].message_id)
    assert any(step.summary.endswith("in a message with 2 others.") for step in found.history)

    late = AssignmentFactory(past=True)
    Assignment.objects.filter(pk=late.pk).update(overdue_at=NOON, reminder_status="OVERDUE")
    overdue_notice(late, recipient=notice.recipient, due_at=NOON, planned_at=NOON)
    waiting = next(one for one in explain(late, config=rules).reminders if one.recipient.startswith("ops:"))
    assert waiting.next_at == NOON + rules.digest_wait
    assert waiting.summary.startswith("will be sent at ")
    assert waiting.summary.endswith("a message to them has just left; it goes with others in the next one")
    assert [gate.name for gate in waiting.gates if not gate.passed] == ["not to be joined"]


def test_work_without_a_team_has_no_supervisors(clock):
    """Nor is everybody one who supervises no team."""
    boss = AssigneeFactory(name="Boss")
    AssigneeFactory(name="Bystander")
    north = teams.add_team(name="North", supervisors=[boss.pk])
    assert supervisors_of(AssignmentFactory()) == {}
    assert list(supervisors_of(AssignmentFactory(team_id=north.pk)).values()) == ["Boss"]
