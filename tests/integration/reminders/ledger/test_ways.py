"""What could not be sent to one address of a person goes to the next one, and each nudge is accepted once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from assignments import contact_points, people, services
from assignments.models import Assignee
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Delivery, Outcome, Subject
from reminders import conf
from reminders.content import tracking
from reminders.delivery import deliver, dispatch, scan
from reminders.ledger import delivery_events
from reminders.models import CircuitBreaker, DeliveryEvent, DeliveryKind, Reminder
from reminders.operations import reminder_rules
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.fakes.memory_sms import MemorySms
from tests.rule_factory import key, rule

pytestmark = pytest.mark.django_db

PHONE = "+4930123456"
NO_SUCH_MAILBOX = Delivery(
    Outcome.REJECTED, "550", "no such mailbox", subject=Subject.RECIPIENT, phase="rcpt", status="5.1.1"
)


@pytest.fixture(autouse=True)
def config(clock, monkeypatch) -> conf.ReminderConfig:
    with_sms = replace(conf.current(), channel="memory", further_channels=("sms",))
    monkeypatch.setattr(conf, "current", lambda: with_sms)
    return with_sms


@pytest.fixture
def mail() -> MemoryChannel:
    return MemoryChannel()


@pytest.fixture
def sms() -> MemorySms:
    return MemorySms()


@pytest.fixture
def tick(config, mail, sms) -> Callable[[], None]:
    """A scan, one dispatch, and a worker for each message."""

    def turn() -> None:
        scan.scan(trigger="cli", config=config)
        broker = MemoryBroker()
        dispatch.dispatch(config=config, broker=broker)
        for batch in broker.batches:
            deliver.deliver(batch.hints, config=config, channel={"memory": mail, "sms": sms}.__getitem__)

    return turn


def ways(**more: object) -> list[str]:
    rows = Reminder.objects.exclude(channel="none").filter(**more).order_by("id")
    return [f"{row.channel} {row.state} {row.reason}".strip() for row in rows]


def both(**more: object) -> Assignee:
    return AssigneeFactory(phone=PHONE, **more)


def test_who_has_a_phone_alone_is_reminded_by_sms(tick, mail, sms):
    AssignmentFactory(soon=True, assignee=AssigneeFactory(email="", phone=PHONE))
    tick()
    assert ways() == ["sms SENT"]
    assert [message.address for message in sms.messages] == [PHONE]
    assert mail.messages == []


def test_without_a_gateway_nothing_goes_by_sms(config, clock, monkeypatch, mail, sms):
    without = replace(config, further_channels=())
    monkeypatch.setattr(conf, "current", lambda: without)
    AssignmentFactory(soon=True, assignee=AssigneeFactory(email="", phone=PHONE))
    broker = MemoryBroker()
    dispatch.dispatch(config=without, broker=broker)
    deliver.deliver(broker.hints(), config=without, channel={"memory": mail, "sms": sms}.__getitem__)
    assert ways() == ["memory FAILED no_contact"]


def test_an_address_that_is_refused_for_good_is_followed_by_the_next_one_at_once(tick, mail, sms):
    mail.answer_with(NO_SUCH_MAILBOX)
    AssignmentFactory(soon=True, assignee=both())
    tick()
    assert ways() == ["memory FAILED rejected", "sms PLANNED"]
    tick()
    assert ways() == ["memory FAILED rejected", "sms SENT"]
    assert [message.address for message in sms.messages] == [PHONE]


def test_of_several_addresses_of_one_channel_each_is_tried_once(tick, mail, sms):
    person = both()
    second = contact_points.add_point(person.pk, "email", "second@example.test", order=2)
    mail.answer_with(NO_SUCH_MAILBOX, NO_SUCH_MAILBOX)
    AssignmentFactory(soon=True, assignee=person)
    for _ in range(3):
        tick()
    assert ways() == ["memory FAILED rejected", f"memory:{second.pk} FAILED rejected", "sms SENT"]
    assert [one.address for one in mail.attempts] == [person.email, "second@example.test"]


def test_nothing_is_planned_where_there_is_no_other_address_or_no_time(tick, clock, mail, sms, config):
    mail.answer_with(NO_SUCH_MAILBOX)
    AssignmentFactory(soon=True)
    tick()
    assert ways() == ["memory FAILED rejected"]
    work = AssignmentFactory(soon=True, assignee=both())
    clock.set(work.scheduled_start + config.overdue - timedelta(seconds=20))
    mail.answer_with(NO_SUCH_MAILBOX)
    tick()
    assert ways(assignment=work) == ["memory FAILED rejected"]


def test_what_nobody_can_know_is_never_sent_another_way(tick, clock, mail, sms):
    mail.answer_with(Outcome.UNKNOWABLE, Outcome.UNKNOWABLE)
    AssignmentFactory(soon=True, assignee=both())
    tick()
    clock.advance(timedelta(minutes=2))
    tick()
    assert ways() == ["memory UNKNOWN ambiguous"]
    assert sms.attempts == []


def test_an_address_whose_messages_come_back_is_not_used_for_the_next_reminder(tick, mail, sms):
    person = both()
    mail_point = contact_points.points_of(person.pk)[0]
    contact_points.mark_failing(mail_point.pk, "550")
    AssignmentFactory(soon=True, assignee=person)
    tick()
    assert ways() == ["sms SENT"]


def test_who_opts_out_of_an_address_gets_what_waits_by_the_next_one(tick, mail, sms):
    person = both()
    AssignmentFactory(assignee=person)
    assert ways() == ["memory PLANNED"]
    contact_points.opt_out(contact_points.points_of(person.pk)[0].pk)
    assert ways() == ["memory SKIPPED opted_out", "sms PLANNED"]


def test_who_opts_out_of_everything_gets_nothing_and_the_ledger_says_so(tick, mail, sms):
    person = both()
    AssignmentFactory(assignee=person)
    for point in contact_points.points_of(person.pk):
        contact_points.opt_out(point.pk)
    assert ways() == ["memory SKIPPED opted_out", "sms SKIPPED opted_out"]
    work = AssignmentFactory(soon=True, assignee=person)
    tick()
    assert ways(assignment=work) == ["memory SKIPPED opted_out"]
    assert (mail.attempts, sms.attempts) == ([], [])


def test_a_failing_address_is_left_only_where_there_is_another(tick, mail, sms):
    alone = AssigneeFactory()
    AssignmentFactory(assignee=alone)
    contact_points.mark_failing(contact_points.points_of(alone.pk)[0].pk, "550")
    assert ways() == ["memory PLANNED"]


def test_a_correction_goes_the_way_of_its_person(tick, clock, mail, sms):
    work = AssignmentFactory(soon=True, assignee=AssigneeFactory(email="", phone=PHONE))
    tick()
    services.change(work.pk, {"scheduled_start": NOON + timedelta(hours=6)})
    clock.advance(timedelta(seconds=61))
    tick()
    assert ways(kind="CORRECTION") == ["sms SENT"]


def test_a_rule_that_names_several_channels_reminds_over_each_of_them(tick, clock, mail, sms):
    made = rule(channels=["email", "sms"], minutes=55)
    person = both()
    work = AssignmentFactory(assignee=person)
    assert ways(assignment=work, rule=key(made)) == ["memory PLANNED", "sms PLANNED"]
    clock.advance(timedelta(minutes=6))
    tick()
    assert ways(assignment=work, rule=key(made)) == ["memory SENT", "sms SENT"]
    assert len(mail.messages) == len(sms.messages) == 1


def test_a_channel_that_is_named_and_over_which_nobody_has_an_address_is_left_out(tick, mail, sms):
    made = rule(channels=["email", "sms"], minutes=55)
    assert ways(assignment=AssignmentFactory(), rule=key(made)) == ["memory PLANNED"]
    only_sms = rule(channels=["sms"], minutes=40)
    assert ways(assignment=AssignmentFactory(), rule=key(only_sms)) == ["memory PLANNED"]
    assert ways(assignment=AssignmentFactory(assignee=both()), rule=key(only_sms)) == ["sms PLANNED"]


def test_a_named_channel_goes_over_the_address_of_it_that_works(tick, mail, sms):
    made = rule(channels=["sms"], minutes=55)
    person = both()
    second = contact_points.add_point(person.pk, "sms", "+491701234567")
    contact_points.mark_failing(contact_points.points_of(person.pk)[1].pk, "30005")
    assert ways(assignment=AssignmentFactory(assignee=person), rule=key(made)) == [f"sms:{second.pk} PLANNED"]


@pytest.mark.parametrize(
    ("channels", "left"),
    [
        ([], ["memory PLANNED", "sms SKIPPED replanned"]),
        (["sms"], ["memory SKIPPED replanned", "sms PLANNED"]),
    ],
)
def test_a_rule_that_names_fewer_channels_keeps_one_row(tick, config, mail, sms, channels, left):
    made = rule(channels=["email", "sms"], minutes=55)
    work = AssignmentFactory(assignee=both())
    reminder_rules.change_rule(made.pk, {"channels": channels}, by="ops")
    tick()
    assert ways(assignment=work, rule=key(made)) == left


def test_a_rule_for_verified_addresses_goes_to_the_first_of_them(tick, clock, mail, sms):
    made = rule(verified_only=True, minutes=55)
    person = both()
    _, number = contact_points.points_of(person.pk)
    contact_points.mark_verified(number.pk)
    work = AssignmentFactory(assignee=person)
    assert ways(assignment=work, rule=key(made)) == ["sms PLANNED"]
    clock.advance(timedelta(minutes=6))
    tick()
    assert ways(assignment=work, rule=key(made)) == ["sms SENT"]
    assert not mail.messages


def test_what_is_refused_at_a_verified_address_goes_to_no_unverified_one(tick, clock, mail, sms):
    made = rule(verified_only=True, minutes=55)
    person = both()
    contact_points.mark_verified(contact_points.points_of(person.pk)[0].pk)
    work = AssignmentFactory(assignee=person)
    clock.advance(timedelta(minutes=6))
    mail.answer_with(NO_SUCH_MAILBOX)
    tick()
    tick()
    assert ways(assignment=work, rule=key(made)) == ["memory FAILED rejected"]
    assert not sms.messages


def test_an_address_that_is_changed_before_the_send_is_not_verified_any_more(tick, clock, mail, sms):
    made = rule(verified_only=True, minutes=55)
    person = both()
    mailbox, number = contact_points.points_of(person.pk)
    for point in (mailbox, number):
        contact_points.mark_verified(point.pk)
    work = AssignmentFactory(assignee=person)
    contact_points.change_point(mailbox.pk, {"address": "other@example.test"})
    clock.advance(timedelta(minutes=6))
    tick()
    tick()
    assert ways(assignment=work, rule=key(made)) == ["memory FAILED no_contact", "sms SENT"]
    assert not mail.messages


def test_a_held_channel_is_not_left_for_an_unverified_address(no_mail_server, tick, clock, mail, sms):
    made = rule(verified_only=True, minutes=55)
    person = both()
    contact_points.mark_verified(contact_points.points_of(person.pk)[0].pk)
    work = AssignmentFactory(assignee=person)
    row = Reminder.objects.get(assignment=work, rule=key(made))
    clock.set(row.due_at + (row.not_after - row.due_at) / 2 + timedelta(seconds=1))
    tick()
    assert [one.partition(" ")[0] for one in ways(assignment=work, rule=key(made))] == ["memory"]


@pytest.fixture
def no_mail_server(clock) -> None:
    """The mail server has not answered for two minutes, and is left alone."""
    CircuitBreaker.objects.create(
        channel="memory", since=NOON - timedelta(minutes=2), until=NOON + timedelta(days=1), failures=9
    )


def test_a_channel_that_stays_down_is_left_at_half_time(no_mail_server, tick, clock, mail, sms):
    work = AssignmentFactory(soon=True, assignee=both())
    row = Reminder.objects.get(assignment=work, kind="REMINDER")
    half = row.due_at + (row.not_after - row.due_at) / 2
    clock.set(half - timedelta(seconds=1))
    tick()
    assert ways() == ["memory PLANNED"]
    clock.set(half + timedelta(seconds=1))
    tick()
    tick()
    assert ways() == ["memory SKIPPED fallback", "sms SENT"]
    assert [message.address for message in sms.messages] == [PHONE]


def test_a_channel_that_has_just_failed_is_waited_for(tick, clock, mail, sms):
    CircuitBreaker.objects.create(channel="memory", since=NOON, until=NOON + timedelta(days=1), failures=1)
    work = AssignmentFactory(soon=True, assignee=both())
    clock.set(Reminder.objects.get(assignment=work, kind="REMINDER").not_after - timedelta(minutes=1))
    CircuitBreaker.objects.update(since=clock.now())
    tick()
    assert ways(assignment=work) == ["memory PLANNED"]


def test_who_has_no_address_over_a_channel_that_works_waits(no_mail_server, tick, clock, mail, sms):
    alone = AssigneeFactory()
    contact_points.add_point(alone.pk, "email", "second@example.test")
    work = AssignmentFactory(soon=True, assignee=alone)
    clock.set(Reminder.objects.get(assignment=work, kind="REMINDER").not_after - timedelta(minutes=3))
    tick()
    assert ways() == ["memory PLANNED"]


def bounce(row: Reminder, config: conf.ReminderConfig, *, permanent: bool = True, id: str = "one") -> bool:
    return delivery_events.record(
        row.pk,
        DeliveryKind.BOUNCED,
        source="dsn",
        external_id=id,
        at=NOON,
        detail="5.1.1",
        permanent=permanent,
        config=config,
    )


def test_a_bounce_for_good_marks_the_address_and_tells_the_person_another_way(tick, mail, sms, config):
    person = both()
    AssignmentFactory(soon=True, assignee=person)
    tick()
    row = Reminder.objects.get(channel="memory")
    assert bounce(row, config)
    assert not bounce(row, config)
    assert ways() == ["memory SENT", "sms PLANNED"]
    tick()
    assert ways() == ["memory SENT", "sms SENT"]
    assert contact_points.points_of(person.pk)[0].failing_reason == "5.1.1"
    assert DeliveryEvent.objects.count() == 1


def test_a_bounce_for_now_changes_nothing_and_one_of_an_old_plan_moves_what_waits_alone(
    tick, mail, sms, config
):
    person = both()
    work = AssignmentFactory(soon=True, assignee=person)
    tick()
    row = Reminder.objects.get(channel="memory")
    assert bounce(row, config, permanent=False)
    assert contact_points.points_of(person.pk)[0].failing_since is None
    services.change(work.pk, {"status": "CANCELLED"})
    assert bounce(row, config, id="two")
    assert ways(kind="REMINDER") == ["memory SENT"]
    assert ways(kind="CORRECTION") == ["memory SKIPPED fallback", "sms PLANNED"]
    assert contact_points.points_of(person.pk)[0].failing_since is not None


def test_a_bounce_settles_a_doubt(tick, clock, mail, sms, config):
    """It may have arrived; now it is known that it has not."""
    mail.answer_with(Outcome.UNKNOWABLE, Outcome.UNKNOWABLE)
    AssignmentFactory(soon=True, assignee=both())
    tick()
    clock.advance(timedelta(minutes=2))
    tick()
    assert ways() == ["memory UNKNOWN ambiguous"]
    assert bounce(Reminder.objects.get(channel="memory"), config)
    tick()
    assert ways() == ["memory UNKNOWN ambiguous", "sms SENT"]


def test_a_bounce_of_an_address_that_was_corrected_since_does_not_mark_the_new_one(
    tick, clock, mail, sms, config
):
    person = both()
    AssignmentFactory(soon=True, assignee=person)
    tick()
    clock.advance(timedelta(seconds=5))
    people.change_assignee(person.pk, {"email": "right@example.test"})
    bounce(Reminder.objects.get(channel="memory"), config)
    assert contact_points.points_of(person.pk)[0].failing_since is None


def test_delivered_takes_the_mark_back_and_a_complaint_opts_the_address_out(tick, mail, sms, config):
    person = both()
    AssignmentFactory(soon=True, assignee=person)
    tick()
    row = Reminder.objects.get(channel="memory")
    first = contact_points.points_of(person.pk)[0]
    contact_points.mark_failing(first.pk, "550")
    of_row = {"source": "anymail", "at": NOON, "config": config}
    assert delivery_events.record(row.pk, DeliveryKind.DELIVERED, external_id="1", **of_row)
    assert contact_points.points_of(person.pk)[0].failing_since is None
    assert delivery_events.record(row.pk, DeliveryKind.COMPLAINED, external_id="2", **of_row)
    assert contact_points.points_of(person.pk)[0].opted_out_at is not None


def test_an_event_of_a_row_that_is_not_known_is_ignored(config):
    assert not delivery_events.record(
        4711, DeliveryKind.BOUNCED, source="dsn", external_id="1", at=NOON, config=config
    )


def test_a_token_names_its_row_in_any_case_and_is_made_by_nobody_else(settings):
    token = tracking.token_of(4711)
    assert tracking.reminder_id_of(token.upper()) == 4711
    assert tracking.reminder_id_of("4712" + token[4:]) is None
    assert tracking.reminder_id_of("nonsense") is None
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another" * 10
    assert tracking.reminder_id_of(token) == 4711
    assert tracking.token_of(4711) != token
