"""Of who has several addresses the explanation says which one is tried, which ones were, and which is next."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from assignments import contact_points
from assignments.models import Assignee, Assignment
from notifications.channels import registry
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Delivery, Outcome, Subject
from reminders import conf
from reminders.delivery import deliver, dispatch
from reminders.insight.explain.explain import explain
from reminders.insight.simulator.simulator import simulate
from tests.factories import NOON, AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller
from tests.fakes.broker import MemoryBroker
from tests.fakes.memory_sms import MemorySms
from tests.rule_factory import rule

pytestmark = pytest.mark.django_db

REFUSED = Delivery(
    Outcome.REJECTED, "550", "no such mailbox", subject=Subject.RECIPIENT, phase="rcpt", status="5.1.1"
)


@pytest.fixture(autouse=True)
def config(clock, monkeypatch) -> conf.ReminderConfig:
    with_sms = replace(conf.current(), channel="memory", further_channels=("sms",))
    monkeypatch.setattr(conf, "current", lambda: with_sms)
    return with_sms


@pytest.fixture
def channels(monkeypatch) -> dict[str, MemoryChannel]:
    known = {"memory": MemoryChannel(), "sms": MemorySms()}
    monkeypatch.setattr(registry, "get", known.__getitem__)
    return known


@pytest.fixture
def send(config, channels) -> Callable[[], None]:
    def turn() -> None:
        broker = MemoryBroker()
        dispatch.dispatch(config=config, broker=broker)
        for batch in broker.batches:
            deliver.deliver(batch.hints, config=config, channel=channels.__getitem__)

    return turn


@pytest.fixture
def ada() -> Assignee:
    return AssigneeFactory(name="Ada", email="ada@example.test", phone="+4930123456")


@pytest.fixture
def summary(config) -> Callable[[Assignment], str]:
    return lambda work: explain(work, config=config).summary


def test_who_has_one_address_hears_of_no_other(channels, summary):
    work = AssignmentFactory()
    assert summary(work) == "The reminder will be sent at 2026-06-15 12:30:00 UTC."


def test_the_next_address_is_named_before(channels, summary, ada, clock):
    work = AssignmentFactory(assignee=ada)
    expected = (
        "The reminder will be sent by memory at 2026-06-15 12:30:00 UTC; if it is refused, SMS is tried next."
    )
    assert summary(work) == expected
    far = AssignmentFactory(assignee=ada, far=True)
    assert summary(far) == (
        "The reminder will be sent by memory at 2026-06-18 11:30:00 UTC; it is planned from 2026-06-18 10:00:00 UTC on, "
        "when the start comes within the look-ahead; if it is refused, SMS is tried next."
    )
    mail = contact_points.points_of(ada.pk)[0]
    contact_points.opt_out(contact_points.points_of(ada.pk)[1].pk)
    assert summary(work) == "The reminder will be sent by memory at 2026-06-15 12:30:00 UTC."
    second = contact_points.add_point(ada.pk, "email", "home@example.test")
    assert f"memory (contact point {second.pk}) is tried next" in summary(work)
    contact_points.change_point(second.pk, {"order": 1})
    assert f"memory (contact point {mail.pk}) is tried next" in summary(work)


def test_a_rule_for_verified_addresses_says_so_before_and_after(channels, send, summary, ada, clock):
    rule(verified_only=True, minutes=30, scope="kind", scope_value="repair")
    work, far = (AssignmentFactory(assignee=ada, kind="repair", far=far) for far in (False, True))
    nobody = "will fail at 2026-06-15 12:30:00 UTC: there is nobody to write to, or no usable address."
    assert summary(work) == f"The reminder {nobody}"
    assert "has no verified address for memory" in str(explain(work, config=conf.current()).reminders)
    assert "will fail" in summary(far)
    contact_points.mark_verified(contact_points.points_of(ada.pk)[1].pk)
    assert "; if it is refused" not in summary(far)
    assert summary(far).startswith("The reminder will be sent by SMS at ")
    assert summary(work).startswith(f"The reminder {nobody[:-1]}; if it is refused, SMS is tried next")
    clock.advance(timedelta(minutes=31))
    send()
    send()
    assert "found no usable address by memory, and was accepted by SMS" in summary(work)


def test_what_was_tried_is_named_after(channels, send, summary, ada, config, clock):
    work = AssignmentFactory(soon=True, assignee=ada)
    channels["memory"].answer_with(REFUSED)
    send()
    assert summary(work) == (
        "The reminder was refused by memory (550), and will be sent by SMS now: every condition is met."
    )
    send()
    assert (
        summary(work)
        == "The reminder was refused by memory (550), and was accepted by SMS at 2026-06-15 12:00:00 UTC."
    )
    told = [step.summary for step in explain(work, config=config).history]
    assert "REMINDER of version 1 by memory, attempt 1: rejected (550): no such mailbox." in told
    assert "REMINDER of version 1 by SMS was accepted at 2026-06-15 12:00:00 UTC." in told


def test_what_is_said_before_is_what_then_happens(channels, send, summary, ada):
    second = contact_points.add_point(ada.pk, "email", "home@example.test", order=2)
    work = AssignmentFactory(soon=True, assignee=ada)
    channels["memory"].answer_with(REFUSED, REFUSED)
    channels["sms"].answer_with(REFUSED)
    for following in (f"memory (contact point {second.pk})", "SMS"):
        assert f"if it is refused, {following} is tried next" in summary(work)
        send()
    assert "is tried next" not in summary(work)
    send()
    assert summary(work) == (
        f"The reminder was refused by memory (550), was refused by memory (contact point {second.pk}) (550), "
        "and failed by SMS: the SMS gateway refused it for good."
    )


def test_without_time_no_other_address_is_promised(channels, summary, ada, clock, config):
    work = AssignmentFactory(soon=True, assignee=ada)
    clock.set(work.scheduled_start + config.overdue - timedelta(seconds=20))
    assert "is tried next" not in summary(work)


def test_the_channel_of_a_row_is_told_apart_from_its_address(channels, send, ada):
    call = ApiCaller("read")
    second = contact_points.add_point(ada.pk, "email", "home@example.test", order=2)
    work = AssignmentFactory(soon=True, assignee=ada)
    channels["memory"].answer_with(REFUSED)
    send()
    expected = [("memory", None), ("memory", second.pk)]
    rows = call.get(f"/api/assignments/{work.pk}/reminders").json()["results"]
    explained = call.get(f"/api/assignments/{work.pk}/explain").json()["reminders"]
    exported = b"".join(call.get("/api/admin/reminders/export?format=csv")).decode().splitlines()
    for shown in (rows, explained):
        reminders = [one for one in shown if one["kind"] == "REMINDER"]
        told = sorted(
            (one.get("id") or one["reminder_id"], one["channel"], one["contact_point"]) for one in reminders
        )
        assert [(channel, point) for _, channel, point in told] == expected
    assert exported[0].endswith(",contact_point")
    assert [line.rsplit(",", 1)[1] for line in exported[1:3]] == ["", str(second.pk)]


def test_a_simulation_counts_by_channel(channels, ada, config, clock):
    contact_points.add_point(ada.pk, "email", "home@example.test", order=1)
    contact_points.mark_failing(contact_points.points_of(ada.pk)[0].pk, "550")
    AssignmentFactory(assignee=ada)
    AssignmentFactory()
    found = simulate(since=NOON, until=NOON + timedelta(hours=2), config=config)
    assert sum(found.by_channel.values()) == 2
    assert set(found.by_channel) <= {"memory", "sms"}
