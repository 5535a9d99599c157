"""A channel that refuses this sender, takes only so many, or is slow: nobody's reminder ends for it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from notifications.channels.email.responses import SmtpPhase, judge
from notifications.message import Delivery, Outcome, Subject
from reminders.delivery import deliver, dispatch, scan
from reminders.delivery.refusals import RefusalTracker
from reminders.ledger.claims import MARKER_BATCHES
from reminders.models import ChannelPace, CircuitBreaker, Reminder, State
from tests.factories import AssigneeFactory, AssignmentFactory, overdue_notice
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db


def people(number: int) -> None:
    for _ in range(number):
        AssignmentFactory(soon=True, assignee=AssigneeFactory())


def tick(config, channel_of) -> deliver.Delivered:
    """One dispatch, and the workers take what it has handed over."""
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    return deliver.deliver(broker.hints(), config=config, channel=channel_of, speed=deliver.SendSpeed(0.0001))


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Reminder.objects.messages_to_people().values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def test_an_answer_about_the_sender_ends_no_reminder_and_all_go_out_when_it_is_right_again(
    clock, config, outbox, channel_of
):
    people(20)
    refused = Delivery(
        Outcome.CHANNEL_REFUSED, "550", "sender suspended", subject=Subject.CHANNEL, phase="mail"
    )
    outbox.answer_with(refused)
    tick(config, channel_of)
    assert states() == {State.PLANNED: 20}
    assert CircuitBreaker.objects.get().code == "550"
    clock.advance(timedelta(seconds=10))
    tick(config, channel_of)
    assert states() == {State.SENT: 20}
    assert list(Reminder.objects.filter(failures__gt=0)) == []


def test_the_same_unexplained_refusal_of_several_people_is_the_channels(clock, config, outbox, channel_of):
    people(10)
    outbox.answer_with(*[Delivery(Outcome.REJECTED, "554", "denied")] * 3)
    tick(config, channel_of)
    assert states() == {State.PLANNED: 10}
    clock.advance(timedelta(seconds=10))
    tick(config, channel_of)
    assert states() == {State.SENT: 10}


def test_people_who_were_refused_in_an_earlier_slice_are_due_again(clock, config, outbox, channel_of):
    one_by_one = replace(config, batch_size=1)
    people(4)
    outbox.answer_with(*[Delivery(Outcome.REJECTED, "554", "denied")] * 3)
    tick(one_by_one, channel_of)
    assert states() == {State.PLANNED: 4}


def test_dead_mailboxes_among_good_ones_are_theirs_alone(clock, config, outbox, channel_of):
    people(10)
    dead = Delivery(Outcome.REJECTED, "550", "no such user", subject=Subject.RECIPIENT)
    outbox.answer_with(*[dead] * 5)
    tick(config, channel_of)
    assert states() == {State.FAILED: 5, State.SENT: 5}


def test_a_rate_limit_costs_nobody_an_attempt_and_the_pace_follows_it(clock, config, outbox, channel_of):
    """Twenty accepted, then 452: the rest goes out at twenty a minute."""
    people(40)
    full = Delivery(Outcome.THROTTLED, "452", "too many messages", subject=Subject.CHANNEL)
    outbox.answer_with(*[Delivery(Outcome.ACCEPTED, "250")] * 20, full)
    tick(config, channel_of)
    assert states() == {State.SENT: 20, State.PLANNED: 20}
    assert dict(ChannelPace.objects.values_list("channel", "per_minute")) == {"memory": 20.0}
    sent = []
    for _ in range(20):
        clock.advance(timedelta(seconds=3.1))
        tick(config, channel_of)
        sent.append(states()[State.SENT])
    assert sent[0] == 21
    assert sent[9] == 30
    assert states() == {State.SENT: 40}
    assert list(Reminder.objects.filter(failures__gt=0)) == []


def test_a_known_limit_is_kept_from_the_beginning(clock, config, outbox, channel_of, monkeypatch):
    limited = replace(config, channel="email", email_rate=60.0)
    monkeypatch.setattr("django.conf.settings.REMINDERS", limited)
    people(12)
    tick(limited, channel_of)
    assert states() == {State.SENT: 1, State.PLANNED: 11}
    clock.advance(timedelta(seconds=5))
    tick(limited, channel_of)
    assert states() == {State.SENT: 6, State.PLANNED: 6}


def test_a_forgotten_pace_leaves_no_row(clock, config, outbox, channel_of):
    people(2)
    full = Delivery(Outcome.THROTTLED, "452", "slow down", subject=Subject.CHANNEL)
    outbox.answer_with(Delivery(Outcome.ACCEPTED, "250"), full)
    tick(config, channel_of)
    assert ChannelPace.objects.count() == 1
    clock.advance(timedelta(hours=1, minutes=1))
    tick(config, channel_of)
    assert ChannelPace.objects.count() == 0


def test_a_channel_that_accepts_nothing_is_left_alone_and_used_in_full_once_it_does(
    clock, config, outbox, channel_of
):
    """452 for whatever reason, ten minutes long: it says nothing about how many would be accepted."""
    people(50)
    outbox.answer_with(*[Delivery(Outcome.THROTTLED, "452", "not now", subject=Subject.CHANNEL)] * 12)
    for _ in range(12):
        tick(config, channel_of)
        clock.advance(timedelta(seconds=61))
    assert states() == {State.PLANNED: 50}
    assert ChannelPace.objects.count() == 0
    tick(config, channel_of)
    assert states() == {State.SENT: 50}


DENIED = Delivery(Outcome.REJECTED, "550", "sender suspended")


def failed_elsewhere(monkeypatch, number: int, config, outbox, channel_of) -> None:
    """So many people meet the refusal in a process of their own, too few for it to know better."""
    monkeypatch.setattr("reminders.delivery.refusals.tracker", RefusalTracker())
    people(number)
    outbox.answer_with(*[DENIED] * number)
    tick(config, channel_of)
    monkeypatch.setattr("reminders.delivery.refusals.tracker", RefusalTracker())


def test_people_who_were_refused_in_another_process_are_due_again_when_the_channel_is_right(
    clock, config, outbox, channel_of, monkeypatch
):
    failed_elsewhere(monkeypatch, 2, config, outbox, channel_of)
    people(1)
    dead = Delivery(Outcome.REJECTED, "550", "5.1.1 no such user", subject=Subject.RECIPIENT)
    outbox.answer_with(dead)
    tick(config, channel_of)
    assert states() == {State.FAILED: 3}
    people(10)
    outbox.answer_with(*[DENIED] * 3)
    tick(config, channel_of)
    assert states() == {State.FAILED: 3, State.PLANNED: 10}
    clock.advance(timedelta(seconds=10))
    tick(config, channel_of)
    tick(config, channel_of)
    assert states() == {State.FAILED: 1, State.SENT: 12}
    assert Reminder.objects.get(state=State.FAILED).attempt_rows.get().detail == "5.1.1 no such user"


def test_the_refusal_that_opened_a_breaker_does_not_close_it(clock, config, outbox, channel_of, monkeypatch):
    people(3)
    outbox.answer_with(*[DENIED] * 3)
    tick(config, channel_of)
    clock.advance(timedelta(seconds=10))
    monkeypatch.setattr("reminders.delivery.refusals.tracker", RefusalTracker())
    outbox.answer_with(DENIED, DENIED)
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    deliver.deliver(broker.hints()[:2], config=config, channel=channel_of)
    assert states() == {State.FAILED: 2, State.QUEUED: 1}
    assert CircuitBreaker.objects.count() == 1
    deliver.deliver(broker.hints()[2:], config=config, channel=channel_of)
    tick(config, channel_of)
    assert states() == {State.SENT: 3}
    assert CircuitBreaker.objects.count() == 0


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        (SmtpPhase.MAIL, "452 4.4.5 too many messages in this session"),
        (SmtpPhase.MAIL, "550 5.4.5 daily quota exceeded"),
        (SmtpPhase.MAIL, "550 account suspended"),
        (SmtpPhase.MAIL, "553 sender not owned"),
        (SmtpPhase.RCPT, "550 5.4.5 daily quota exceeded"),
        (SmtpPhase.RCPT, "554 5.7.1 relay access denied"),
        (SmtpPhase.RCPT, "554 relay denied"),
        (SmtpPhase.RCPT, "553 sender not owned by user"),
        (SmtpPhase.FINAL_REPLY, "554 too many messages"),
        (SmtpPhase.FINAL_REPLY, "550 too many messages from you today"),
        (SmtpPhase.FINAL_REPLY, "550 5.4.5 daily quota exceeded"),
    ],
)
@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_a_limit_or_a_wrong_sender_is_nobodys_fault_however_few_meet_it(
    clock, config, outbox, channel_of, phase, reply, number
):
    """One person alone cannot show that it is the channel: the words of the reply must do."""
    people(number)
    refusal = judge(phase, int(reply[:3]), reply[4:])
    refused = Delivery(refusal.outcome, reply[:3], reply[4:], subject=refusal.subject, phase=phase.value)
    outbox.answer_with(*[refused] * 2 * number)
    for _ in range(20):
        tick(config, channel_of)
        assert State.FAILED not in states()
        clock.advance(timedelta(seconds=15))
    run_on = timedelta(minutes=10)
    while run_on > timedelta() and states() != {State.SENT: number}:
        tick(config, channel_of)
        clock.advance(timedelta(seconds=20))
        run_on -= timedelta(seconds=20)
    assert states() == {State.SENT: number}


def test_greylisting_of_five_minutes_is_outlived(clock, config, outbox, channel_of):
    people(1)
    later = Delivery(Outcome.REFUSED_FOR_NOW, "451", "greylisted", subject=Subject.RECIPIENT)
    outbox.answer_with(*[later] * 5)
    for _ in range(60):
        tick(config, channel_of)
        clock.advance(timedelta(seconds=15))
    assert states() == {State.SENT: 1}
    assert Reminder.objects.messages_to_people().get().failures == 5


@pytest.mark.parametrize("greylisted", [True, False])
def test_greylisting_that_ends_for_one_after_the_other_is_no_limit(
    clock, config, outbox, channel_of, greylisted
):
    """Ten are let through and three in a row are not yet; the same of people who are new to nobody is a limit."""
    people(30)
    later = Delivery(Outcome.THROTTLED, "451", "please try again later")
    if greylisted:
        outbox.answer_with(*[replace(later, outcome=Outcome.REFUSED_FOR_NOW)] * 30)
        tick(config, channel_of)
        clock.advance(timedelta(seconds=30))
    outbox.answer_with(*[Delivery(Outcome.ACCEPTED, "250")] * 10, *[later] * 3)
    tick(config, channel_of)
    assert states() == {State.SENT: 10, State.PLANNED: 20}
    assert ChannelPace.objects.count() == (0 if greylisted else 1)
    assert CircuitBreaker.objects.count() == 1
    clock.advance(timedelta(minutes=1))
    tick(config, channel_of)
    assert states().get(State.PLANNED, 0) == (0 if greylisted else 18)


def test_people_who_can_still_come_go_before_notices_to_supervisors(clock, config):
    rules = replace(config, ops_emails=("one@example.test", "two@example.test"), batch_size=10, concurrency=1)
    Reminder.objects.all().delete()
    people(5)
    overdue = AssignmentFactory.create_batch(30, soon=True)
    start = clock.now() - timedelta(hours=1)
    type(overdue[0]).objects.filter(pk__in=[work.pk for work in overdue]).update(
        overdue_at=start, reminder_status="OVERDUE"
    )
    Reminder.objects.filter(assignment__in=overdue).delete()
    for work in overdue:
        overdue_notice(work, due_at=start)
    broker = MemoryBroker()
    dispatch.dispatch(config=rules, broker=broker)
    handed_over = Reminder.objects.filter(state=State.QUEUED, channel="memory").values_list("kind", flat=True)
    assert sorted(handed_over) == ["OVERDUE"] + ["REMINDER"] * 5
    assert len(broker.batches[-1].hints) == 1  # The notice takes the others along, in a message of its own.


def test_however_many_reminders_wait_supervisors_are_told(clock, config):
    rules = replace(config, queue_limit=2, batch_size=2)
    people(5)
    work = AssignmentFactory(past=True)
    type(work).objects.filter(pk=work.pk).update(overdue_at=clock.now(), reminder_status="OVERDUE")
    overdue_notice(work, due_at=clock.now())
    broker = MemoryBroker()
    dispatch.dispatch(config=rules, broker=broker)
    handed_over = Reminder.objects.filter(state=State.QUEUED, channel="memory").values_list("kind", flat=True)
    assert sorted(handed_over) == ["OVERDUE", "REMINDER", "REMINDER"]


def test_no_reminder_waits_behind_thousands_of_markers(clock, config):
    """Of markers a few are handed over at a time: they write to nobody."""
    rules = replace(config, batch_size=1, concurrency=1)
    works = AssignmentFactory.create_batch(40, soon=True)
    started = clock.now() - timedelta(hours=1)
    Reminder.objects.all().delete()
    type(works[0]).objects.update(scheduled_start=started)
    scan.scan(trigger="cli", config=rules)
    for _ in range(3):
        people(1)
        broker = MemoryBroker()
        dispatch.dispatch(config=rules, broker=broker)
        handed_over = Reminder.objects.filter(state=State.QUEUED).values_list("channel", flat=True)
        assert Reminder.objects.get(pk=broker.hints()[0].reminder_id).channel == "memory"
    assert sorted(handed_over) == ["memory"] * 3 + ["none"] * MARKER_BATCHES


def test_every_response_is_waited_for_and_after_one_that_did_not_come_in_time_rows_are_begun_one_by_one(
    clock, config, outbox, channel_of
):
    people(3)
    asked: list[timedelta] = []
    send = outbox.send

    def noted(message, *, timeout, final_reply_timeout=timedelta()):
        asked.append(final_reply_timeout)
        return send(message, timeout=timeout, final_reply_timeout=final_reply_timeout)

    outbox.send = noted
    outbox.answer_with(Delivery(Outcome.UNKNOWABLE, "answer", "no response in time"))
    speed = deliver.SendSpeed()
    broker = MemoryBroker()
    dispatch.dispatch(config=replace(config, batch_size=1), broker=broker)
    deliver.deliver(broker.hints()[:1], config=config, channel=channel_of, speed=speed)
    assert speed.slice_size(100) == 1
    deliver.deliver(broker.hints()[1:], config=config, channel=channel_of, speed=speed)
    assert len(asked) == 3
    assert all(timedelta(seconds=13) < one <= timedelta(seconds=14) for one in asked)
    unclear = Reminder.objects.get(state=State.PLANNED, channel="memory")
    assert unclear.next_attempt_at == clock.now() + timedelta(seconds=60) or unclear.ambiguous == 1
