"""Every address of the resolver, by every method, with what only fools and attackers send: no answer is a 5xx."""

from http.cookies import SimpleCookie
from urllib.parse import unquote

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from accounts.models import ApiToken
from reminders.conf import ReminderConfig
from reminders.web.ops import maintenance
from tests.conftest import DatabaseClock
from tests.depth import FULL
from tests.factories import NOON, AssignmentFactory
from tests.integration.reminders.web.test_every_address import NEEDS

# Coverage is asked of the other tests: tracing takes half as long again.
pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE")
OTHERS = [method for method in METHODS if method not in ("GET", "POST")]
BIG = "9" * 400
PATHS = (
    "0",
    "9223372036854775807",
    "9223372036854775808",
    BIG,
    "%00",
    "%ff",
    "x" * 3_000,
    "..%2f..",
    "-1",
)
QUERIES = (
    "page=1000000000&limit=1e9&p=99999999999999999999&o=-9.9&cursor=AAAA",
    "ordering=password&format=xml&status=NONSENSE&status__exact=x&q=%00%ff&search=%F0%28",
    f"ids={BIG}&pk={BIG}&assignee={BIG}&after={BIG}&before=-1&id__exact={BIG}&_to_field=x",
    "starts_after=9999-12-31T23:59:59-14:00&starts_before=NaN&dry_run=maybe&dry_run=1&page=%00",
    "&&==&%&a[]=1&" + "x=1&" * 200,
)
BODIES = (
    (b"", "application/json"),
    (b"\xff\xfe\x00{", "application/json; charset=utf-16"),
    (b'{"a": "\x00\\u0000\\ud800", "ids": [1e400, ' + b"9" * 5_000 + b"]}", "application/json"),
    (b"[" * 3_000, "application/json"),
    (b'{"ids": ["x"], "reason": {"a": 1}, "until": "0001-01-01T00:00:00+14:00"}', "application/json"),
    (b"a=%00&b=%ff&action=nothing&ids=" + b"9" * 400, "application/x-www-form-urlencoded; charset=nonsense"),
    (b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\x00', "multipart/form-data; boundary=x"),
    (b"", "multipart/form-data"),
    (b"title,scheduled_start\n\x00", "text/csv"),
    (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:\x00\nEND:VEVENT\nEND:VCALENDAR", "text/calendar"),
    (b"x", "\xff/\x00;;="),
)

BROKEN_FORMS = [(body, kind) for body, kind in BODIES if kind.startswith(("application/x-www", "multipart/"))]
NO_FORMS = [(body, kind) for body, kind in BODIES if (body, kind) not in BROKEN_FORMS]


def addresses(patterns=None, prefix="/"):
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern).lstrip("^").removesuffix("$").removesuffix("\\Z")
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        else:
            assert isinstance(pattern, URLPattern)
            yield route


def filled(route, word):
    """The address with this word in the place of each of its parts."""
    parts = route.split("<")
    return parts[0] + "".join(word + part.partition(">")[2] for part in parts[1:])


def route_of(url):
    """The route that takes the address; None where none does."""
    try:
        return resolve(unquote(url)).route
    except Resolver404:
        return None


ROUTES = sorted({route for route in addresses() if "(?P" not in route and route != "/admin/logout/"})


@pytest.fixture(scope="module")
def callers(django_db_setup, django_db_blocker):
    """A person and a program who may everything, and work. Made once: what a call changes is taken back."""
    clock = DatabaseClock()
    with django_db_blocker.unblock(), transaction.atomic():
        clock.set(NOON)
        with override_settings(REMINDERS=ReminderConfig(channel="memory")):
            AssignmentFactory(reference="W-1")
        signed_in = Client(raise_request_exception=False)
        signed_in.force_login(get_user_model().objects.create_superuser("root"))
        secret = ApiToken.issue("fool", scopes=["read", "write", "ops"], days=None)[1]
        ApiToken.objects.update(last_used_at=Now())  # or each call that is taken back would store it
        clock.stop()
        program = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {secret}"})
        yield signed_in, SimpleCookie(signed_in.cookies), program
        transaction.set_rollback(True)


@pytest.fixture
def ask(callers, clock, settings, monkeypatch):
    # The doctor asks every server for seconds; what it is sent it does not read.
    monkeypatch.setattr(maintenance, "run_checks", lambda *_, **__: [])
    settings.API_RATE = 0
    signed_in, cookies, program = callers

    def call(method, url, body=b"", content_type="application/json"):
        client = program if url.startswith("/api/") else signed_in
        signed_in.cookies = SimpleCookie(cookies)  # One of the calls is the sign-out.
        with transaction.atomic():  # What one call spoils no other one sees.
            answer = client.generic(method, url, body, content_type=content_type)
            for (
                close
            ) in answer._resource_closers:  # As a web server does; close() itself would end the connection.
                close()
            transaction.set_rollback(True)
        assert answer.status_code < 500, (method, url[:200], content_type, body[:80], answer.status_code)
        return answer.status_code

    return call


def test_the_sweep_knows_every_part_of_the_system():
    assert {route.split("/")[1] for route in ROUTES} >= {"a", "admin", "api", "healthz", "ops", "readyz", ""}
    assert len(ROUTES) > 80


def tried(route):
    """What the address has, a POST and a method that is none: `test_every_address` sees the same callers refused by every
    other method. A page of the admin takes whatever is not a POST for a GET, without a look at it: there each page is
    asked by one of the others, and the next page by the next.
    """
    if FULL:
        return METHODS
    if route.startswith("/admin/"):
        return ("GET", "POST", OTHERS[ROUTES.index(route) % len(OTHERS)])
    return tuple(dict.fromkeys(("GET", "POST", *NEEDS[route.removeprefix("/")], "NONSENSE")))


astray = set()
"""What was asked where the route that is tried does not take the address: whoever takes it is asked once for each word."""


def words(route):
    """What is asked in the place of the parts of the address."""
    if "<" not in route:
        return
    # The pages of one record of the admin look for it in one way: each asks for others.
    whole = FULL or not route.startswith("/admin/")
    for word in PATHS if whole else PATHS[ROUTES.index(route) % 3 :: 3]:
        taken = route_of(filled(route, word))
        if taken != route_of(filled(route, "1")):
            stray = (route.split("/")[1], taken, word)
            if stray in astray:
                continue
            astray.add(stray)
        yield word


def queries(route, answered):
    """Whoever refuses the method, a form, and what leads back because there is no such record get all at once."""
    if FULL or not (answered == 405 or route.endswith("/add/") or (answered == 302 and "/admin/" in route)):
        return QUERIES
    return ["&".join(QUERIES)]


def bodies(route, answered):
    """All for a program. A page reads forms: of anything else it knows as little as of the next."""
    if FULL or route.startswith("/api/"):
        return BODIES
    # Where there is no such record the admin leads back to its first page, and only the parser has seen the form.
    unread = route.startswith("/admin/") and answered["GET"] == answered["POST"] == 302
    return BROKEN_FORMS if unread else [*BROKEN_FORMS, NO_FORMS[2], NO_FORMS[-1]]


@pytest.mark.parametrize("route", ROUTES)
def test_nothing_sent_to_an_address_gets_a_5xx(ask, route):
    url = filled(route, "1")
    admin = route.startswith("/admin/")
    answered = {method: ask(method, url) for method in tried(route)}
    for word in words(route):
        # Pages of the admin look for the record before they look at the method.
        for method in ("GET",) if admin and not FULL else ("GET", "POST"):
            ask(method, filled(route, word))
    for query in queries(route, answered["GET"]):
        ask("GET", f"{url}?{query}")
    # Only a program's PUT is read at all: a page has forms, and whoever refuses a method reads no body.
    readers = [method for method in ("POST", "PUT") if answered.get(method, 405) != 405]
    for method in readers if route.startswith("/api/") else readers[:1]:
        for body, content_type in bodies(route, answered):
            ask(method, f"{url}?{QUERIES[0]}", body, content_type)
