"""The tables by which a mail server's refusal is judged, row by row, with replies as servers write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.email import responses
from notifications.channels.email.responses import SmtpPhase, judge
from notifications.message import Outcome, Subject

LATER, NEVER = Outcome.REFUSED_FOR_NOW, Outcome.REJECTED
PACE, REFUSED, DOWN = Outcome.THROTTLED, Outcome.CHANNEL_REFUSED, Outcome.CHANNEL_DOWN
RECIPIENT, MESSAGE, CHANNEL, UNSTATED = Subject.RECIPIENT, Subject.MESSAGE, Subject.CHANNEL, Subject.UNSTATED
MAIL, RCPT, DATA, DOT = SmtpPhase.MAIL, SmtpPhase.RCPT, SmtpPhase.DATA, SmtpPhase.FINAL_REPLY


@pytest.mark.parametrize(
    "phase", [SmtpPhase.CONNECT, SmtpPhase.TLS, SmtpPhase.EHLO, SmtpPhase.AUTH, SmtpPhase.RESET]
)
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("421 4.3.2 too busy", DOWN),
        ("450 not now", DOWN),
        ("454 4.7.0 temporary authentication failure", DOWN),
        ("421 4.7.0 too many connections from your address", PACE),
        ("554 5.7.1 no service", REFUSED),
        ("535 5.7.8 wrong credentials", REFUSED),
        ("550 5.1.1 whoever", REFUSED),
    ],
)
def test_before_there_is_a_mail_it_is_the_channel(phase: SmtpPhase, reply: str, outcome: Outcome) -> None:
    assert verdict(phase, reply) == (outcome, CHANNEL)


@pytest.mark.parametrize("phase", [MAIL, RCPT, DATA, DOT])
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("421 4.3.2 closing down", DOWN),
        ("454 TLS not available", DOWN),
        ("521 5.3.2 host does not accept mail", REFUSED),
        ("525 5.7.13 user account disabled", REFUSED),
        ("530 5.7.0 log in first", REFUSED),
        ("530 5.7.0 must issue a STARTTLS command first", REFUSED),
        ("534 5.7.9 mechanism too weak", REFUSED),
        ("535 5.7.8 log in anew", REFUSED),
        ("538 5.7.11 encryption needed", REFUSED),
        ("421 4.7.28 rate limit exceeded", PACE),
    ],
)
def test_these_codes_are_about_the_channel_in_every_phase(
    phase: SmtpPhase, reply: str, outcome: Outcome
) -> None:
    assert verdict(phase, reply) == (outcome, CHANNEL)


@pytest.mark.parametrize(
    ("reply", "outcome", "subject"),
    [
        ("550 account suspended", REFUSED, CHANNEL),
        ("550 5.7.1 sender not allowed", REFUSED, CHANNEL),
        ("553 5.7.1 <a@example.com>: sender address rejected: not owned by user", REFUSED, CHANNEL),
        ("553 sender not owned", REFUSED, CHANNEL),
        ("550 5.4.5 daily sending quota exceeded", REFUSED, CHANNEL),
        ("550 5.1.8 sender's domain does not exist", REFUSED, CHANNEL),
        ("550 5.2.1 mailbox disabled", REFUSED, CHANNEL),
        ("501 5.5.4 bad parameter", REFUSED, CHANNEL),
        ("503 5.5.1 nested MAIL", REFUSED, CHANNEL),
        ("554 5.3.0 alias database unavailable", REFUSED, CHANNEL),
        ("552 message size exceeds fixed maximum message size", NEVER, MESSAGE),
        ("552 5.3.4 message too big", NEVER, MESSAGE),
        ("552 5.2.3 message too long", NEVER, MESSAGE),
        ("450 busy", PACE, CHANNEL),
        ("451 4.7.1 slow down", PACE, CHANNEL),
        ("452 too many messages", PACE, CHANNEL),
        ("452 4.4.5 too many messages in this session", PACE, CHANNEL),
        ("452 4.5.3 too many", PACE, CHANNEL),
        ("451 4.3.0 local error", DOWN, CHANNEL),
        ("452 4.3.1 insufficient system storage", DOWN, CHANNEL),
        ("450 4.1.8 sender's domain not found", DOWN, CHANNEL),
    ],
)
def test_at_mail_it_is_the_channel_save_for_the_size(reply: str, outcome: Outcome, subject: Subject) -> None:
    assert verdict(MAIL, reply) == (outcome, subject)


@pytest.mark.parametrize(
    ("reply", "outcome", "subject"),
    [
        # the recipient
        ("550 5.1.1 no such user", NEVER, RECIPIENT),
        ("553 5.1.3 bad address syntax", NEVER, RECIPIENT),
        ("550 5.1.2 no such domain", NEVER, RECIPIENT),
        ("556 5.1.10 recipient's domain has a null MX", NEVER, RECIPIENT),
        ("556 domain does not accept mail", NEVER, RECIPIENT),
        ("551 user not local", NEVER, RECIPIENT),
        ("550 5.2.1 mailbox disabled", NEVER, RECIPIENT),
        ("552 5.2.2 over quota", NEVER, RECIPIENT),
        ("553 5.6.7 non-ASCII address not permitted", NEVER, RECIPIENT),
        ("550 5.7.17 mailbox owner has changed", NEVER, RECIPIENT),
        ("450 4.1.1 unverified address", LATER, RECIPIENT),
        ("450 4.2.1 the user receives mail at a rate that is too fast", LATER, RECIPIENT),
        ("452 4.2.2 mailbox full: over quota", LATER, RECIPIENT),
        ("450 4.2.0 greylisted", LATER, RECIPIENT),
        ("451 4.7.1 Greylisting in action, please come back later", LATER, RECIPIENT),
        ("450 greylisted for 300 seconds", LATER, RECIPIENT),
        # presumably the recipient
        ("550 no", NEVER, UNSTATED),
        ("552 quota exceeded", NEVER, UNSTATED),
        ("553 no", NEVER, UNSTATED),
        ("554 no", NEVER, UNSTATED),
        ("501 bad address", NEVER, UNSTATED),
        ("550 5.0.0 no", NEVER, UNSTATED),
        ("550 5.4.1 recipient address rejected: access denied", NEVER, UNSTATED),
        ("550 5.5.0 mailbox unavailable", NEVER, UNSTATED),
        ("450 busy", LATER, UNSTATED),
        ("451 trouble", LATER, UNSTATED),
        ("450 4.4.3 domain lookup failed", LATER, UNSTATED),
        ("451 4.3.0 local error", LATER, UNSTATED),
        ("450 4.7.1 try again later", LATER, UNSTATED),
        # the channel
        ("550 5.1.8 sender address rejected: domain not found", REFUSED, CHANNEL),
        ("553 5.1.7 sender address rejected", REFUSED, CHANNEL),
        ("550 5.4.5 daily quota exceeded", REFUSED, CHANNEL),
        ("552 5.5.3 too many recipients", REFUSED, CHANNEL),
        ("450 4.1.8 sender's domain not found", DOWN, CHANNEL),
        ("452 4.3.1 insufficient system storage", DOWN, CHANNEL),
        ("451 4.3.2 system not accepting messages", DOWN, CHANNEL),
        ("451 4.4.5 congestion", PACE, CHANNEL),
        ("452 4.5.3 too many recipients", PACE, CHANNEL),
        # presumably the channel
        ("550 5.7.1 delivery not authorized", REFUSED, UNSTATED),
        ("553 5.7.1 sender address rejected: not owned by user", REFUSED, UNSTATED),
        ("550 5.7.26 unauthenticated mail is blocked", REFUSED, UNSTATED),
        ("554 5.7.1 relay access denied", REFUSED, UNSTATED),
        ("554 relay denied", REFUSED, UNSTATED),
        ("550 relaying prohibited", REFUSED, UNSTATED),
        ("553 sender not owned", REFUSED, UNSTATED),
        ("554 too many messages", REFUSED, UNSTATED),
        ("550 5.3.0 system error", REFUSED, UNSTATED),
        ("503 need MAIL first", REFUSED, UNSTATED),
        ("452 insufficient system storage", PACE, UNSTATED),
        ("450 too many messages, slow down", PACE, UNSTATED),
        ("451 4.7.500 server busy", PACE, UNSTATED),
        ("450 4.7.1 rate limit exceeded", PACE, UNSTATED),
        # the message
        ("552 5.3.4 message too big", NEVER, MESSAGE),
        ("550 5.6.0 content not accepted", NEVER, MESSAGE),
    ],
)
def test_at_rcpt_and_later_the_reply_decides(reply: str, outcome: Outcome, subject: Subject) -> None:
    assert [verdict(phase, reply) for phase in (RCPT, DATA, DOT)] == [(outcome, subject)] * 3


@pytest.mark.parametrize("reply", ["554 too many messages", "550 too many mails from you", "550 5.4.5 quota"])
def test_a_limit_that_is_stated_after_the_dot_is_not_the_persons_fault(reply: str) -> None:
    assert verdict(DOT, reply)[0] is REFUSED


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("550 5.1.1 no such user", "5.1.1"),
        ("550 5.1.10", "5.1.10"),
        ("550 no 5.1.1 status here", ""),
        ("550 4.1.1 a class that is not the code's", "4.1.1"),
        ("550 2.1.5 the class of an acceptance", ""),
        ("550 no status on this line\n5.1.1 but on the next", "5.1.1"),
        ("550 5.1.1.1 too many parts", ""),
        ("550 5.1.1234 too long", ""),
        ("550 ", ""),
    ],
)
def test_the_status_stands_before_the_text_of_a_line(reply: str, status: str) -> None:
    assert judge(RCPT, int(reply[:3]), reply[4:]).status == status


@given(st.sampled_from(SmtpPhase), st.integers(400, 599), st.text())
def test_every_refusal_has_a_meaning_that_fits_its_class(phase: SmtpPhase, code: int, text: str) -> None:
    refusal = judge(phase, code, text)
    assert refusal.outcome in ({LATER, PACE, DOWN} if code < 500 else {NEVER, REFUSED})
    if refusal.subject in (RECIPIENT, MESSAGE):
        assert refusal.outcome in (LATER, NEVER)
    if refusal.subject is CHANNEL:
        assert refusal.outcome in (PACE, DOWN, REFUSED)


@pytest.mark.parametrize(
    ("reply", "outcome", "subject"),
    [
        ("450 5.1.1 no such user, said for now", LATER, RECIPIENT),
        ("550 4.1.1 no such user, said for good", NEVER, RECIPIENT),
        ("452 5.2.2 mailbox full", LATER, RECIPIENT),
        ("550 4.4.5 quota", REFUSED, CHANNEL),
        ("451 5.7.1 not allowed", LATER, UNSTATED),
        ("550 4.7.1 greylisted", REFUSED, UNSTATED),
    ],
)
def test_where_code_and_status_differ_the_code_says_for_how_long_and_the_status_of_what(
    reply: str, outcome: Outcome, subject: Subject
) -> None:
    assert verdict(RCPT, reply) == (outcome, subject)


@pytest.mark.parametrize("phase", [RCPT, DATA, DOT])
@pytest.mark.parametrize(
    ("reply", "outcome", "subject"),
    [
        ("550 The address that you wrote to\n5.1.1 does not exist.", NEVER, RECIPIENT),
        ("550 5.1.1 The address that you wrote to\n5.1.1 does not exist.", NEVER, RECIPIENT),
        ("550 \t5.1.1\tno such user", NEVER, RECIPIENT),
        ("550 5.1.1", NEVER, RECIPIENT),
        ("550 ", NEVER, UNSTATED),
        ("450 \ufffd\x00\x1b[31m", LATER, UNSTATED),
        ("550 " + "x" * 100_000, NEVER, UNSTATED),
        ("452 " + "5" * 100_000, PACE, UNSTATED),
        ("599 6.1.1 no such class", NEVER, UNSTATED),
        ("550 5.9.9 no such subject", NEVER, UNSTATED),
        ("550 5.01.1 zeros before it", NEVER, UNSTATED),
    ],
)
def test_odd_replies(phase: SmtpPhase, reply: str, outcome: Outcome, subject: Subject) -> None:
    assert verdict(phase, reply) == (outcome, subject)


def test_each_row_of_the_tables_is_a_status_or_a_code() -> None:
    for table in (responses.AT_MAIL_BY_STATUS, responses.AFTER_MAIL_BY_STATUS):
        assert [key for key in table if not re.fullmatch(r"[0-7](\.\d{1,3})?", key)] == []
    for codes in (responses.AT_MAIL_BY_CODE, responses.AFTER_MAIL_BY_CODE, responses.SERVICE_CODES):
        assert [code for code in codes if not 400 <= code < 600] == []


def verdict(phase: SmtpPhase, reply: str) -> tuple[Outcome, Subject]:
    refusal = judge(phase, int(reply[:3]), reply[4:])
    return refusal.outcome, refusal.subject
