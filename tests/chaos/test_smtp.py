"""The mail server drops, hangs, refuses and dawdles at every phase; the others do not suffer for one."""

import pytest

from tests.chaos.system import now, pause
from tests.stack import until

pytestmark = pytest.mark.chaos
PHASES = ("ehlo", "mail", "rcpt", "data", "content", "dot")


@pytest.mark.parametrize("action", ["drop", "hang"])
def test_it_misbehaves_at_each_phase(system, haste, action, report):
    """Twice at each phase, one after the other, while sixty people are to be reminded."""
    for phase in PHASES:
        system.mail(step=phase, action=action, times=2)
    since = now()
    system.plant(60)
    system.settle(within=120)
    evidence = system.holds()
    assert system.sent() == 60
    assert max(evidence.accepted.values()) <= 2
    report(f"SMTP: {action} at each phase, twice", system, since)


def test_an_accepted_mail_whose_answer_is_lost_is_repeated_once_and_flagged(system, haste, report):
    system.mail(step="dot", action="drop", accept=True, times=3)
    since = now()
    system.plant(20)
    evidence = system.holds()
    assert system.sent() == 20
    twice = [times for times in evidence.accepted.values() if times == 2]
    assert len(twice) == 3
    report("SMTP: the answer to the content is lost, three times", system, since)


@pytest.mark.parametrize(
    ("step", "answer", "ends"),
    [
        ("rcpt", "421 4.3.2 closing down", {"SENT"}),
        ("rcpt", "450 4.2.1 try again", {"SENT"}),
        ("dot", "451 4.3.0 local error", {"SENT"}),
        ("rcpt", "550 5.1.1 no such user", {"SENT", "FAILED"}),
        ("dot", "552 5.2.2 mailbox full", {"SENT", "FAILED"}),
    ],
)
def test_it_refuses(system, haste, step, answer, ends, report):
    """For now: tried again. For good: FAILED(rejected), those three and nobody else."""
    system.mail(step=step, action="answer", answer=answer, times=3)
    since = now()
    system.plant(20)
    system.settle(within=90)
    evidence = system.holds()
    assert {row["state"] for row in evidence.rows} == ends
    failed = [row for row in evidence.rows if row["state"] == "FAILED"]
    assert len(failed) == (3 if "FAILED" in ends else 0)
    assert {row["reason"] for row in failed} <= {"rejected"}
    assert set(evidence.accepted.values()) == {1}
    report(f"SMTP: {answer[:3]} at {step}, three times", system, since)


def test_a_tarpit_for_one_person_does_not_hold_up_the_others(system, report):
    """One octet a second for one recipient; half the workers' time may go there, not more."""
    ids = system.plant(1, name="slow", start=590)
    system.mail(step="rcpt", action="tarpit", pause=1.0, recipient="slow-0@example.test")
    system.plant(200)
    since = now()
    until(lambda: system.sent() >= 200, within=30, what="the other two hundred are sent")
    system.mail()
    system.settle(within=90)
    system.holds()
    assert system.sent() == 201
    assert ids
    report("SMTP: tarpit for one recipient", system, since)


def test_it_refuses_connections_for_a_minute(system, haste, report):
    system.to_mail.refuse()
    system.plant(100)
    pause(60 / haste)
    system.to_mail.heal()
    since = now()
    system.settle(within=120)
    evidence = system.holds()
    assert system.sent() == 100
    assert set(evidence.accepted.values()) == {1}
    # What the mail server's absence cost is not counted against the rows.
    assert {row["failures"] for row in evidence.rows} == {0}
    report("SMTP: connections refused for 60 s", system, since)
