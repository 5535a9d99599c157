"""Messages as short texts: what they say, in how many segments, and what is left out where there is no room."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.sms.alphabet import Encoding, size
from notifications.message import Contact
from reminders.content import compose, short_text, tracking
from reminders.ledger.records import Digest
from reminders.models import Kind
from tests.unit.reminders.content.test_compose import ANA, CLAIM, FACTS, NOON, ROW, START

GATEWAY = "twilio://AC1:t@gateway.example?from=+4930123456"
SITE = "https://reminders.example.org"
BY_SMS = replace(ROW, channel="sms")
ANYTHING = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=900)


@pytest.fixture(autouse=True)
def _gateway(settings) -> None:
    settings.SMS_URL, settings.PUBLIC_URL = GATEWAY, SITE
    settings.TRACKED_CHANNELS = frozenset({"sms"})


def written(*, row=BY_SMS, now=NOON, contact=ANA, **facts) -> str:
    claim = replace(CLAIM, row=row, facts=replace(FACTS, **facts))
    return compose.compose(claim, contact=contact, address="+4915112345678", now=now).text


def test_a_reminder_says_what_when_and_where_and_how_to_answer():
    text = written()
    link = re.search(r"https://\S+", text)[0]
    assert text == (
        "Reminder: Repair <lift>, Mon 15 Jun, 14:30, Hall & yard\n"
        "Ring twice. Then wait.\n"
        "Reply YES, NO or STOP\n"
        f"{link}"
    )
    assert (size(text).encoding, size(text).segments) == (Encoding.GSM_7, 2)


@pytest.mark.parametrize("way", ["sms", "sms:7", "chat", "chat:9"])
def test_a_short_text_has_neither_html_nor_subject(way):
    row = replace(ROW, channel=way)
    claim = replace(CLAIM, row=row)
    message = compose.compose(claim, contact=ANA, address="+4915112345678", now=NOON)
    assert (message.html, message.subject) == ("", "")
    assert message.text.startswith("Reminder: Repair <lift>, Mon 15 Jun, 14:30, Hall & yard\n")
    assert ("Reply" in message.text) is way.startswith("sms")
    assert (message.message_id, message.tracking) == (
        compose.message_id(row),
        tracking.token_of(1) if way.startswith("sms") else "",
    )


def test_a_late_reminder_says_so():
    assert written(now=START + timedelta(minutes=5)).startswith("Late reminder: Repair <lift>")


@pytest.mark.parametrize(
    ("url", "site"), [("twilio://AC1:t@gateway.example?from=ACME", SITE), (GATEWAY, ""), ("", SITE)]
)
def test_who_cannot_be_answered_does_not_ask_for_an_answer(settings, url, site):
    settings.SMS_URL, settings.PUBLIC_URL = url, site
    assert "Reply" not in written()


def test_supervisors_are_told_whom_to_call():
    row = replace(BY_SMS, kind=Kind.OVERDUE, recipient="person:9")
    text = written(row=row, contact=Contact(name="Bo"), assignee_phone="+493055", notes="")
    assert text == (
        "Overdue: Repair <lift>, Mon 15 Jun, 12:30 (UTC), Hall & yard. Nobody has started it. "
        "Assigned: Ana Müller, +493055\n"
        f"{SITE}/ops/assignments/7"
    )


def test_a_digest_counts_and_names():
    rows = [replace(BY_SMS, id=number, kind=Kind.OVERDUE, recipient="person:9") for number in (1, 2)]
    entries = tuple((row, replace(FACTS, title=f"Job {row.id}")) for row in rows)
    digest = Digest(lead=rows[0], entries=entries, members=(), waiting=3)
    claim = replace(CLAIM, row=rows[0], digest=digest)
    text = compose.compose(claim, contact=Contact(name="Bo"), address="+49301", now=NOON).text
    assert text == (
        "Overdue: 2 assignments that nobody has started: Job 1; Job 2. 3 more notices follow.\n"
        f"{SITE}/ops/assignments?show=overdue"
    )


def test_notes_are_shortened_first_then_the_place_then_the_title():
    text = written(title="T" * 200, location="L" * 300, notes="N" * 5_000)
    assert size(text).segments == 3
    assert "T" * 200 in text
    assert "NNN" not in text
    assert re.search(r"14:30, L{3,}\.\.\.\n", text)
    assert text.endswith(re.search(r"https://\S+", text)[0])


def test_only_as_much_as_needed_is_left_out():
    text = written(notes="N" * 5_000)
    assert size(text).units == 3 * 153


def test_another_alphabet_is_sent_as_it_is():
    text = written(title="Ремонт лифта " * 15, location="", notes="")
    assert size(text).encoding is Encoding.UCS_2
    assert size(text).segments == 3
    assert "\u2026, Mon 15 Jun, 14:30" in text


def test_the_quotation_marks_of_office_programs_do_not_double_the_price():
    text = written(title="\u201cLift\u201d \u2013 repair", location="", notes="")
    assert text.startswith('Reminder: "Lift" - repair, Mon')
    assert size(text).encoding is Encoding.GSM_7


@given(title=ANYTHING.filter(str.strip), location=ANYTHING, notes=ANYTHING)
def test_whatever_is_in_them_time_and_link_are_whole_in_three_segments(title, location, notes):
    text = written(title=title[:200], location=location[:300], notes=notes)
    assert size(text).segments <= short_text.MOST_SEGMENTS
    assert "Mon 15 Jun, 14:30" in text
    assert re.search(rf"\n{SITE}/a/7-3-1\.[A-Za-z0-9_-]{{43}}\Z", text)


def test_no_letter_loses_its_accent():
    assert short_text._cut("re\u0301sume\u0301", 2, "...") == "r..."
    assert short_text._cut("a\U0001f469\u200d\U0001f527b", 3, "...") == "a\U0001f469..."
    assert short_text._cut("\u2068abc\u2069", 3, "...") == "\u2068ab...\u2069"


def test_what_may_not_be_shortened_is_whole_even_if_it_takes_more(settings):
    settings.PUBLIC_URL = "https://" + "a" * 600 + ".example.org"
    text = written(title="T" * 100)
    assert "Mon 15 Jun, 14:30" in text
    assert settings.PUBLIC_URL in text
    assert size(text).segments > 3
