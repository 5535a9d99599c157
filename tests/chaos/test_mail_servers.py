"""Mail servers that serve, and refuse: this sender, more than so many, whoever is new, one person; or answer late.

None of that is a person's fault, except the one person's.
"""

import pytest

from tests.chaos import checker
from tests.chaos.system import EVERYBODY, System, now
from tests.stack import until

long = pytest.mark.chaos
BREAKER = "SELECT coalesce(max(failures), 0) FROM reminders_channelhold"
ENDS = "SELECT state, count(*) FROM reminders_reminder WHERE kind = 'REMINDER' GROUP BY state"
OUTCOMES = "SELECT outcome, count(*) FROM reminders_attempt WHERE outcome <> 'handed_back' GROUP BY outcome"
PACES = "SELECT per_minute FROM reminders_channelpace"


def ends(system: System) -> dict[str, int]:
    return dict(system.query(ENDS))


def outcomes(system: System) -> dict[str, int]:
    """Of each outcome so many; save for what a worker had no time left for."""
    return dict(system.query(OUTCOMES))


def suspended(system: System, report, *, step: str, answer: str, people: int, refusals: int) -> None:
    """The sender is refused until the breaker has opened so often; then the server is right again."""
    system.mail(step=step, action="answer", answer=answer, about="channel")
    system.plant(people)
    until(lambda: system.one(BREAKER) >= refusals, within=40, what="the channel is left alone")
    since = now()
    system.mail()
    system.settle(within=90)
    system.holds()
    assert ends(system) == {"SENT": people}
    report(f"SMTP: {answer} at {step}, {people} due, then right again", system, since)


def test_a_suspended_sender(system, report):
    suspended(system, report, step="mail", answer="550 5.7.1 account suspended", people=30, refusals=1)


@long
@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("mail", "550 5.7.1 account suspended"),
        ("mail", "553 5.7.1 sender address rejected: not owned by user"),
        ("rcpt", "550 5.4.5 daily sending quota exceeded"),
        ("rcpt", "554 5.7.1 relay access denied"),
        ("rcpt", "550 account suspended"),
        ("dot", "550 5.4.5 daily quota exceeded"),
        ("dot", "554 too many messages"),
        ("dot", "550 too many mails today"),
    ],
)
def test_hundreds_are_due_while_the_sender_is_refused(system, haste, step, answer, report):
    suspended(system, report, step=step, answer=answer, people=300, refusals=3)


@long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("mail", "452 too many messages"),
        ("rcpt", "450 4.7.1 rate limit exceeded"),
        ("dot", "451 please try again later"),
    ],
)
def test_a_limit_of_forty_in_ten_seconds(system, haste, step, answer, report):
    """Three times as many are due. Nothing is FAILED, nothing sent twice, and the pace is found."""
    system.mail_rule(kind="rate", most=40, seconds=10 / haste, step=step, answer=answer)
    since = now()
    system.plant(120)
    system.settle(within=200)
    evidence = system.holds()
    assert ends(system) == {"SENT": 120}
    assert set(evidence.accepted.values()) == {1}
    [(pace,)] = system.query(PACES)
    assert 40 / 2 <= pace <= 6 * 40 * 2
    report(f"SMTP: {answer} after forty in ten seconds", system, since)


@long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("answer", ["450 4.2.0 Greylisted", "451 4.7.1 please try again later"])
def test_greylisting(system, haste, answer, report):
    """Whoever is new is refused for half a minute: the second try comes after a quarter, the third after three."""
    system.mail_rule(kind="greylist", seconds=30 / haste, step="rcpt", answer=answer)
    since = now()
    system.plant(100)
    system.settle(within=200)
    evidence = system.holds()
    assert ends(system) == {"SENT": 100}
    assert set(evidence.accepted.values()) == {1}
    assert system.query(PACES) == []
    report(f"SMTP: {answer} for half a minute", system, since)


@long
@pytest.mark.parametrize(
    ("step", "answer"),
    [
        ("mail", "452 4.4.5 too many messages in this session"),
        ("rcpt", "452 4.5.3 too many recipients in this session"),
        ("dot", "421 4.7.0 too many messages on this connection"),
    ],
)
def test_ten_mails_for_each_connection(system, step, answer, report):
    """The eleventh goes over a new connection at once: nobody waits, and no pace is learnt."""
    system.mail_rule(kind="session", most=10, step=step, answer=answer)
    since = now()
    system.plant(60)
    system.settle()
    evidence = system.holds()
    assert outcomes(system) == {"accepted": 60}
    connections = [mail["connection"] for mail in evidence.mails]
    assert max(connections.count(one) for one in connections) <= 10
    assert system.query(PACES) == []
    report(f"SMTP: {answer} after ten", system, since)


@pytest.mark.parametrize(
    "answer",
    [
        "550 5.1.1 no such user",
        pytest.param("550 no", marks=long),
        pytest.param("553-5.1.3 who is\r\n553 5.1.3 that?", marks=long),
    ],
)
def test_one_person_is_refused_for_good(system, answer, report):
    dead = "job-7@example.test"
    system.mail(step="rcpt", action="answer", answer=answer, recipient=dead, about="recipient")
    since = now()
    system.plant(30)
    system.settle()
    evidence = system.holds()
    assert ends(system) == {"SENT": 29, "FAILED": 1}
    [failed] = [row for row in evidence.rows if row["state"] == "FAILED"]
    assert (failed["email"], failed["reason"], failed["attempts"]) == (dead, "rejected", 1)
    assert system.one("SELECT count(*) FROM reminders_channelhold") == 0
    report(f"SMTP: {answer.splitlines()[0]} for one person among thirty", system, since)


@long
def test_an_answer_that_takes_longer_than_a_send(system, report):
    """As 12 seconds do with the default settings: the server has the message, and nobody else gets it again."""
    system.mail(step="dot", action="late", pause=2.4, accept=True)
    since = now()
    system.plant(16)
    system.settle()
    evidence = system.holds()
    assert outcomes(system) == {"accepted": 16}
    assert set(evidence.accepted.values()) == {1}
    report("SMTP: an answer 2.4 s after the dot", system, since)


@long
@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ("reads no further after 354", {"step": "content", "action": "hang"}),
        ("closes after the dot, without the message", {"step": "dot", "action": "drop"}),
        ("closes after the dot, with the message", {"step": "dot", "action": "drop", "accept": True}),
        ("hangs after the dot, with the message", {"step": "dot", "action": "hang", "accept": True}),
    ],
)
def test_nobody_knows_whether_it_has_the_message(system, haste, what, fault, report):
    """Three times: repeated once each, and flagged."""
    system.mail(**fault, times=3)
    since = now()
    system.plant(40)
    system.settle()
    evidence = system.holds()
    assert ends(system) == {"SENT": 40}
    assert outcomes(system)["unknowable"] == 3
    assert sum(times == 2 for times in evidence.accepted.values()) == (3 if "accept" in fault else 0)
    report(f"SMTP: it {what}, three times", system, since)


@long
@pytest.mark.parametrize(
    ("doom", "invariant"),
    [("every refusal is the person's", "I11"), ("a channel that refuses is given up", "I12")],
)
def test_the_checker_finds_a_worker_that_blames_the_wrong_one(system, doom, invariant):
    system.kill("worker", "worker2")
    naive = system.start("worker", DOOM=doom)
    system.mail(step="mail", action="answer", answer="550 5.7.1 account suspended", about="channel")
    system.plant(10)
    until(lambda: ends(system).get("FAILED", 0) > 0, within=60, what="somebody is given up")
    found = {line.split(":")[0] for line in checker.broken(system.evidence())}
    assert invariant in found
    naive.kill()
    system.crew(*EVERYBODY)
