"""Messages by SMS, through a gateway on loopback: what is sent, counted and capped, and what its answers mean for people."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from assignments import contact_points
from notifications.channels.sms import alphabet
from notifications.message import Outcome
from reminders.content import tracking
from reminders.insight.explain.explain import explain
from reminders.ledger import counters, sms_usage
from reminders.models import Attempt, Reminder, SmsMonth
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.sms_stage import ANN, BEN, SITE, SmsStage, counted, sms_stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage(clock) -> Iterator[SmsStage]:
    with sms_stage() as found:
        yield found


def by_phone(number: str = ANN, **more: object):
    return AssigneeFactory(email="", phone=number, **more)


def test_who_has_a_phone_alone_is_reminded_by_sms(stage):
    work = AssignmentFactory(soon=True, assignee=by_phone(), title="Repair", location="Hall 3")
    stage.tick()
    assert stage.ways() == ["sms SENT"]
    (taken,) = stage.gateway.taken
    assert taken.to == ANN
    assert taken.body.startswith("Reminder: Repair, Mon 15 Jun, 14:10, Hall 3\nReply YES, NO or STOP\n")
    assert f"{SITE}/a/{work.pk}-" in taken.body
    row = Reminder.objects.get(channel="sms")
    assert taken.callback == f"{SITE}/api/inbound/sms-status?tracking={tracking.token_of(row.pk)}"
    assert Attempt.objects.get(reminder=row).detail == taken.sid


def test_messages_and_segments_are_counted(stage):
    AssignmentFactory(soon=True, assignee=by_phone(), notes="N" * 200)
    AssignmentFactory(soon=True, assignee=by_phone(BEN))
    stage.tick()
    segments = sum(alphabet.size(one.body).segments for one in stage.gateway.taken)
    assert segments == 4
    assert counted(counters.SMS_SEGMENTS) == segments
    month = SmsMonth.objects.get()
    assert (month.month, month.messages) == (NOON.date().replace(day=1), 2)


def test_what_was_certainly_not_accepted_costs_nothing(stage):
    stage.gateway.refuse_number = {ANN: 21614}
    AssignmentFactory(soon=True, assignee=by_phone())
    stage.tick()
    assert stage.ways() == ["sms FAILED rejected"]
    assert SmsMonth.objects.get().messages == 0
    assert counted(counters.SMS_SEGMENTS) == 0


def test_what_nobody_knows_counts(stage):
    stage.gateway.stop_at = "answer"
    AssignmentFactory(soon=True, assignee=by_phone())
    stage.tick()
    assert Attempt.objects.get().outcome == Outcome.UNKNOWABLE.value
    assert SmsMonth.objects.get().messages == 1
    assert counted(counters.SMS_SEGMENTS) == 1


def test_a_refused_number_is_followed_by_the_next_contact_point(stage):
    person = by_phone()
    contact_points.add_point(person.pk, "email", "ann@example.test")
    stage.gateway.refuse_number = {ANN: 21614}
    AssignmentFactory(soon=True, assignee=person)
    stage.tick()
    stage.tick()
    assert [one.split()[1] for one in stage.ways()] == ["FAILED", "SENT"]
    assert [one.address for one in stage.mail.messages] == ["ann@example.test"]


def test_who_has_opted_out_at_the_gateway_has_opted_out_here(stage, clock):
    person = by_phone()
    contact_points.add_point(person.pk, "email", "ann@example.test")
    stage.gateway.opted_out = {ANN}
    AssignmentFactory(soon=True, assignee=person)
    stage.tick()
    stage.tick()
    (point, _) = contact_points.points_of(person.pk)
    assert point.opted_out_at == NOON
    assert len(stage.mail.messages) == 1
    clock.advance(timedelta(minutes=1))
    AssignmentFactory(soon=True, assignee=person)
    stage.tick()
    assert len(stage.mail.messages) == 2
    assert len(stage.gateway.asked) == 1


def test_when_the_months_sms_are_used_up_e_mail_still_goes(stage, settings):
    settings.SMS_MONTHLY_CAP = 1
    first, second = by_phone(), by_phone(BEN)
    contact_points.add_point(second.pk, "email", "ben@example.test")
    AssignmentFactory(soon=True, assignee=first)
    stage.tick()
    AssignmentFactory(soon=True, assignee=second)
    AssignmentFactory(soon=True, assignee=AssigneeFactory(email="cleo@example.test"))
    AssignmentFactory(soon=True, assignee=by_phone("+4915100000001"))
    for _ in range(2):
        stage.tick()
    assert [one.to for one in stage.gateway.taken] == [ANN]
    assert sorted(one.address for one in stage.mail.messages) == ["ben@example.test", "cleo@example.test"]
    capped = Attempt.objects.filter(code=sms_usage.CAPPED)
    assert [one.detail for one in capped] == [
        "SMS_MONTHLY_CAP: 1 SMS have left in this month (UTC), and no more does"
    ] * 2
    assert counted(counters.SMS_CAPPED) == 2
    (point, _) = contact_points.points_of(second.pk)
    assert (point.failing_since, point.opted_out_at) == (None, None)
    assert SmsMonth.objects.get().messages == 1


def test_a_cap_of_zero_sends_none_and_the_explanation_says_why(stage, settings):
    settings.SMS_MONTHLY_CAP = 0
    work = AssignmentFactory(soon=True, assignee=by_phone())
    stage.tick()
    assert stage.gateway.asked == []
    assert stage.ways() == ["sms FAILED no_contact"]
    told = [step.summary for step in explain(work, config=stage.config).history]
    why = "(monthly_cap): SMS_MONTHLY_CAP: 0 SMS have left in this month (UTC), and no more does"
    assert [line for line in told if why in line] != []


def test_the_next_month_begins_at_midnight_utc(clock, db):
    clock.set(datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC))
    assert str(sms_usage.reserve(cap=1)) == "2026-06-01"
    assert sms_usage.reserve(cap=1) is None
    clock.set(datetime(2026, 7, 1, 0, 0, tzinfo=UTC))
    assert str(sms_usage.reserve(cap=1)) == "2026-07-01"
    assert sms_usage.this_month(datetime(2026, 6, 30, 23, 59, tzinfo=UTC)) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_side_by_side_never_exceed_the_cap():
    def one(_: int) -> bool:
        try:
            return sms_usage.reserve(cap=7) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(one, range(40))) == 7
    assert SmsMonth.objects.get().messages == 7
    assert counted(counters.SMS_CAPPED) == 33
