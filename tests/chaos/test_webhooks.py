"""An endpoint misbehaves at every phase while workers die: each event is told, and nobody's reminder waits for it."""

import pytest

from tests.chaos.system import EVERYBODY, now
from tests.fakes.http_sink import answer
from tests.stack import until

PEOPLE = "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER' AND state = 'SENT'"
TOLD = "SELECT count(*) FROM reminders_reminder WHERE kind = 'EVENT' AND state = 'SENT'"
TRIES = "SELECT count(*) FROM reminders_attempt t JOIN reminders_reminder r ON r.id = t.reminder_id WHERE r.kind = 'EVENT'"
DUE_NOW = "UPDATE reminders_reminder SET next_attempt_at = now() WHERE kind = 'EVENT' AND state = 'PLANNED'"
PATIENCE = 150
"""An endpoint that has failed for long is left alone for longer."""


def test_a_worker_killed_and_an_endpoint_that_hangs_up(system, report):
    """It reads each event and gives no answer: whoever sends cannot know, and tells it again under the same id."""
    system.subscribe("reminder.sent")
    system.hooks.stop_at = "answer"
    system.plant(40)
    until(lambda: system.hooks.taken, within=60, what="the endpoint is told for the first time")
    system.kill("worker")
    until(lambda: system.one(PEOPLE) == 40, within=60, what="people are reminded meanwhile")
    since = now()
    system.heal()
    system.crew(*EVERYBODY)
    system.settle(within=PATIENCE)
    evidence = system.holds()
    assert system.one(TOLD) == 40
    assert len({hook["message_id"] for hook in evidence.hooks}) == 40
    assert len(evidence.hooks) > 40
    assert system.leaks() == []
    report("webhooks: a worker killed, the endpoint hangs up", system, since)


@pytest.mark.chaos
def test_it_misbehaves_at_each_phase(system, haste, report):
    """One after the other; between them it is as if the hold were over. People are reminded all the while."""
    system.subscribe("reminder.sent")
    ways = ["accept", "request", "answer", "silence", "drip", "500 Oh", "503 Busy"]
    planted = 0
    for way in ways:
        if way[0].isdigit():
            system.hooks.stop_at, system.hooks.answers = "", [answer(way)]
        else:
            system.hooks.stop_at = way
        system.query("DELETE FROM reminders_channelhold")
        system.query(DUE_NOW)
        before = system.one(TRIES)
        planted += len(system.plant(10, name=f"hook-{planted}"))
        until(lambda since=before: system.one(TRIES) > since, within=60, what=f"it was tried and said {way}")
    until(lambda: system.one(PEOPLE) == planted, within=30, what="people are reminded meanwhile")
    assert system.one(TOLD) == 0
    since = now()
    system.heal()
    system.settle(within=PATIENCE)
    system.holds()
    assert system.one(TOLD) == planted
    report("webhooks: an endpoint fails at each phase", system, since)


@pytest.mark.chaos
def test_supervisors_are_told_once_though_workers_die(system, haste, report, monkeypatch):
    """Work that nobody starts: two supervisors hear of each, whatever happens to those who tell them."""
    chiefs = "chief@example.test,deputy@example.test"
    monkeypatch.setitem(system.stack.environment, "REMINDER_OPS_EMAILS", chiefs)
    system.kill("worker", "worker2")
    system.crew("worker", "worker2")
    system.plant(20, start=-1_796)  # overdue in four seconds
    until(lambda: len(system.stack.mails()) >= 1, within=60, what="supervisors are being told", every=0.01)
    system.kill("worker", "worker2")
    since = now()
    system.crew(*EVERYBODY)
    evidence = system.holds()
    told = [row for row in evidence.rows if row["recipient"].startswith("ops:")]
    assert [row["state"] for row in told] == ["SENT"] * 40
    assert {mail["recipients"][0] for mail in evidence.mails} == {"chief@example.test", "deputy@example.test"}
    report("workers killed while supervisors are notified", system, since)
    system.kill("worker", "worker2")  # the next ones tell no supervisor
