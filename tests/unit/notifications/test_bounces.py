"""What is read from mails that come back: reports of any mail server, and nothing from all other mail."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.bounces.reading import MOST_TOKENS, read
from notifications.bounces.received import Ignored, ReceivedMail, Report, ReportKind
from notifications.channels.email import verp
from tests.fakes import bounces

ADDRESS = "bounces@example.org"
TOKEN = "3f-1a2b3c4d5e6f7g8h"
RETURN_PATH = f"bounces+{TOKEN}@example.org"


def read_here(content: bytes, *, recipient: str = "") -> ReceivedMail:
    return read(content, address=ADDRESS, recipient=recipient)


def report_in(content: bytes) -> Report:
    found = read_here(content).found
    assert isinstance(found, Report)
    return found


def test_a_notification_says_who_did_not_get_what() -> None:
    mail = read_here(bounces.dsn(to=RETURN_PATH))
    assert mail.tokens == (TOKEN, "none")
    assert mail.at == datetime(2026, 11, 26, 10, 0, 2, tzinfo=UTC)
    assert mail.found == Report(
        kind=ReportKind.BOUNCED,
        permanent=True,
        status="5.1.1",
        detail="smtp; 550 5.1.1 <address>: Recipient address rejected: User unknown",
    )


@pytest.mark.parametrize(
    ("status", "diagnostic", "permanent"),
    [
        ("5.1.1", "smtp; 550 5.1.1 no such user", True),
        ("5.2.2", "smtp; 552 5.2.2 mailbox full", True),
        ("4.2.2", "smtp; 452 4.2.2 mailbox full", False),
        ("4.4.7", "smtp; 451 4.7.1 try again later", False),
        ("5.0.0", "smtp; 550 5.1.1 no such user", True),
        ("5.0.0", "X-Unix; 67", True),
        ("5.4.4 (unable to route)", "X-Postfix; name service error", True),
        ("5.0.0", "smtp; 550 user unknown", True),
        # about the sender, a policy or the content: they say nothing of the address
        ("5.7.1", "smtp; 550 5.7.1 blocked by policy", False),
        (
            "5.7.26",
            "smtp; 550-5.7.26 this mail has been blocked because the sender is unauthenticated",
            False,
        ),
        ("5.7.8", "smtp; 535 5.7.8 authentication needed", False),
        ("5.3.4", "smtp; 552 5.3.4 message too big", False),
        ("5.6.0", "smtp; 554 5.6.0 content rejected", False),
        ("5.0.0", "smtp; 550 too many messages from your network, slow down", False),
    ],
)
def test_only_what_the_next_message_to_the_address_would_meet_is_permanent(
    status: str, diagnostic: str, permanent: bool
) -> None:
    report = report_in(bounces.dsn(status=status, diagnostic=diagnostic))
    assert (report.kind, report.permanent) == (ReportKind.BOUNCED, permanent)


def test_a_delivery_is_reported_as_one() -> None:
    report = report_in(bounces.dsn(action="delivered", status="2.0.0", diagnostic="smtp; 250 ok"))
    assert report == Report(kind=ReportKind.DELIVERED)


@pytest.mark.parametrize(
    ("action", "found"),
    [
        ("delayed", Ignored.DELAYED),
        ("relayed", Ignored.NO_OUTCOME),
        ("expanded", Ignored.NO_OUTCOME),
        ("nonsense", Ignored.NO_OUTCOME),
    ],
)
def test_what_is_not_yet_decided_is_no_outcome(action: str, found: Ignored) -> None:
    assert read_here(bounces.dsn(action=action, status="4.0.0")).found is found


def test_a_message_that_one_of_several_got_did_not_bounce() -> None:
    other = "\nFinal-Recipient: rfc822; bob@example.net\nAction: {}\nStatus: {}\n"
    mails = {
        way: read_here(bounces.dsn(further=other.format(way, status))).found
        for way, status in (("delivered", "2.0.0"), ("delayed", "4.0.0"), ("relayed", "2.0.0"))
    }
    assert mails == {
        "delivered": Report(kind=ReportKind.DELIVERED),
        "delayed": Ignored.DELAYED,
        "relayed": Ignored.NO_OUTCOME,
    }


def test_an_international_notification_is_read_as_well() -> None:
    international = bounces.dsn().replace(b"message/delivery-status", b"message/global-delivery-status")
    assert report_in(international) == report_in(bounces.dsn())


def test_a_notification_without_an_action_goes_by_its_status() -> None:
    assert report_in(bounces.dsn().replace(b"Action: failed\r\n", b"")).permanent is True


def test_a_complaint_is_read() -> None:
    mail = read_here(bounces.complaint(token=TOKEN))
    assert (mail.tokens, mail.found) == ((TOKEN,), Report(kind=ReportKind.COMPLAINED, detail="abuse"))
    assert read_here(bounces.complaint(feedback="not-spam")).found is Ignored.NO_OUTCOME
    assert read_here(bounces.complaint(feedback="auth-failure")).found is Ignored.NO_OUTCOME


def test_the_words_of_servers_that_write_no_notifications_are_recognized() -> None:
    mails = [read_here(bounces.qmail(to=RETURN_PATH)), read_here(bounces.exim(to=ADDRESS, token=TOKEN))]
    assert [mail.tokens[0] for mail in mails] == [TOKEN, TOKEN]
    expected = [
        Report(kind=ReportKind.BOUNCED, permanent=True, status=status) for status in ("5.1.1", "5.2.1")
    ]
    assert [mail.found for mail in mails] == expected


def test_a_message_that_was_given_up_after_a_while_is_no_permanent_bounce() -> None:
    words = "I'm not going to try again; this message has been in the queue too long. (#4.4.7)"
    report = report_in(bounces.qmail(to=RETURN_PATH, words=words))
    assert (report.kind, report.permanent, report.status) == (ReportKind.BOUNCED, False, "4.4.7")


@pytest.mark.parametrize(
    "mark",
    [
        b"Auto-Submitted: auto-replied",
        b"Auto-Submitted: auto-generated",
        b"X-Autoreply: yes",
        b"Precedence: auto_reply",
        b"Subject: Automatic reply: x",
        b"Subject: Abwesenheitsnotiz",
        b"Subject: Out of the office",
    ],
)
def test_an_automatic_reply_is_no_bounce(mark: bytes) -> None:
    content = b"From: ada@example.net\nTo: bounces@example.org\n" + mark + b"\n\nI am away.\n"
    assert read_here(content).found is Ignored.AUTO_REPLY
    assert read_here(bounces.out_of_office(to=RETURN_PATH)).found is Ignored.AUTO_REPLY


def test_a_persons_reply_is_no_bounce() -> None:
    content = (
        f"From: ada@example.net\nTo: {RETURN_PATH}\nSubject: Re: Reminder\n\nThanks, 550 5.1.1\n".encode()
    )
    assert read_here(content).found is Ignored.NO_REPORT


@pytest.mark.parametrize(
    "line",
    [
        "To: {}",
        "To: Somebody <somebody@example.org>, {}",
        "Delivered-To: {}",
        "X-Original-To: {}",
        "Envelope-To: {}",
        "Return-Path: <{}>",
        "Received: from x by y for <{}>; Thu, 26 Nov 2026 10:00:00 +0000",
    ],
)
def test_the_token_is_found_in_every_header_that_names_the_recipient(line: str) -> None:
    address = RETURN_PATH.upper()
    mail = read_here(f"From: x@example.net\n{line.format(address)}\n\nwords\n".encode())
    assert mail.tokens == (TOKEN,)


def test_the_token_is_found_where_the_address_was_rewritten_or_named_by_the_mail_server() -> None:
    assert read_here(f"To: prvs=1234abcd={RETURN_PATH}\n\n".encode()).tokens == (TOKEN,)
    assert read_here(b"To: x@example.org\n\n", recipient=RETURN_PATH).tokens == (TOKEN,)


@pytest.mark.parametrize(
    "text",
    [
        f"bounces+{TOKEN}@example.org.evil.example",
        f"otherbounces+{TOKEN}@example.org",
        f"bounces+{TOKEN}@example.net",
        "bounces+@example.org",
        f"bounces+{'a' * 37}@example.org",
        "bounces+a_b@example.org",
    ],
)
def test_other_addresses_hold_no_token(text: str) -> None:
    assert read_here(f"From: x@example.net\nTo: {text}\n\n".encode()).tokens == ()


def test_the_own_header_is_found_in_returned_and_in_quoted_headers() -> None:
    assert read_here(bounces.dsn(token=TOKEN)).tokens == (TOKEN,)
    quoted = f"From: x@example.net\n\n> X-Reminder-Token: {TOKEN}\n".encode()
    assert read_here(quoted).tokens == (TOKEN,)
    encoded = (
        "From: x@example.net\nContent-Type: text/rfc822-headers\nContent-Transfer-Encoding: base64\n\n"
        "WC1SZW1pbmRlci1Ub2tlbjogYWJjLTEyMwo=\n"
    )
    assert read_here(encoded.encode()).tokens == ("abc-123",)


def test_the_envelope_counts_more_than_the_content() -> None:
    assert read_here(bounces.dsn(to=RETURN_PATH, token="other-1")).tokens == (TOKEN, "other-1")


def test_copies_of_a_mail_have_the_same_id_however_they_came() -> None:
    first = read_here(bounces.dsn())
    copy = read_here(b"Received: from elsewhere\r\n" + bounces.dsn())
    other = read_here(bounces.dsn(message_id="<dsn-2@mx.example.net>"))
    assert first.external_id == copy.external_id != other.external_id
    without = bounces.dsn().replace(b"Message-Id", b"X-Other-Id")
    assert read_here(without).external_id == read_here(without).external_id != first.external_id
    assert len(first.external_id) == 32


def test_the_return_path_is_read_as_it_was_written() -> None:
    assert verp.return_path(ADDRESS, TOKEN) == RETURN_PATH
    assert list(verp.tokens_in(RETURN_PATH.encode(), ADDRESS)) == [TOKEN]
    assert len(verp.return_path("a" * verp.LONGEST_LOCAL_PART + "@example.org", "a" * 36).split("@")[0]) <= 64


HEAD = f"From: MAILER-DAEMON@x\nTo: {RETURN_PATH}\nMessage-ID: <1@x>\n".encode()


def nested(depth: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))


HOSTILE = {
    "nothing": b"",
    "octets": bytes(range(256)) * 40_000,
    "deep": HEAD + nested(3_000),
    "as deep as is read": HEAD + nested(19) + b"\n\n" + b"-\n" * 5_000_000,
    "one line": HEAD + b"\n" + b"a" * 10_000_000,
    "short lines": HEAD + b"\n" + b"x\n" * 5_000_000,
    "many headers": HEAD + b"To: a\n" * 1_000_000,
    "many parts": HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 2_000_000,
    "many mails": HEAD + b"Content-Type: multipart/digest; boundary=b\n\n" + b"--b\n\n\n" * 2_000_000,
    "many groups": HEAD + b"Content-Type: message/delivery-status\n\n" + b"Action: failed\n\n" * 600_000,
    "many parameters": HEAD
    + b"Content-Type: multipart/mixed;\n "
    + b";\n ".join(b"boundary*%d=a" % n for n in range(9_000))
    + b"\n\n",
    "brackets": HEAD + b"\nhere is your list of failed recipients\n" + (b"@<" * 490 + b"\n") * 10_000,
    "blanks": HEAD + b"\nYour message to:\nnot yet been delivered\n" + (b" " * 990 + b"\n") * 10_000,
    "comments": HEAD + b"X-Failed-Recipients: " + b"\n ".join([b"(((((,<@" * 100] * 300) + b"\n\n",
    "no sender": b"From:\nTo: x\n\nwords\n",
    "addresses": HEAD + b"\n" + (b"bounces+" + b"a-" * 480 + b"\n") * 10_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_takes_little_time(name: str) -> None:
    content = HOSTILE[name]
    begun = time.process_time()
    mail = read_here(content)
    assert time.process_time() - begun < 5
    assert len(mail.tokens) <= MOST_TOKENS


def test_few_tokens_are_kept() -> None:
    many = b"".join(b"To: bounces+a%d@example.org\n" % n for n in range(100))
    assert len(read_here(many + b"\n").tokens) == MOST_TOKENS


@given(st.binary(max_size=2_000), st.integers(0, 3_000), st.integers(0, 3_000))
def test_no_octets_break_the_reading(noise: bytes, begin: int, length: int) -> None:
    whole = bounces.dsn(to=RETURN_PATH)
    read_here(noise)
    read_here(whole[:begin] + noise + whole[begin + length :])
