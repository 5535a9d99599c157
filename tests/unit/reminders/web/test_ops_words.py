"""How the Ops pages say spans of time."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django.utils.html import escape

from reminders.web.templatetags.ops import age, full_instant, instant, minute, sentence, step


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (0, "0 s"), (-3, "0 s"), (59.9, "59 s"), (60, "1 min"), (3_599, "59 min"), (3_600, "1 h"), (3_660, "1 h 1 min"),
        (timedelta(hours=23, minutes=59), "23 h 59 min"), (timedelta(days=2, hours=5), "2 d"),
    ],
)  # fmt: skip
def test_a_span_is_said_in_its_largest_unit(span, said):
    assert age(span) == said


@pytest.mark.parametrize(
    ("at", "shown", "below_a_chart"),
    [
        (datetime(2026, 6, 15, 14, 0, 5, tzinfo=UTC), "14:00:05", "14:00"),
        (datetime(2026, 11, 3, 14, 0, tzinfo=UTC), "3 Nov 14:00", "3 Nov 14:00"),
        (datetime(2030, 6, 15, 14, 0, tzinfo=UTC), "15 Jun 2030 14:00", "15 Jun 2030 14:00"),
        (datetime(2025, 12, 31, 23, 59, tzinfo=UTC), "31 Dec 2025 23:59", "31 Dec 2025 23:59"),
    ],
)
def test_an_instant_leaves_out_only_what_is_the_same_now(monkeypatch, at, shown, below_a_chart):
    monkeypatch.setattr(timezone, "localdate", lambda: datetime(2026, 6, 15).date())
    assert re.sub("<.*?>", "", instant(at)) == shown
    assert minute(at) == below_a_chart


@pytest.mark.parametrize(("hour", "zone"), [(0, "CEST"), (1, "CET")])
def test_an_instant_in_the_repeated_hour_names_its_zone(settings, hour, zone):
    settings.TIME_ZONE = "Europe/Berlin"
    assert full_instant(datetime(2027, 10, 31, hour, 30, tzinfo=UTC)) == f"2027-10-31 02:30:00 {zone}"


def seen(text: str) -> str:
    return re.sub("<.*?>", "", sentence(text))


def test_a_sentence_says_how_far_an_instant_is_and_its_title_says_when(settings, monkeypatch):
    settings.TIME_ZONE = "Europe/Berlin"
    now = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)
    assert seen("It leaves at 2026-06-15 14:30:00 CEST.") == "It leaves in 2 h 30 min, at 14:30."
    assert seen("REMINDER was sent at 2026-06-15 09:59:18 UTC") == "Reminder was sent 42 s ago, at 11:59:18"
    assert (
        seen("moved from 2026-06-15 09:00:00 UTC to 2026-06-16 14:00:00 UTC")
        == "moved from 11:00 to 16 Jun 16:00"
    )
    assert seen("it is marked OVERDUE") == "it is marked overdue"
    assert 'title="2026-06-15 14:30:00 CEST"' in sentence("at 2026-06-15 14:30:00 CEST")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is marked OVERDUE at {}.", "It is marked overdue."),
        ("Ada hears at {} that it is late", "Ada hears that it is late"),
        ("wird gesendet, um {} (mit 2 anderen)", "wird gesendet (mit 2 anderen)"),
        ("se enviará a las {}: sí", "se enviará: sí"),
        ("sera envoyé à {}", "sera envoyé"),
        ("wird etwa um {} gesendet", "wird etwa in 2 h 30 min, at 14:30 gesendet"),
        ("waits until {}", "waits until 14:30"),
        ("at 2026-06-15 14:30:01 CEST", "in 2 h 30 min, at 14:30:01"),
    ],
)
def test_a_sentence_beside_its_instant_does_not_say_it_once_more(settings, monkeypatch, text, said):
    settings.TIME_ZONE = "Europe/Berlin"
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 6, 15, 10, 0, tzinfo=UTC))
    at = datetime(2026, 6, 15, 12, 30, 0, 250_000, tzinfo=UTC)
    assert re.sub("<.*?>", "", step(text.format("2026-06-15 14:30:00 CEST"), at)) == said


def test_a_sentence_of_an_unknown_instant_stays_whole():
    assert step("waits: it is held", None) == "waits: it is held"


@pytest.mark.parametrize("zone", ["CEST", "CET"])
def test_a_sentence_keeps_the_two_hours_of_a_repeated_one_apart(settings, zone):
    settings.TIME_ZONE = "Europe/Berlin"
    assert f'title="2027-10-31 02:30:00 {zone}"' in sentence(f"at 2027-10-31 02:30:00 {zone}")


@pytest.mark.parametrize("text", ["at 2026-06-15 14:30:00 XYZ", "<b>REMINDER</b>", "of REMINDER"])
def test_a_sentence_leaves_what_it_does_not_know_and_escapes_it(text):
    assert sentence(text) == escape(text)
