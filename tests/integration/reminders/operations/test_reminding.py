"""Remind now: a reminder that leaves at once, whatever the plan says, and once however often it is asked for."""

import re
import threading
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections

from assignments import services
from assignments.models import Assignment, ReminderStatus
from assignments.team_scope import TeamScope
from notifications.message import Outcome
from reminders.conf import ReminderConfig
from reminders.delivery import scan
from reminders.insight.explain.answer import Outlook
from reminders.insight.explain.explain import explain
from reminders.ledger import counters
from reminders.models import Audit, OptOut, Reason, Reminder, State
from reminders.operations import opt_outs, pauses, reminding
from reminders.operations.plans import Why
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller, faults
from tests.rule_factory import rule

pytestmark = pytest.mark.django_db


def now(*works: Assignment, config: ReminderConfig, **more):
    plan = reminding.plan_reminding([work.pk for work in works], config=config)
    return reminding.run_reminding(plan, by="olga", reason="phone was off", config=config, **more)


def asked(work: Assignment) -> list[Reminder]:
    return list(Reminder.objects.filter(assignment=work, rule__startswith="default:now:").order_by("id"))


def test_it_leaves_at_once_and_the_plan_stays(clock, config, run, outbox):
    work = AssignmentFactory(far=True)
    assert now(work, config=config).ids == (work.pk,)
    assert run().sent == 1
    [row] = asked(work)
    assert (row.state, row.due_at, row.payload) == (
        State.SENT,
        NOON,
        {"by": "olga", "reason": "phone was off"},
    )
    assert len(outbox.messages) == 1
    work.refresh_from_db()
    assert (work.version, work.reminder_status) == (1, ReminderStatus.SENT)
    [line] = Audit.objects.all()
    assert (line.action, line.actor, line.reason) == ("remind_now", "olga", "phone was off")
    assert line.after == {str(work.pk): {"reminder_id": row.pk, "channel": "memory"}}
    clock.set(work.scheduled_start - timedelta(minutes=30))
    scan.scan(trigger="cli", config=config)
    assert run().sent == 1
    assert Reminder.objects.get(assignment=work, rule="default").state == State.SENT


def test_overdue_work_may_be_reminded_of(clock, config, run, outbox):
    work = AssignmentFactory(soon=True)
    run()
    clock.advance(timedelta(minutes=41))
    scan.scan(trigger="cli", config=config)
    run()
    work.refresh_from_db()
    assert work.reminder_status == ReminderStatus.OVERDUE
    now(work, config=config)
    assert run().sent == 1
    work.refresh_from_db()
    assert (asked(work)[0].state, work.reminder_status) == (State.SENT, ReminderStatus.OVERDUE)


def test_asked_for_again_within_a_minute_it_is_the_same(clock, config, run, outbox):
    work = AssignmentFactory(far=True)
    plan = reminding.plan_reminding([work.pk], config=config)
    for _ in range(2):  # The same confirmation twice.
        done = reminding.run_reminding(plan, by="olga", reason="x", config=config)
    assert [one.why for one in done.skipped] == [Why.JUST_REMINDED]
    run()
    clock.advance(timedelta(seconds=59))
    assert [one.why for one in now(work, config=config).skipped] == [Why.JUST_REMINDED]
    clock.advance(timedelta(seconds=2))
    now(work, config=config)
    run()
    assert [row.rule for row in asked(work)] == ["default:now:1", "default:now:2"]
    assert len(outbox.messages) == 2


@pytest.mark.django_db(transaction=True)
def test_two_operators_at_one_moment_send_one(config):
    work = AssignmentFactory()
    plan = reminding.plan_reminding([work.pk], config=config)
    ready, done = threading.Barrier(2), []

    def click():
        ready.wait()
        done.append(reminding.run_reminding(plan, by="olga", reason="x", config=config))
        connections.close_all()

    clicks = [threading.Thread(target=click) for _ in range(2)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert sorted(len(one.ids) for one in done) == [0, 1]
    assert len(asked(work)) == 1


def test_what_is_left_alone_says_why(clock, config):
    started, cancelled, declined = (AssignmentFactory() for _ in range(3))
    services.change(started.pk, {"status": "IN_PROGRESS"})
    services.cancel(cancelled.pk)
    acting.decline(declined)
    out = AssignmentFactory()
    opt_outs.stop(out.assignee_id, "default", via=OptOut.Via.PAGE, config=config)
    nobody = AssignmentFactory(unassigned=True)
    unreachable = AssignmentFactory(assignee=AssigneeFactory(unreachable=True))
    mail = ReminderConfig(channel="email")
    ids = [work.pk for work in (started, cancelled, declined, out, nobody, unreachable)]
    plan = reminding.plan_reminding([*ids, 0], config=mail)
    assert plan.targets == ()
    assert [(one.id, one.why) for one in plan.skipped] == [
        (started.pk, Why.NOT_SCHEDULED),
        (cancelled.pk, Why.NOT_SCHEDULED),
        (declined.pk, Why.DECLINED),
        (out.pk, Why.OPTED_OUT),
        (nobody.pk, Why.NOBODY),
        (unreachable.pk, Why.UNREACHABLE),
        (0, Why.NOT_FOUND),
    ]


def test_a_decline_after_the_preview_ends_it(clock, config, run, outbox):
    work = AssignmentFactory(far=True)
    now(work, config=config)
    acting.decline(work)
    run()
    assert (asked(work)[0].state, asked(work)[0].reason) == (State.SKIPPED, Reason.DECLINED)
    assert outbox.messages == []


def test_more_than_a_page_is_refused(clock, config, monkeypatch):
    monkeypatch.setattr(reminding, "MOST_AT_ONCE", 1)
    works = [AssignmentFactory() for _ in range(2)]
    with pytest.raises(reminding.TooMany, match="more than 1 people"):
        now(*works, config=config)


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_it_needs_a_reason(clock, config, reason):
    plan = reminding.plan_reminding([AssignmentFactory().pk], config=config)
    with pytest.raises(ValidationError):
        reminding.run_reminding(plan, by="olga", reason=reason, config=config)
    assert not Audit.objects.exists()


def test_while_sending_is_paused_it_waits_only_where_somebody_says_so(clock, config, run, outbox):
    work = AssignmentFactory(far=True)
    pauses.pause(by="olga", reason="mail server moves", until=None)
    with pytest.raises(reminding.Paused):
        now(work, config=config)
    assert asked(work) == []
    now(work, config=config, wait_while_paused=True)
    assert run().sent == 0
    pauses.resume(by="olga", reason="", skip=[])
    clock.advance(timedelta(minutes=5))
    assert run().sent == 1
    assert asked(work)[0].state == State.SENT


def test_switched_off_nothing_is_asked_for(clock):
    with pytest.raises(reminding.SwitchedOff):
        now(AssignmentFactory(), config=ReminderConfig(channel="memory", enabled=False))


def test_neither_another_lead_nor_rules_move_or_end_it(clock, config):
    work = AssignmentFactory(far=True)
    now(work, config=config)
    rule(minutes=600)
    scan.scan(trigger="cli", config=config)
    scan.scan(trigger="cli", config=ReminderConfig(channel="memory", lead=timedelta(minutes=45)))
    [row] = asked(work)
    assert (row.state in (State.PLANNED, State.QUEUED), row.due_at) == (True, NOON)


def test_the_rate_of_a_person_neither_holds_nor_counts_it(clock, config, run, outbox):
    person = AssigneeFactory()
    first, second = (AssignmentFactory(far=True, assignee=person) for _ in range(2))
    soon = AssignmentFactory(assignee=person, scheduled_start=NOON + timedelta(minutes=30, seconds=5))
    now(first, second, config=config)
    assert run().sent == 2
    clock.advance(timedelta(seconds=6))
    assert run().sent == 1
    assert Reminder.objects.get(assignment=soon).sent_at is not None


def test_what_is_refused_goes_on_like_any_other(clock, config, run, outbox):
    work = AssignmentFactory(far=True)
    outbox.answer_with(Outcome.REFUSED_FOR_NOW)
    now(work, config=config)
    assert run().sent == 0
    assert asked(work)[0].state == State.PLANNED
    clock.advance(timedelta(minutes=10))
    assert run().sent == 1


def test_the_explanation_knows_it_before_and_after(clock, config, run, outbox):
    work = AssignmentFactory(far=True)
    before = explain(work, config=config)
    now(work, config=config)
    coming = explain(work, config=config)
    assert (coming.outlook, coming.next_at) == (Outlook.COMING, NOON)
    assert coming.summary == (
        "The reminder asked for at once by olga, because “phone was off”, will be sent now: every condition is met."
    )
    assert [gate.passed for gate in coming.gates] == [True] * len(coming.gates)
    assert [step.summary for step in coming.upcoming][:1] == [coming.summary]
    assert len(coming.upcoming) == len(before.upcoming) + 1
    run()
    after = explain(work, config=config)
    assert after.summary.startswith(before.summary.rstrip("."))
    assert after.summary.endswith(
        "Besides, the one asked for at once by olga, because “phone was off”, was accepted at 2026-06-15 12:00:00 UTC."
    )
    assert "Reminded now by olga, because “phone was off”." in [step.summary for step in after.history]
    assert after.rules == []


def test_it_is_counted(clock, config):
    now(AssignmentFactory(), AssignmentFactory(), config=config)
    with connection.cursor() as cursor:
        assert counters.totals(cursor)["reminder_now_total", ""] == 2.0


# --- over HTTP -------------------------------------------------------------------------------------------------


def test_a_program_reminds_somebody_once(clock):
    work = AssignmentFactory(far=True)
    api = ApiCaller("write")
    url = f"/api/assignments/{work.pk}/remind"
    first, again = api.post(url, {"reason": "no answer"}), api.post(url, {"reason": "no answer"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert {**first.json(), "repeated": True} == again.json()
    assert first.json()["rule"] == "default:now:1"
    assert len(asked(work)) == 1


def test_under_a_key_it_is_the_same_answer(clock):
    work = AssignmentFactory(far=True)
    api, url = ApiCaller("write"), f"/api/assignments/{work.pk}/remind"
    one, other = (api.post(url, {"reason": "x"}, Idempotency_Key="k") for _ in range(2))
    assert (one.status_code, other.status_code, one.json()) == (202, 202, other.json())


def test_a_refusal_over_http_names_its_reason(clock):
    api, work = ApiCaller("write"), AssignmentFactory()
    url = f"/api/assignments/{work.pk}/remind"
    assert faults(api.post(url, {})) == [("reason", "required")]
    acting.decline(work)
    refused = api.post(url, {"reason": "x"})
    assert (refused.status_code, faults(refused)) == (409, [(None, "declined")])
    assert api.post("/api/assignments/0/remind", {"reason": "x"}).status_code == 404
    pauses.pause(by="olga", reason="x", until=None)
    other = AssignmentFactory()
    refused = api.post(f"/api/assignments/{other.pk}/remind", {"reason": "x"})
    assert (refused.status_code, faults(refused)) == (409, [(None, "paused")])
    waits = api.post(f"/api/assignments/{other.pk}/remind", {"reason": "x", "wait_while_paused": True})
    assert waits.status_code == 202


# --- on the pages ----------------------------------------------------------------------------------------------


def test_operators_see_before_they_remind(clock, operator, run, outbox):
    person = AssigneeFactory(email="ada@example.test")
    work = AssignmentFactory(soon=True, assignee=person)
    run()
    shown = operator.get(f"/ops/act/remind-now?ids={work.pk}")
    text = shown.content.decode()
    assert "to a...@example.test, at once" in text
    assert "ada@example.test" not in text
    assert re.search(r'reminded last <time [^>]*title="2026-06-15 12:00:00 UTC">', text)
    posted = {
        "confirmed": "1",
        "ids": work.pk,
        "plan": shown.context["preview"].plan,
        "reason": "phone was off",
    }
    done = operator.post("/ops/act/remind-now", posted, follow=True)
    assert "1 reminder on the way." in done.content.decode()
    again = operator.post("/ops/act/remind-now", posted, follow=True)
    assert "Nothing was done" in again.content.decode()
    assert len(asked(work)) == 1


def test_reset_says_how_it_differs(clock, operator):
    work = AssignmentFactory()
    assert "use Remind now instead" in operator.get(f"/ops/act/reset?ids={work.pk}").content.decode()
    page = operator.get(f"/ops/assignments/{work.pk}").content.decode()
    assert "Remind now…" in page
    assert "Send again" not in page


def test_work_of_other_teams_is_not_reminded_of(clock, config):
    work = AssignmentFactory()
    plan = reminding.plan_reminding([work.pk], config=config, scope=TeamScope(frozenset({0})))
    assert [one.why for one in plan.skipped] == [Why.NOT_FOUND]
