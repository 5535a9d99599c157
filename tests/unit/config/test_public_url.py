"""PUBLIC_URL and MAP_URL: where mails link to, and what is said where it is missing or wrong."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment
from reminders.checks import check_public_url


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("", ""),
        ("https://reminders.example.org", "https://reminders.example.org"),
        (" https://reminders.example.org/ ", "https://reminders.example.org"),
        ("https://10.0.0.7:8443", "https://10.0.0.7:8443"),
    ],
)
def test_a_scheme_and_a_host_are_accepted(given, read):
    env = Environment({"PUBLIC_URL": given})
    assert env.origin("PUBLIC_URL", schemes=["https"]) == read
    env.refuse_if_wrong()


@pytest.mark.parametrize(
    "given",
    [
        "reminders.example.org", "http://reminders.example.org", "https://", "https://x.org/a", "https://x.org?a=1",
        "https://x.org#a", "https://x y.org", "https://x.org:port", 'https://x.org">',
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_name_and_value(given):
    env = Environment({"PUBLIC_URL": given})
    assert env.origin("PUBLIC_URL", schemes=["https"]) == ""
    with pytest.raises(ImproperlyConfigured) as refusal:
        env.refuse_if_wrong()
    accepted = "https:// and a host like reminders.example.org, with nothing after it, is needed"
    assert str(refusal.value) == f"PUBLIC_URL is {given!r}: {accepted}"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "https://www.openstreetmap.org/search?query={place}",
        "http://10.0.0.7:8080/{place}",
        " https://x.org/#{place} ",
    ],
)
def test_the_address_of_a_map_has_the_place_in_it(given):
    env = Environment({"MAP_URL": given})
    assert env.form("MAP_URL", part="{place}", schemes=["https", "http"]) == given.strip()
    env.refuse_if_wrong()


@pytest.mark.parametrize(
    "given",
    [
        "https://x.org/search", "https://{place}.org/", "https://x.org/{place}/{place}", "ftp://x.org/{place}", "{place}",
        "https://x.org/{place} here", "javascript://x/{place}",
    ],
)  # fmt: skip
def test_any_other_address_of_a_map_is_refused(given):
    env = Environment({"MAP_URL": given})
    assert env.form("MAP_URL", part="{place}", schemes=["https", "http"]) == ""
    accepted = "an address like https://www.example.org/search?query={place} is needed"
    assert env.problems == [f"MAP_URL is {given!r}: {accepted}"]


def test_a_password_in_it_is_not_shown():
    env = Environment({"PUBLIC_URL": "https://ops:geheim@x.org"})
    env.origin("PUBLIC_URL", schemes=["https"])
    assert "geheim" not in env.problems[0]


def settings_with(**environment):
    code = (
        "from django.conf import settings as s; print(s.PUBLIC_URL, s.ALLOWED_HOSTS, s.CSRF_TRUSTED_ORIGINS)"
    )
    own = {"DJANGO_SETTINGS_MODULE": "config.settings", "ALLOWED_HOSTS": "inside", **environment}
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **own}, cwd=settings.BASE_DIR,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_its_host_is_served_and_its_forms_are_trusted():
    done = settings_with(PUBLIC_URL="https://reminders.example.org:8443", HTTPS_ONLY="true")
    assert done.stdout.strip() == (
        "https://reminders.example.org:8443 ['inside', 'reminders.example.org']"
        " ['https://reminders.example.org:8443']"
    )


def test_without_tls_it_may_be_http_and_with_it_never():
    assert settings_with(PUBLIC_URL="http://x.test", HTTPS_ONLY="false").returncode == 0
    assert (
        "PUBLIC_URL is 'http://x.test'" in settings_with(PUBLIC_URL="http://x.test", HTTPS_ONLY="true").stderr
    )


def test_a_deployment_check_asks_for_it(settings):
    settings.PUBLIC_URL = ""
    assert [found.id for found in check_public_url(None)] == ["reminders.W001"]
    settings.PUBLIC_URL = "https://reminders.example.org"
    assert check_public_url(None) == []
