"""What is kept of settings is made anew when one of them changes."""

from django.conf import settings as current

from notifications.settings_cache import kept_while_settings_stay


def test_it_is_made_once_and_anew_after_a_change(settings):
    made = []

    @kept_while_settings_stay(maxsize=8)
    def greeting(name: str) -> str:
        made.append(name)
        return f"{name} of {current.ORGANISATION_NAME}"

    settings.ORGANISATION_NAME = "Acme"
    assert [greeting("Ann"), greeting("Ann"), greeting("Bob")] == [
        "Ann of Acme",
        "Ann of Acme",
        "Bob of Acme",
    ]
    assert made == ["Ann", "Bob"]
    settings.ORGANISATION_NAME = "Globe"
    assert greeting("Ann") == "Ann of Globe"
