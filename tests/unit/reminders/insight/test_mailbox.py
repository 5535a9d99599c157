"""Reading the folder of the local mail server: a broken file hides no other, and is shown as far as it can be."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.devstack.mail_sink import Folder
from notifications.channels.email import mime
from notifications.message import Message
from reminders.insight import mailbox

ARRIVED = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
CONTROLS = {chr(code) for code in range(0x20)} - {"\t", "\n"}
NAME = "20260615T120000.000000Z-1"


def put(folder: Path, content: bytes, *, name: str = NAME) -> str:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.eml").write_bytes(content)
    return name


def ours(**more: str) -> bytes:
    """A mail as the e-mail channel writes it."""
    values = {
        "message_id": "1@example.test",
        "address": "ana@example.test",
        "name": "Ana Müller",
        "subject": "Reminder: Pump room → Süd",
        "text": "Hello Ana,\n\nthe cellar of no. 5 → left.\n",
        "html": "<p>Hello <b>Ana</b></p>",
        "language": "en",
        **more,
    }
    return mime.serialized(Message(**values), sender_header="From: Ops <ops@example.test>\r\n", at=ARRIVED)


def test_a_mail_of_ours_is_read_as_it_was_written(tmp_path):
    stored = Folder(tmp_path).store(ours(), sender="ops@example.test", recipients=["ana@example.test"])
    (heading,), total = mailbox.newest(tmp_path)
    assert (heading.to, heading.subject, total) == (
        "Ana Müller <ana@example.test>",
        "Reminder: Pump room → Süd",
        1,
    )
    mail = mailbox.read(tmp_path, stored.stem)
    assert mail is not None
    assert (mail.heading, mail.sender) == (heading, "Ops <ops@example.test>")
    assert mail.text == "Hello Ana,\n\nthe cellar of no. 5 → left.\n"
    assert mail.html == "<p>Hello <b>Ana</b></p>"
    assert (mail.cut, mail.broken) == (False, False)


def test_the_newest_comes_first_and_the_list_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(mailbox, "MOST_LISTED", 3)
    names = [put(tmp_path, b"Subject: x\n\n", name=f"20260615T12000{at}.000000Z-1") for at in range(5)]
    headings, total = mailbox.newest(tmp_path)
    assert ([heading.name for heading in headings], total) == (names[:1:-1], 5)
    assert headings[0].at == datetime(2026, 6, 15, 12, 0, 4, tzinfo=UTC)
    later, total = mailbox.newest(tmp_path, after=names[3])
    assert ([heading.name for heading in later], total) == ([names[4]], 1)


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert mailbox.newest(tmp_path / "nothing") == ([], 0)
    assert mailbox.read(tmp_path / "nothing", NAME) is None


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "/etc/passwd", f"../mail/{NAME}", f"{NAME}.eml", f"{NAME}\n", "20261315T120000.000000Z-1"],
)  # fmt: skip
def test_only_the_name_of_a_mail_is_looked_for(tmp_path, name):
    put(tmp_path / "mail", b"Subject: x\n\n")
    (tmp_path / "up.eml").write_bytes(b"Subject: secret\n\n")
    (tmp_path / "mail" / "other.eml").write_bytes(b"Subject: x\n\n")
    assert mailbox.read(tmp_path / "mail", name) is None
    assert mailbox.newest(tmp_path / "mail")[1] == 1


def test_what_is_no_file_is_neither_opened_nor_waited_for(tmp_path):
    (tmp_path / "secret").write_bytes(b"Subject: secret\n\n")
    (tmp_path / "20260615T120000.000000Z-2.eml").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "20260615T120000.000000Z-3.eml")
    (tmp_path / "20260615T120000.000000Z-4.eml").mkdir()
    put(tmp_path, b"Subject: good\n\n")
    headings, _ = mailbox.newest(tmp_path)
    assert [heading.subject for heading in headings] == ["", "", "", "good"]
    assert [mailbox.read(tmp_path, heading.name) is None for heading in headings] == [True] * 3 + [False]


def test_a_long_mail_is_cut_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(mailbox, "MOST_OF_MAIL", 1_000)
    name = put(tmp_path, b"Subject: long\n\n" + b"x" * 2_000)
    mail = mailbox.read(tmp_path, name)
    assert mail is not None
    assert (mail.cut, len(mail.text)) == (True, 1_000 - len("Subject: long\n\n"))


BROKEN = [
    b"",
    b"\x00" * 300,
    b"no header at all",
    b"Subject: =?utf-8?q?=80=FF?=\n\nx",
    b"Subject: \xff\xfe\x80\n\n\xff\xfe",
    b"Subject: =?unknown-charset?b?//8=?=\nContent-Type: text/plain; charset=nonsense\n\n\xff\xfe",
    b"Content-Type: text/plain; charset=\x00\n\nx",
    b"To: " + b"(" * 5_000 + b"\nSubject: deep\n\nx",
    b"To: " + b"<" * 3_000 + b"\n\nx",
    b"Content-Type: multipart/alternative\n\nno boundary",
    b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 400,
    b"Content-Type: text/html\nContent-Transfer-Encoding: base64\n\n!!!not base64!!!",
    b"Content-Type: text/plain\nContent-Transfer-Encoding: x-nothing\n\nx",
    b"Content-Type: ;;;=;\n\nx",
    b"Content-Disposition: attachment; filename*=utf-8''%ZZ\n\nx",
    b"Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n" * 200,
]


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_mail_is_shown_as_far_as_it_can_be_and_hides_no_other(tmp_path, content):
    broken = put(tmp_path, content)
    put(tmp_path, ours(), name="20260615T120001.000000Z-2")
    headings, total = mailbox.newest(tmp_path)
    assert [heading.name for heading in headings] == ["20260615T120001.000000Z-2", broken]
    assert (headings[0].subject, total) == ("Reminder: Pump room → Süd", 2)
    mail = mailbox.read(tmp_path, broken)
    assert mail is not None
    assert_fit_for_a_page(headings[1].to, headings[1].subject, mail.sender, mail.text, mail.html)


@pytest.mark.parametrize(
    "content",
    [
        b"Content-Type: text/plain;" + b"x=y;" * 200_000,
        b"From: " + b"a@b.example," * 80_000,
        b"To: " + b"," * 16_000,
        b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n\n" * 160_000,
    ],
    ids=["parameters", "addresses", "commas", "parts"],
)
def test_what_the_parser_needs_minutes_for_is_not_left_to_it(tmp_path, content):
    """Each of these took it from 3 seconds to 5 minutes; a list may have a hundred of them."""
    name = put(tmp_path, content + b"\n\nx")
    began = time.monotonic()
    for _ in range(10):
        mailbox.newest(tmp_path)
        mailbox.read(tmp_path, name)
    assert time.monotonic() - began < 20


@given(st.binary(max_size=2_000), st.sampled_from([b"Subject: ", b"To: ", b"Content-Type: ", b""]))
def test_no_content_stops_the_list(tmp_path_factory, content, start):
    folder = tmp_path_factory.mktemp("mail")
    name = put(folder, start + content)
    (heading,), _ = mailbox.newest(folder)
    mail = mailbox.read(folder, name)
    assert mail is not None
    assert_fit_for_a_page(heading.to, heading.subject, mail.sender, mail.text, mail.html)


def assert_fit_for_a_page(*texts: str) -> None:
    for text in texts:
        text.encode()  # no half of a surrogate pair, which no page can hold
        assert not set(text) & CONTROLS
    for header in texts[:3]:
        assert "\n" not in header
        assert len(header) <= mailbox.LONGEST_HEADER
