"""Places that time zones are named after and that have other names in other languages; those of the rest stay."""

from django.utils.translation import pgettext_lazy

CITIES = {
    "Algiers": pgettext_lazy("city", "Algiers"),
    "Amsterdam": pgettext_lazy("city", "Amsterdam"),
    "Athens": pgettext_lazy("city", "Athens"),
    "Belgrade": pgettext_lazy("city", "Belgrade"),
    "Berlin": pgettext_lazy("city", "Berlin"),
    "Bogota": pgettext_lazy("city", "Bogota"),
    "Brussels": pgettext_lazy("city", "Brussels"),
    "Bucharest": pgettext_lazy("city", "Bucharest"),
    "Budapest": pgettext_lazy("city", "Budapest"),
    "Cairo": pgettext_lazy("city", "Cairo"),
    "Copenhagen": pgettext_lazy("city", "Copenhagen"),
    "Dublin": pgettext_lazy("city", "Dublin"),
    "Helsinki": pgettext_lazy("city", "Helsinki"),
    "Istanbul": pgettext_lazy("city", "Istanbul"),
    "Lisbon": pgettext_lazy("city", "Lisbon"),
    "London": pgettext_lazy("city", "London"),
    "Luxembourg": pgettext_lazy("city", "Luxembourg"),
    "Mexico City": pgettext_lazy("city", "Mexico City"),
    "Moscow": pgettext_lazy("city", "Moscow"),
    "New York": pgettext_lazy("city", "New York"),
    "Paris": pgettext_lazy("city", "Paris"),
    "Prague": pgettext_lazy("city", "Prague"),
    "Rome": pgettext_lazy("city", "Rome"),
    "Sao Paulo": pgettext_lazy("city", "Sao Paulo"),
    "Singapore": pgettext_lazy("city", "Singapore"),
    "Sofia": pgettext_lazy("city", "Sofia"),
    "Stockholm": pgettext_lazy("city", "Stockholm"),
    "Tallinn": pgettext_lazy("city", "Tallinn"),
    "Tokyo": pgettext_lazy("city", "Tokyo"),
    "Vienna": pgettext_lazy("city", "Vienna"),
    "Vilnius": pgettext_lazy("city", "Vilnius"),
    "Warsaw": pgettext_lazy("city", "Warsaw"),
    "Zurich": pgettext_lazy("city", "Zurich"),
}


def city_name(city: str) -> str:
    """The city in the language in force."""
    return str(CITIES.get(city, city))
