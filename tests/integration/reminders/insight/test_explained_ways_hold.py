"""What the explanation says of a person's addresses before each step is what then happens, whatever addresses they have."""

import random
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from assignments import contact_points
from assignments.models import Assignee, Assignment
from notifications.channels import registry
from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Contact, Delivery, Message, Outcome, Subject
from reminders import conf
from reminders.conf import ReminderConfig
from reminders.delivery import deliver, dispatch
from reminders.insight.explain.explain import explain
from reminders.insight.explain.ways import way_words
from reminders.models import Reminder, State
from tests.depth import examples
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.rule_factory import rule

pytestmark = pytest.mark.django_db

REFUSED = Delivery(
    Outcome.REJECTED, "550", "unknown", subject=Subject.RECIPIENT, phase="rcpt", status="5.1.1"
)
VERIFIED_ONLY = "visit"


class Judging(MemoryChannel):
    """Refuses what is written to an address that ends in 0 for good, and takes the rest."""

    def __init__(self, field: str) -> None:
        super().__init__()
        self._field = field

    def address(self, contact: Contact) -> str | None:
        return getattr(contact, self._field) or None

    def send(
        self, message: Message, *, timeout: timedelta, final_reply_timeout: timedelta = timedelta()
    ) -> Delivery:
        if message.address.partition("@")[0].endswith("0"):
            self.answer_with(REFUSED)
        return super().send(message, timeout=timeout, final_reply_timeout=final_reply_timeout)


@pytest.fixture
def config(clock, monkeypatch) -> ReminderConfig:
    with_sms = replace(conf.current(), channel="memory", further_channels=("sms",))
    monkeypatch.setattr(conf, "current", lambda: with_sms)
    return with_sms


@pytest.fixture
def channels(monkeypatch) -> dict[str, MemoryChannel]:
    known: dict[str, MemoryChannel] = {"memory": Judging("email"), "sms": Judging("phone")}
    monkeypatch.setattr(registry, "get", known.__getitem__)
    return known


def somebody(chance: random.Random, number: int) -> Assignee:
    """A person with up to four addresses in some order, some of them verified, failing or opted out."""
    person = AssigneeFactory(email="", phone="")
    for place in range(chance.randrange(5)):
        end = chance.randrange(2)
        if chance.random() < 0.6:
            point = contact_points.add_point(person.pk, "email", f"p{number}.{place}{end}@example.test")
        else:
            point = contact_points.add_point(person.pk, "sms", f"+4915112{number:03}{place}{end}")
        for chosen, done in (
            (0.4, contact_points.mark_verified),
            (0.2, lambda pk: contact_points.mark_failing(pk, "550")),
            (0.2, contact_points.opt_out),
        ):
            if chance.random() < chosen:
                done(point.pk)
    return person


def open_rows(work: Assignment) -> list[Reminder]:
    rows = Reminder.objects.filter(assignment=work, kind="REMINDER", closed_at=None)
    return list(rows.exclude(channel="none").order_by("id"))


def test_each_step_is_as_it_was_explained(channels, config):
    chance = random.Random(20261127)
    rule(verified_only=True, minutes=30, scope="kind", scope_value=VERIFIED_ONLY)
    works = [
        AssignmentFactory(
            soon=True, assignee=somebody(chance, number), kind=chance.choice(("repair", VERIFIED_ONLY))
        )
        for number in range(examples(120))
    ]
    steps = 0
    while waiting := [work for work in works if open_rows(work)]:
        said = {work.pk: explain(work, config=config).summary for work in waiting}
        before = {work.pk: open_rows(work)[0] for work in waiting}
        broker = MemoryBroker()
        dispatch.dispatch(config=config, broker=broker)
        for batch in broker.batches:
            deliver.deliver(batch.hints, config=config, channel=channels.__getitem__)
        for work in waiting:
            happened(work, said[work.pk], before[work.pk])
            steps += 1
    assert steps > examples(100)
    ended = Reminder.objects.filter(kind="REMINDER").exclude(channel="none")
    assert set(ended.values_list("state", flat=True)) == {State.SENT, State.FAILED, State.SKIPPED}


def happened(work: Assignment, said: str, before: Reminder) -> None:
    """Compares what was said of a row with what became of it."""
    row = Reminder.objects.get(pk=before.pk)
    following = [way_words(one.channel) for one in open_rows(work)]
    promised = re.findall(r"if it is refused, (.+?) is tried next", said)
    if "will fail" in said:
        assert (row.state, row.reason) == (State.FAILED, "no_contact"), said
        assert following == promised, said
        return
    assert "will be sent" in said, said
    by = re.search(r"will be sent by (e-mail|memory|SMS)( \(contact point \d+\))? now", said)
    if by is not None:
        assert way_words(row.channel) == by[0].removeprefix("will be sent by ").removesuffix(" now"), said
    if row.state == State.SENT:
        assert following == [], said
    else:
        assert (row.state, row.reason, following) == (State.FAILED, "rejected", promised), said
