"""What `notifications.channels.email.mime` writes, read back by the standard library's parser."""

import re
from base64 import b64decode
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.channels.email.mime import (
    MAX_LINE,
    display_name,
    from_header,
    one_line,
    serialized,
    unstructured,
)
from notifications.message import Calendar, CalendarMethod, Message
from tests.depth import examples

NOON = datetime(2026, 11, 24, 12, 0, 0, 999_999, tzinfo=UTC)
SENDER = from_header("Assignment reminders", "reminders@example.com")
ID = "8d8ac610-566d-4ef0-9c22-186b2a5ed793@example.com"

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
one_liners = anything.map(one_line)
ascii_lines = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)
languages = st.sampled_from(["en", "de", "pt-br", "zh-hant-tw"])


def message(**changes: object) -> Message:
    values: dict[str, object] = {
        "message_id": ID,
        "address": "ann@example.com",
        "name": "Ann Bolton",
        "subject": "Reminder",
        "text": "Hello",
        "html": "<p>Hello</p>",
    }
    return Message(**(values | changes))  # type: ignore[arg-type]


def bytes_of(**changes: object) -> bytes:
    return serialized(message(**changes), sender_header=SENDER, at=NOON)


def parsed(**changes: object) -> EmailMessage:
    mail = message_from_bytes(bytes_of(**changes), policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert mail.defects == []
    return mail


def part(mail: EmailMessage, subtype: str) -> str:
    body = mail.get_body((subtype,))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content


def recipient(**changes: object) -> tuple[str, str]:
    """Name and address of the To line.

    Python 3.11's new parser puts a blank between two encoded words of a name, against RFC 2047 section 6.2,
    so the older one reads it.
    """
    name, address = parseaddr(message_from_bytes(bytes_of(**changes), policy=policy.compat32)["To"])
    return str(make_header(decode_header(name))), address


def with_mail_line_ends(text: str) -> str:
    return re.sub(r"\r\n|\r|\n", "\r\n", text)


def test_a_plain_mail_looks_exactly_like_this() -> None:
    mail = serialized(
        message(
            html="",
            text="Hello Ann,\n\n.now",
            language="en-gb",
            headers={"List-Unsubscribe": "<https://x/u>"},
        ),
        sender_header=SENDER,
        at=NOON,
    )
    assert mail.decode() == (
        "Date: Tue, 24 Nov 2026 12:00:00 +0000\r\n"
        "From: Assignment reminders <reminders@example.com>\r\n"
        "To: Ann Bolton <ann@example.com>\r\n"
        "Subject: Reminder\r\n"
        f"Message-ID: <{ID}>\r\n"
        "MIME-Version: 1.0\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "List-Unsubscribe: <https://x/u>\r\n"
        "Content-Language: en-gb\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Hello Ann,\r\n\r\n.now"
    )


def test_text_comes_first_and_html_second() -> None:
    mail = parsed()
    assert mail.get_content_type() == "multipart/alternative"
    assert [each.get_content_type() for each in mail.iter_parts()] == ["text/plain", "text/html"]


@settings(max_examples=examples(500), deadline=None)
@given(
    subject=one_liners | ascii_lines,
    name=(one_liners | ascii_lines).map(display_name),
    text=anything | ascii_lines,
    html=anything.filter(bool),
    language=languages,
)
def test_a_reader_gets_back_exactly_what_was_written(
    subject: str, name: str, text: str, html: str, language: str
) -> None:
    mail = parsed(subject=subject, name=name, text=text, html=html, language=language)
    assert mail["Subject"] == subject
    assert recipient(subject=subject, name=name, text=text, html=html) == (name, "ann@example.com")
    assert part(mail, "plain") == with_mail_line_ends(text)
    assert part(mail, "html") == with_mail_line_ends(html)
    assert mail["Content-Language"] == language
    assert mail["Message-ID"] == f"<{ID}>"
    assert mail["Auto-Submitted"] == "auto-generated"


@settings(max_examples=examples(300), deadline=None)
@given(subject=anything, name=anything, text=anything, html=anything, header=anything)
def test_no_value_adds_a_header_or_a_part(subject: str, name: str, text: str, html: str, header: str) -> None:
    mail = parsed(subject=subject, name=name, text=text, html=html, headers={"X-Note": header})
    assert mail.keys() == [
        *("Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Auto-Submitted", "X-Note"),
        *("Content-Language", "Content-Type"),
        *([] if html else ["Content-Transfer-Encoding"]),
    ]
    assert [each.get_content_type() for each in mail.walk()] == (
        ["multipart/alternative", "text/plain", "text/html"] if html else ["text/plain"]
    )
    assert mail["X-Note"] == one_line(header).strip(" ") or mail["X-Note"] == one_line(header)


@settings(max_examples=examples(300), deadline=None)
@given(
    subject=anything | st.integers(0, 3000).map("s".__mul__),
    name=anything | st.integers(0, 3000).map("n".__mul__),
    text=anything | st.integers(990, 1010).map("x".__mul__) | st.integers(0, 9000).map("wide ä ".__mul__),
    html=st.integers(1, 9000).map("д".__mul__),
)
def test_every_line_ends_in_crlf_and_none_is_too_long(subject: str, name: str, text: str, html: str) -> None:
    mail = bytes_of(subject=subject, name=name, text=text, html=html)
    assert mail.isascii()
    lines = mail.split(b"\r\n")
    assert max(map(len, lines)) <= MAX_LINE
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Hello", "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("Grüße aus Köln, wo die Sonne heute scheint", "quoted-printable"),
        ("Напоминание", "base64"),
        ("a bell \x07 rings", "quoted-printable"),
    ],
)
def test_the_body_takes_the_shortest_encoding_that_is_safe(text: str, encoding: str) -> None:
    mail = parsed(text=text, html="")
    assert mail["Content-Transfer-Encoding"] == encoding
    assert mail.get_content() == text


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("", "To: ann@example.com"),
        ("Ann Bolton", "To: Ann Bolton <ann@example.com>"),
        ("Bolton, Ann", 'To: "Bolton, Ann" <ann@example.com>'),
        ('Ann "Bo" \\', 'To: "Ann \\"Bo\\" \\\\" <ann@example.com>'),
        ("Ann\r\nBcc: eve@example.com", 'To: "Ann Bcc: eve@example.com" <ann@example.com>'),
    ],
)
def test_a_name_is_quoted_only_where_it_must_be(name: str, line: str) -> None:
    assert f"\r\n{line}\r\n".encode() in bytes_of(name=name)


@pytest.mark.parametrize("subject", ["ä" * 300, "漢字" * 200, "😀" * 100], ids=["latin", "han", "emoji"])
def test_encoded_words_stay_within_76_characters(subject: str) -> None:
    lines = f"Subject: {unstructured(subject)}".split("\r\n")
    assert max(map(len, lines)) <= 76
    words = [re.fullmatch(r"(?:Subject:)? =\?utf-8\?b\?([A-Za-z0-9+/]+=*)\?=", line) for line in lines]
    # Each word by itself is whole characters (RFC 2047 section 5).
    assert "".join(b64decode(word[1]).decode() for word in words if word) == subject
    assert None not in words
    assert parsed(subject=subject)["Subject"] == subject


@pytest.mark.parametrize("text", ["=?utf-8?q?Free?=", "a =?iso-8859-1?b?4Q==?= b", "=?"])
def test_what_looks_like_an_encoded_word_is_not_decoded(text: str) -> None:
    assert parsed(subject=text)["Subject"] == text
    assert recipient(name=text) == (text, "ann@example.com")
    assert parsed(headers={"X-Note": text})["X-Note"] == text


def test_an_unpaired_surrogate_becomes_a_question_mark() -> None:
    mail = parsed(subject="a\ud800b", name="c\udfffd", text="e\ud801f")
    assert mail["Subject"] == "a?b"
    assert mail["To"].addresses[0].display_name == "c?d"
    assert part(mail, "plain") == "e?f"


def test_an_international_local_part_stands_in_utf_8() -> None:
    assert "To: Jörg <".encode() not in bytes_of(name="Jörg", address="jörg@example.com")
    assert "<jörg@example.com>\r\n".encode() in bytes_of(name="Jörg", address="jörg@example.com")


@pytest.mark.parametrize(
    "wrong",
    [
        {"message_id": "<a@b>"},
        {"message_id": "a@b\r\nBcc: eve@example.com"},
        {"message_id": "no-at-sign"},
        {"message_id": "ü@example.com"},
        {"address": "ann@example.com, eve@example.com"},
        {"address": "ann@example.com\r\nBcc: eve@example.com"},
        {"address": "ann"},
        {"headers": {"X-A: b\r\nBcc": "eve@example.com"}},
        {"headers": {"Bcc": "eve@example.com"}},
        {"headers": {"subject": "another"}},
        {"headers": {"": "nothing"}},
    ],
)
def test_what_cannot_be_written_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is not|cannot be"):
        bytes_of(**wrong)


@pytest.mark.parametrize(
    ("language", "header"),
    [
        ("pt_BR", "pt-BR"),
        ("de", "de"),
        ("", None),
        ("en\r\nBcc: eve@example.com", None),
        ("English, please", None),
    ],
)
def test_what_is_no_language_is_left_out(language: str, header: str | None) -> None:
    mail = parsed(language=language)
    assert mail["Content-Language"] == header
    assert mail["Bcc"] is None


def test_the_sender_of_automatic_mail_can_be_overridden() -> None:
    assert parsed(headers={"Auto-Submitted": "no"}).get_all("Auto-Submitted") == ["no"]


@pytest.mark.parametrize("html", ["", "<p>Hello</p>"])
@pytest.mark.parametrize(
    "text", ["BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "SUMMARY:Aufzug pr\u00fcfen\r\n" * 9]
)
def test_a_calendar_is_attached_and_the_texts_stay_the_body(html: str, text: str) -> None:
    mail = parsed(html=html, calendar=Calendar(method=CalendarMethod.CANCEL, text=text))
    assert mail.get_content_type() == "multipart/mixed"
    assert part(mail, "plain").rstrip("\n") == "Hello"
    (file,) = mail.iter_attachments()
    assert file.get_payload(decode=True) == text.encode()
    assert file["Content-Type"].params == {"charset": "utf-8", "method": "CANCEL", "name": "appointment.ics"}
    assert file["Content-Type"].content_type == "text/calendar"
    assert (file.get_content_disposition(), file.get_filename()) == ("attachment", "appointment.ics")
