"""When work is, in one line: nothing that the clocks show twice, or that is far away, can be mistaken."""

from datetime import UTC, datetime
from zoneinfo import available_timezones

import pytest

from reminders.content import dates
from reminders.content.cities import CITIES

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def line(start: datetime, end: datetime | None = None, zone: str = "Europe/Stockholm", language: str = "en"):
    return dates.time_line(start, end, zone, language, now=NOW)


def at(month: int, day: int, hour: int, minute: int, *, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "zone", "written"),
    [
        (
            at(11, 25, 21, 53),
            at(11, 25, 22, 53),
            "Europe/Stockholm",
            "Wed 25 Nov, 22:53 to 23:53 (Stockholm time)",
        ),
        (at(11, 25, 21, 53), None, "Europe/Stockholm", "Wed 25 Nov, 22:53 (Stockholm time)"),
        (
            at(11, 25, 22, 30),
            at(11, 25, 23, 30),
            "Europe/Stockholm",
            "Wed 25 Nov, 23:30 to Thu 26 Nov, 00:30 (Stockholm time)",
        ),
        (at(11, 25, 21, 53), None, "UTC", "Wed 25 Nov, 21:53 (UTC)"),
        (at(11, 25, 21, 53), None, "America/Argentina/Buenos_Aires", "Wed 25 Nov, 18:53 (Buenos Aires time)"),
        (at(11, 25, 21, 53), None, "Etc/GMT+5", "Wed 25 Nov, 16:53 (UTC-05)"),
        (at(11, 25, 21, 53), None, "Etc/UTC", "Wed 25 Nov, 21:53 (UTC)"),
        (at(11, 25, 21, 53), None, "Mars/Olympus", "Wed 25 Nov, 21:53 (UTC)"),
    ],
)
def test_a_span_is_written_in_one_line(start, end, zone, written):
    assert line(start, end, zone) == written


@pytest.mark.parametrize(
    ("zone", "names"),
    [
        ("Europe/Vienna", ["Vienna time", "Ortszeit Wien", "hora de Viena", "heure locale Vienne"]),
        ("Europe/Zurich", ["Zurich time", "Ortszeit Zürich", "hora de Zúrich", "heure locale Zurich"]),
        (
            "America/New_York",
            ["New York time", "Ortszeit New York", "hora de Nueva York", "heure locale New York"],
        ),
        ("Asia/Dhaka", ["Dhaka time", "Ortszeit Dhaka", "hora de Dhaka", "heure locale Dhaka"]),
        ("UTC", ["UTC"] * 4),
    ],
)
def test_a_zone_is_named_after_a_place_as_its_readers_call_it(zone, names):
    assert [dates.zone_name(zone, language) for language in ("en", "de", "es", "fr")] == names


def test_every_city_names_a_zone():
    places = {name.rpartition("/")[2].replace("_", " ") for name in available_timezones()}
    assert set(CITIES) <= places


def test_a_time_that_the_clocks_show_twice_says_which_one_it_is():
    assert (
        line(at(10, 25, 0, 30), at(10, 25, 1, 30)) == "Sun 25 Oct, 02:30 CEST to 02:30 CET (Stockholm time)"
    )
    assert line(at(10, 25, 0, 30), at(10, 25, 2, 30)) == "Sun 25 Oct, 02:30 CEST to 03:30 (Stockholm time)"


def test_a_day_half_a_year_away_has_its_year():
    assert line(at(11, 25, 21, 0, year=2027)) == "Thu 25 Nov 2027, 22:00 (Stockholm time)"


@pytest.mark.parametrize(
    ("language", "written", "dated", "long"),
    [
        (
            "de",
            "Mi, 25. Nov., 22:53 bis 23:53 (Ortszeit Stockholm)",
            "Do, 25. Nov. 2027, 22:00 (Ortszeit Stockholm)",
            "Mittwoch, 25. November 2026, 22:53 (CET, Europe/Stockholm)",
        ),
        (
            "es",
            "mié 25 nov, 22:53 a 23:53 (hora de Estocolmo)",
            "jue 25 nov 2027, 22:00 (hora de Estocolmo)",
            "miércoles 25 de noviembre de 2026, 22:53 (CET, Europe/Stockholm)",
        ),
        (
            "fr",
            "mer 25 nov., 22:53 à 23:53 (heure locale Stockholm)",
            "jeu 25 nov. 2027, 22:00 (heure locale Stockholm)",
            "mercredi 25 novembre 2026, 22:53 (CET, Europe/Stockholm)",
        ),
    ],
)
def test_another_language_has_its_days_and_no_english_words(language, written, dated, long):
    assert line(at(11, 25, 21, 53), at(11, 25, 22, 53), language=language) == written
    assert line(at(11, 25, 21, 0, year=2027), language=language) == dated
    assert dates.local_time(at(11, 25, 21, 53), "Europe/Stockholm", language) == long


@pytest.mark.parametrize(
    ("language", "short", "long"),
    [
        ("en", "Sun 1 Nov, 11:00", "Sunday 1 November 2026, 11:00 (CET, Europe/Stockholm)"),
        ("de", "So, 1. Nov., 11:00", "Sonntag, 1. November 2026, 11:00 (CET, Europe/Stockholm)"),
        ("es", "dom 1 nov, 11:00", "domingo 1 de noviembre de 2026, 11:00 (CET, Europe/Stockholm)"),
        ("fr", "dim 1er nov., 11:00", "dimanche 1er novembre 2026, 11:00 (CET, Europe/Stockholm)"),
    ],
)
def test_the_first_day_of_a_month_is_an_ordinal_in_french_alone(language, short, long):
    assert dates.local_time(at(11, 1, 10, 0), "Europe/Stockholm", language, long=False) == short
    assert dates.local_time(at(11, 1, 10, 0), "Europe/Stockholm", language) == long
