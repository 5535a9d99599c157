"""Everything that reaches people, in every language: whole, without English, and as short as an SMS wants it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from django.template.loader import get_template
from django.utils import translation
from django.utils.html import strip_tags

from assignments.models import LONGEST_ANSWER_NOTE, ActKind, Assignee, Assignment
from config.devstack import translations
from notifications.channels.sms.alphabet import Encoding, plain, size, unaccented
from notifications.message import Contact, Message
from reminders.content import compose, dates, verification_message
from reminders.content.languages import known_language, text_language
from reminders.policy.replies import Word, understood
from tests import sample_mails
from tests.html_check import problems
from tests.sample_mails import CLAIMS, FACTS, NOW

OTHERS = tuple(translations.PLURALS)
EVERY = ("en", *OTHERS)
VALUES = {
    "title": "Qx1",
    "kind": "Qx2",
    "location": "Qx3",
    "notes": "Qx4",
    "reference": "Qx5",
    "assignee_name": "Qx6",
    "answer_note": "Qx7",
}
"""What is in no language."""


@pytest.fixture(autouse=True)
def organisation(settings):
    settings.PUBLIC_URL = "https://reminders.example.test"
    settings.EMAIL_REPLY_TO, settings.ORGANISATION_NAME = "planning@example.test", "Qx8"
    settings.ORGANISATION_PHONE = "+49 30 12-34"
    settings.MAP_URL = "https://maps.example.test/?q={place}"
    settings.SMS_URL = "twilio://AC1:t@gateway.example?from=+4930123456"


@pytest.fixture(scope="module")
def english() -> dict[str, list[re.Pattern[str]]]:
    """By language, what may stand in none of its texts: the words of the sources that it says otherwise."""
    found: dict[str, list[re.Pattern[str]]] = {}
    sources = translations.extracted(translations.FOR_PEOPLE)
    for language in OTHERS:
        catalog = translations.read(translations.FOR_PEOPLE, language)
        own = " ".join(chain.from_iterable(translations.forms(one.string) for one in catalog if one.id))
        pieces = {
            piece.strip(" .,:;()?!\u00a0")
            for one in sources
            if one.context is None
            for form in translations.forms(one.id)
            for piece in re.split(r"%\([a-z_]+\)s|<[^<>]+>", form)
        }
        words = {
            piece for piece in pieces if len(piece) > 3 and not re.search(rf"\b{re.escape(piece)}\b", own)
        }
        found[language] = [re.compile(rf"\b{re.escape(piece)}\b") for piece in sorted(words)]
    return found


def written(name: str, language: str, *, channel: str = "email") -> Message:
    claim = CLAIMS[name]
    facts = replace(FACTS, **VALUES)
    row = replace(claim.row, channel=channel)
    digest = claim.digest
    if digest is not None:
        entries = tuple((one, replace(facts, start=told.start)) for one, told in digest.entries)
        digest = replace(digest, lead=replace(digest.lead, channel=channel), entries=entries)
    contact = Contact(name="Qx6", email="q@example.test", time_zone="Europe/Stockholm", language=language)
    claim = replace(claim, row=row, facts=replace(facts, start=claim.facts.start), digest=digest)
    return compose.compose(claim, contact=contact, address="q@example.test", now=NOW)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", strip_tags(re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)))


def check(text: str, language: str, english: dict[str, list[re.Pattern[str]]]) -> None:
    """No mark, tag or placeholder of a template is left, and no English word."""
    assert not re.search(r"%\(|\{[{%]|[%}]\}|[\ue000\ue001]|None", text), text
    if language != "en":
        said = re.sub(r"https?://\S+", "", text)
        assert [one.pattern for one in english[language] if one.search(said)] == []


def test_the_check_finds_english(english):
    assert len(english["de"]) > 150
    with pytest.raises(AssertionError):
        check("Guten Tag! Nobody has started it.", "de", english)


@pytest.mark.parametrize("language", EVERY)
@pytest.mark.parametrize("name", CLAIMS)
def test_a_mail_is_in_one_language_alone(name, language, english):
    message = written(name, language)
    assert message.language == language
    assert f'<html lang="{language}">' in message.html
    assert problems(message.html) == []
    for text in (message.subject, message.text, text_of(message.html)):
        check(text, language, english)
    assert "\n" not in message.subject
    assert len(message.subject) > 10


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", CLAIMS)
def test_a_mail_has_the_links_and_values_of_the_english_one(name, language):
    def parts(message: Message) -> list[list[str]]:
        return [
            sorted(re.findall(r"https://[^\s\"<]+|tel:\S+|Qx[0-9]", text))
            for text in (message.text, message.html)
        ]

    assert parts(written(name, language)) == parts(written(name, "en"))


@pytest.mark.parametrize("language", EVERY)
@pytest.mark.parametrize("name", CLAIMS)
def test_a_short_text_is_in_one_language_and_in_the_alphabet_that_costs_least(name, language, english):
    text = written(name, language, channel="sms").text
    check(text, language, english)
    found = size(text)
    assert (found.encoding, found.segments <= 3) == (Encoding.GSM_7, True), text


@pytest.mark.parametrize("language", EVERY)
def test_no_day_or_month_makes_a_short_text_cost_more(language):
    for day in range(366):
        at = datetime(2028, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
        start = dates.local_time(at, "Europe/Berlin", language, long=False)
        assert size(unaccented(start)).encoding is Encoding.GSM_7, start
        assert size(unaccented(dates.zone_name("Europe/Berlin", language))).encoding is Encoding.GSM_7


def test_a_day_keeps_the_accents_that_cost_nothing(settings):
    saturday, wednesday = datetime(2026, 8, 1, 12, tzinfo=UTC), datetime(2026, 8, 5, 12, tzinfo=UTC)
    short = [dates.local_time(at, "UTC", "es", long=False) for at in (saturday, wednesday)]
    assert list(map(unaccented, short)) == ["sab 1 ago, 12:00", "mié 5 ago, 12:00"]
    assert unaccented(dates.local_time(saturday, "UTC", "fr", long=False)) == "sam 1er aout, 12:00"
    assert (
        "sam 1er août, 12:00"
        in compose.compose(
            replace(sample_mails.CLAIM, facts=replace(FACTS, start=saturday)),
            contact=Contact(name="", email="q@example.test", time_zone="UTC", language="fr"),
            address="q@example.test",
            now=saturday,
        ).subject
    )


@pytest.mark.parametrize("language", EVERY)
def test_a_long_name_is_cut_where_a_short_text_has_no_room(language):
    claim = CLAIMS["declined"]
    facts = replace(FACTS, **{**VALUES, "assignee_name": "Maximiliane " * 40})
    contact = Contact(name="", email="q@example.test", time_zone="UTC", language=language)
    claim = replace(claim, row=replace(claim.row, channel="sms"), facts=facts)
    text = compose.compose(claim, contact=contact, address="q@example.test", now=NOW).text
    assert size(text).segments <= 3
    assert "Qx1" in text
    assert f"{('Maximiliane ' * 4)[:40]}..." in text
    assert "https://reminders.example.test/ops/assignments/7" in text


@pytest.mark.parametrize("language", EVERY)
@pytest.mark.parametrize("way", [{"url": "https://x.example.test/v/1"}, {"code": "123456"}])
@pytest.mark.parametrize("hours", [1, 24])
def test_a_verification_is_in_one_language_alone(language, way, hours, english):
    contact = Contact(name="Qx6", email="q@example.test", language=language)
    message = verification_message.compose(contact, "q@example.test", hours=hours, **way)
    for text in (message.subject, message.text, text_of(message.html)):
        check(text, language, english)
    assert all(value in message.text for value in (*way.values(), str(hours)))
    if "code" in way:
        assert (size(message.text).encoding, size(message.text).segments) == (Encoding.GSM_7, 1)
    else:
        assert problems(message.html) == []
        assert message.html.count("https://x.example.test/v/1") == 1


REPLIES = ("resumed", "help", "unclear", "several", "changed", "not_now")
ACTS = [ActKind.CONFIRM, ActKind.DECLINE, ActKind.START, ActKind.COMPLETE, ActKind.LATE]


def answer(why: str, language: str, **values: object) -> str:
    with translation.override(language):
        return plain(get_template("reminders/sms/answer.txt").render({"why": why, "minutes": 15, **values}))


@pytest.mark.parametrize("language", EVERY)
@pytest.mark.parametrize(
    ("why", "works"), [*((why, ["4711: Qx1", "4712: Qx2"]) for why in REPLIES), ("help", []), ("unclear", [])]
)
def test_an_answer_by_sms_is_in_one_language_alone(why, works, language, english):
    text = answer(why, language, works=works, number=4711 if works else None)
    check(text, language, english)
    assert (size(text).encoding, size(text).segments <= 2) == (Encoding.GSM_7, True), text


@pytest.mark.parametrize("language", EVERY)
def test_the_words_that_an_answer_offers_are_understood(language):
    offered = re.findall(r"\b[A-ZÄÖÜÉ]{2,}(?: 15)?\b", answer("unclear", language, works=[]))
    *acts, stop = [understood(word, languages=[language], opted_out=False) for word in offered]
    assert [one.act for one in acts] == ACTS
    assert acts[-1].minutes == 15
    assert stop.word is Word.STOP
    named = re.findall(r"\b[A-ZÄÖÜÉ]{2,} 4711\b", answer("changed", language, works=["x"], number=4711))
    meant = [understood(word, languages=[language], opted_out=False) for word in named]
    assert [(one.act, one.assignment) for one in meant] == [(ActKind.CONFIRM, 4711), (ActKind.DECLINE, 4711)]


@pytest.mark.parametrize("language", EVERY)
def test_the_words_that_a_reminder_offers_are_understood(language):
    text = written("reminder", language, channel="sms").text
    line = next(line for line in text.split("\n") if "STOP" in line)
    yes, no, stop = re.findall(r"\b[A-Z]{2,}\b", line)
    assert understood(yes, languages=[language], opted_out=False).act is ActKind.CONFIRM
    assert understood(no, languages=[language], opted_out=False).act is ActKind.DECLINE
    assert understood(stop, languages=[language], opted_out=False).word is Word.STOP


PERSON = Assignee(pk=3, name="Qx6")
WORK = {
    "title": "Qx1",
    "location": "Qx3",
    "kind": "Qx2",
    "reference": "Qx5",
    "notes": "Qx4",
    "answer_note": "Qx7",
    "scheduled_start": NOW,
}
PAGES = {
    "asks": {
        "next": "confirm",
        "others": ["decline", "late", "on_my_way"],
        "late_by": [15, 30],
        "calendar": "/c/1",
    },
    "set off": {"next": "on_my_way", "others": ["start"], "refusal": "changed"},
    "at work": {"next": "start", "others": ["complete"], "refusal": "not_now"},
    "finished": {"next": "complete", "refusal": "invalid", "news": True},
    "declined": {"work": {"answer": "DECLINED"}, "others": ["confirm"], "heard": "told"},
    "late": {"work": {"answer": "CONFIRMED"}, "expected": "Qx9", "on_my_way": "Qx9", "heard": "being_told"},
    "overdue": {"work": {"overdue_at": NOW, "answer": "DECLINED"}, "news": True},
    "cancelled": {"work": {"status": "CANCELLED"}},
    "begun": {"work": {"status": "IN_PROGRESS"}, "started": "Qx9"},
    "done": {"work": {"status": "COMPLETED"}, "completed": "Qx9"},
}


def page(name: str, language: str, context: dict) -> str:
    with translation.override(language):
        return get_template(f"reminders/assignee_page/{name}.html").render(context)


@pytest.mark.parametrize("language", EVERY)
@pytest.mark.parametrize("name", PAGES)
def test_the_page_of_an_assignment_is_in_one_language_alone(name, language, english):
    given = dict(PAGES[name])
    work = Assignment(**{**WORK, **given.pop("work", {})})
    when = dates.relative_time(timedelta(minutes=-5), language, planned=True)
    context = {
        "assignment": work,
        "person": PERSON,
        "begins": "Qx9",
        "ends": "Qx9",
        "answered": "Qx9",
        "when": when,
    }
    html = page("assignment", language, {**context, "longest": LONGEST_ANSWER_NOTE, **given})
    assert f'<html lang="{language}">' in html
    check(text_of(html.partition("<body>")[2]), language, english)


@pytest.mark.parametrize("language", EVERY)
@pytest.mark.parametrize(
    ("name", "context"),
    [
        *((name, {}) for name in ("cookies", "no_longer_yours", "not_found", "unavailable", "verify")),
        ("verify", {"done": True}),
        ("opt_out", {"is_built_in": True}),
        ("opt_out", {"rule": "Qx1", "refused": True}),
        ("opt_out", {}),
        ("opt_out", {"rule": "Qx1", "mandatory": True, "stopped": "Qx9"}),
        ("opt_out", {"rule": "Qx1", "stopped": "Qx9"}),
    ],
)
def test_other_pages_behind_links_are_in_one_language_alone(name, context, language, english):
    html = page(name, language, {"person": PERSON, **context})
    assert f'<html lang="{language}">' in html
    check(text_of(html.partition("<body>")[2]), language, english)
    assert len(text_of(html.partition("<body>")[2])) > 30


HOSTILE = "Boiler\r\nBcc: all@example.test\n\u2028{{ title }}{% now %} %(title)s %s \ue000link\ue001"


@pytest.mark.parametrize("language", EVERY)
@pytest.mark.parametrize("name", CLAIMS)
def test_no_value_adds_a_header_or_is_read_as_a_template(name, language):
    claim = CLAIMS[name]
    hostile = replace(FACTS, title=HOSTILE, assignee_name=HOSTILE, location=HOSTILE, start=claim.facts.start)
    digest = claim.digest and replace(
        claim.digest, entries=tuple((row, hostile) for row, _ in claim.digest.entries)
    )
    contact = Contact(name=HOSTILE, email="q@example.test", time_zone="UTC", language=language)
    message = compose.compose(
        replace(claim, facts=hostile, digest=digest), contact=contact, address="q@example.test", now=NOW
    )
    assert len(message.subject.splitlines()) == 1
    if not claim.digest and "need not come" not in name:
        assert "{{ title }}{% now %} %(title)s %s" in message.subject
        assert "{{ title }}{% now %} %(title)s %s" in message.text


HEBREW = "\u05d3\u05e0\u05d4"


@pytest.mark.parametrize("language", EVERY)
def test_names_from_right_to_left_are_isolated_and_others_are_not(language):
    contact = Contact(name=HEBREW, email="q@example.test", language=language)
    message = verification_message.compose(contact, "q@example.test", url="https://x.example.test", hours=24)
    for text in (message.text, message.html):
        assert f"\u2068{HEBREW}\u2069" in text
    assert "\u2068" not in written("reminder", language).text


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        *(
            ("de", "de"),
            ("de-AT", "de"),
            ("DE_ch", "de"),
            ("fr-Latn-CA", "fr"),
            ("es-419", "es"),
            ("en-GB", "en"),
        ),
        *(("sv", "en"), ("dex", "en"), ("", "en"), ("../de", "en"), ("d", "en")),
    ],
)
def test_a_language_falls_back_to_one_that_there_are_texts_in(tag, language):
    assert text_language(tag) == language


def test_the_language_of_last_resort_is_a_setting(settings):
    settings.DEFAULT_LANGUAGE = "fr"
    assert (text_language("sv"), text_language("de-AT")) == ("fr", "de")
    assert known_language(["sv", "it"]) == ""
