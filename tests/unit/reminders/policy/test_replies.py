"""What is answered by SMS means, in which language, and about which work."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assignments.models import ActKind
from reminders.policy.replies import OPT_OUT_WORDS, UNKNOWN, Candidate, Reply, Word, meant, understood

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def said(text: str, *languages: str, opted_out: bool = False) -> Reply:
    return understood(text, languages=languages or ("en",), opted_out=opted_out)


@pytest.mark.parametrize(
    ("text", "language", "act"),
    [
        ("YES", "en", ActKind.CONFIRM),
        ("yes", "en", ActKind.CONFIRM),
        (" Yes! \U0001f44d", "en", ActKind.CONFIRM),
        ("No.", "en", ActKind.DECLINE),
        ("START", "en", ActKind.START),
        ("done", "en", ActKind.COMPLETE),
        ("On my way", "en", ActKind.ON_MY_WAY),
        ("Ja", "de", ActKind.CONFIRM),
        ("NEIN", "de-AT", ActKind.DECLINE),
        ("Fertig", "de", ActKind.COMPLETE),
        ("Unterwegs", "de", ActKind.ON_MY_WAY),
        ("Sí", "es", ActKind.CONFIRM),
        ("SI", "es-MX", ActKind.CONFIRM),
        ("no", "es", ActKind.DECLINE),
        ("Hecho", "es", ActKind.COMPLETE),
        ("Début", "fr", ActKind.START),
        ("DE\u0301BUT", "fr", ActKind.START),
        ("Terminé", "fr", ActKind.COMPLETE),
        ("oui", "fr", ActKind.CONFIRM),
        ("yes", "fr", ActKind.CONFIRM),
        ("yes", "pl", ActKind.CONFIRM),
    ],
)
def test_acts_in_the_language_of_the_person_and_in_english(text: str, language: str, act: ActKind) -> None:
    assert said(text, language) == Reply(Word.ACT, act)


@pytest.mark.parametrize(
    "text", ["ja", "oui", "yes please", "maybe", "", "   ", "?!", "42", "YES 1 2", "HELP 3"]
)
def test_what_is_no_word_of_theirs_is_not_guessed(text: str) -> None:
    assert said(text) == UNKNOWN


@pytest.mark.parametrize(
    ("text", "language", "minutes", "assignment"),
    [
        ("LATE 15", "en", 15, None),
        ("late15", "en", 15, None),
        ("Late: 20 min", "en", 20, None),
        ("LATE 15 1234", "en", 15, 1234),
        ("Später 30 Minuten", "de", 30, None),
        ("SPAETER 30", "de", 30, None),
        ("retard 10", "fr", 10, None),
        ("Tarde 45 minutos", "es", 45, None),
    ],
)
def test_how_late(text: str, language: str, minutes: int, assignment: int | None) -> None:
    assert said(text, language) == Reply(Word.ACT, ActKind.LATE, minutes, assignment)


@pytest.mark.parametrize("text", ["LATE", "late soon", "LATE 1 2 3"])
def test_late_without_a_number_is_not_understood(text: str) -> None:
    assert said(text) == UNKNOWN


def test_a_reply_may_name_the_work() -> None:
    assert said("YES 1234") == Reply(Word.ACT, ActKind.CONFIRM, assignment=1234)
    assert said("done #77") == Reply(Word.ACT, ActKind.COMPLETE, assignment=77)


@pytest.mark.parametrize("word", sorted(OPT_OUT_WORDS))
@pytest.mark.parametrize("opted_out", [False, True])
def test_whoever_says_stop_in_any_language_is_understood(word: str, opted_out: bool) -> None:
    for text in (word, word.upper(), f" {word.title()}. "):
        assert said(text, opted_out=opted_out) == Reply(Word.STOP)


@pytest.mark.parametrize("text", ["stop calling", "please cancel", "STOP 12"])
def test_only_the_word_alone_opts_out(text: str) -> None:
    assert said(text) == UNKNOWN


@pytest.mark.parametrize("text", ["START", "Yes", "UNSTOP", "start"])
def test_who_has_opted_out_opts_in_by_the_same_words_and_does_nothing_else(text: str) -> None:
    assert said(text, opted_out=True) == Reply(Word.RESUME)


@pytest.mark.parametrize("text", ["DONE", "NO", "LATE 15", "HELP", "YES 12"])
def test_who_has_opted_out_acts_by_sms_no_more(text: str) -> None:
    assert said(text, opted_out=True) == UNKNOWN


@pytest.mark.parametrize(
    ("text", "language"), [("HELP", "en"), ("info", "en"), ("Hilfe", "de"), ("aide", "fr")]
)
def test_help(text: str, language: str) -> None:
    assert said(text, language) == Reply(Word.HELP)


@given(st.text())
def test_nothing_that_is_sent_breaks_it(text: str) -> None:
    assert isinstance(said(text, "de", "fr"), Reply)


def work(
    number: int, *, person: int = 1, start: timedelta = HOUR, told: timedelta | None = None
) -> Candidate:
    return Candidate(
        assignment_id=number,
        person_id=person,
        start=NOON + start,
        told_at=None if told is None else NOON - told,
    )


YES = Reply(Word.ACT, ActKind.CONFIRM)


@pytest.mark.parametrize(
    ("candidates", "number"),
    [
        ([], None),
        ([work(1)], 1),
        ([work(1, start=2 * HOUR), work(2)], 2),  # nobody was told: the next
        ([work(1, start=HOUR), work(2, start=9 * HOUR, told=HOUR)], 2),
        ([work(1, told=HOUR), work(2, told=2 * HOUR)], 1),
        ([work(1, told=HOUR), work(2, told=HOUR)], None),  # both in one moment
        ([work(1, told=96 * HOUR), work(2, start=HOUR / 2)], 2),  # that was long ago
        ([work(1, person=1, told=HOUR), work(2, person=2, told=2 * HOUR)], None),
        ([work(1, person=1, told=HOUR), work(2, person=2)], 1),
        ([work(1, person=1), work(2, person=2)], None),
    ],
)
def test_which_work_is_meant(candidates: list[Candidate], number: int | None) -> None:
    found = meant(YES, candidates, now=NOON)
    assert (found and found.assignment_id) == number


def test_who_names_the_work_means_it() -> None:
    several = [work(1, person=1, told=HOUR), work(2, person=2, told=2 * HOUR)]
    found = meant(Reply(Word.ACT, ActKind.CONFIRM, assignment=2), several, now=NOON)
    assert found == several[1]
    assert meant(Reply(Word.ACT, ActKind.CONFIRM, assignment=3), several, now=NOON) is None
