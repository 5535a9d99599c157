"""What is in every mail: valid HTML, a text part that says the same, and the headers that mail filters look at."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr

import pytest

from notifications.channels.email import mime
from notifications.channels.email.channel import _sender
from tests.html_check import problems
from tests.sample_mails import CLAIMS, LONG_WORD, mail

ALL = pytest.mark.parametrize("name", CLAIMS)
WITH_CALENDAR = [name for name in CLAIMS if CLAIMS[name].row.recipient.startswith("assignee:")]
AT = datetime(2026, 11, 25, 21, 23, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def organisation(settings):
    settings.PUBLIC_URL = "https://reminders.example.test"
    settings.DEFAULT_FROM_EMAIL = "Assignment reminders <reminders@example.test>"
    settings.EMAIL_REPLY_TO = "Planning désk <planning@example.test>"
    settings.ORGANISATION_NAME, settings.ORGANISATION_PHONE = "Care & Co", "+49 30 12-34"
    settings.MAP_URL = "https://maps.example.test/search?query={place}"


def parsed(name: str) -> EmailMessage:
    """The mail as its reader gets it."""
    from django.conf import settings

    header, _ = _sender(settings.DEFAULT_FROM_EMAIL, settings.EMAIL_REPLY_TO)
    found = message_from_bytes(
        mime.serialized(mail(name), sender_header=header, at=AT), policy=policy.default
    )
    assert isinstance(found, EmailMessage)
    return found


@ALL
def test_the_html_of_a_mail_is_valid(name):
    assert problems(mail(name).html) == []


@ALL
@pytest.mark.parametrize(
    "setting", ["PUBLIC_URL", "EMAIL_REPLY_TO", "ORGANISATION_NAME", "ORGANISATION_PHONE", "MAP_URL"]
)
def test_it_is_valid_without_what_a_setting_adds(name, setting, settings):
    setattr(settings, setting, "")
    assert problems(mail(name).html) == []


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("<p>x</p>", "no doctype"),
        (
            "<!doctype html><html lang='en'><head></head><body><p><table></table></p></body></html>",
            "<table> in <p>",
        ),
        (
            "<!doctype html><html lang='en'><head></head><body><div></body></html>",
            "</body> where ['div'] is open",
        ),
        ("<!doctype html><html lang='en'><head></head><body>a & b</body></html>", "an & that is not written"),
        (
            "<!doctype html><html lang='en'><head></head><body><a href='javascript:1'>a</a></body></html>",
            "a link to",
        ),
    ],
)
def test_the_check_finds_faults(document, problem):
    assert any(problem in found for found in problems(document))


@ALL
def test_a_mail_has_the_headers_that_filters_look_at(name):
    found = parsed(name)
    for header in (
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Auto-Submitted",
        "Reply-To",
    ):
        assert len(found.get_all(header, [])) == 1, header
    assert found["From"].addresses[0].addr_spec == "reminders@example.test"
    assert found["To"].addresses[0].domain == "example.test"
    assert found["Message-ID"].removesuffix(">").rpartition("@")[2] == "example.test"
    assert found["Date"].datetime == AT
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["Content-Language"] == "en"
    answers = found["Reply-To"].addresses[0]
    assert (answers.display_name, answers.addr_spec) == ("Planning désk", "planning@example.test")
    assert found["Subject"].strip()
    assert not any(part.defects for part in found.walk())


@ALL
def test_only_a_reminder_offers_to_unsubscribe(name):
    found = parsed(name)
    offers = name == "late reminder" or name.startswith("reminder")
    beside_each = name == "several reminders"  # of two rules, so that no header can stand for both
    assert (found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click") is offers
    address = str(found["List-Unsubscribe"] or "")
    assert bool(re.fullmatch(r"<https://reminders\.example\.test/u/3-0-[0-9a-f]{32}>", address)) is offers
    assert ("Stop reminders like this one" in mail(name).text) is (offers or beside_each)
    assert ("/u/" in mail(name).html) is (offers or beside_each)


@ALL
def test_no_line_of_a_mail_is_too_long(name):
    content = mime.serialized(mail(name), sender_header=_sender("r@example.test", "")[0], at=AT)
    assert max(map(len, content.split(b"\r\n"))) <= 998


@ALL
def test_a_mail_has_a_text_part_that_says_what_the_html_part_says(name):
    found = parsed(name)
    calendar = ["text/calendar"] if name in WITH_CALENDAR else []
    assert [part.get_content_type() for part in found.walk()] == [
        *(["multipart/mixed"] if calendar else []),
        "multipart/alternative",
        "text/plain",
        "text/html",
        *calendar,
    ]
    text, html = (found.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert len(text) > 100
    shown = re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)
    for said in ("(Stockholm time)", "Care", LONG_WORD if "need not come" not in name else "Water meter"):
        assert said in text, said
        assert said in shown, said
    in_text = set(re.findall(r"https://\S+", text))
    in_html = {link.partition("#")[0] for link in re.findall(r'href="(https://[^"]+)"', html)}
    if (
        name != "digest"
    ):  # Its text has no link for giving work to somebody else: the page of the work has one.
        assert in_html == in_text


@ALL
def test_a_mail_follows_the_colours_of_its_reader(name):
    html = mail(name).html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "@media (prefers-color-scheme: dark)" in html
    # A colour that no rule changes for the dark would be seen on another ground there.
    for tag in re.findall(r"<[^/][^>]*[;\"]color:[^>]*>", html):
        assert re.match(r"<a |<body class=\"page\"|<p class=\"small\"", tag), tag


def test_only_a_mail_about_their_own_work_asks_for_an_act():
    asked = {name: re.findall(r'href="https://[^"]+/a/[^"#]+#(\w+)"', mail(name).html) for name in CLAIMS}
    assert {name: acts for name, acts in asked.items() if acts} == {
        "reminder": ["confirm", "decline"],
        "reminder to who has confirmed": ["decline"],
        "reminder that states a change": ["confirm", "decline"],
        "correction": ["confirm", "decline"],
    }


def test_without_the_setting_answers_go_to_the_sender(settings):
    settings.EMAIL_REPLY_TO = ""
    assert parsed("reminder")["Reply-To"] is None
    assert parseaddr(parsed("reminder")["From"])[1] == "reminders@example.test"
    assert abs(parsed("reminder")["Date"].datetime - AT) < timedelta(seconds=1)
