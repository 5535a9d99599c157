"""Every address of the web process, and who may do what there; read from the URL resolver, so that none is forgotten."""

from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from config.access.models import ApiToken
from reminders import roles

pytestmark = pytest.mark.django_db

CALLERS = ("anonymous", "read", "write", "ops", "viewer", "operator")
OPEN, READ, WRITE, OPS = "open", "read", "write", "ops"
LOOK, ACT = "look", "act"  # Pages: for people who have signed in, never for tokens.

# What each call needs. An address that is not here fails the test: whoever adds one says who may use it.
NEEDS = {
    "healthz": {"GET": OPEN},
    "readyz": {"GET": OPEN},
    "api/metrics": {"GET": OPEN},
    "api/assignments": {"GET": READ, "POST": WRITE},
    "api/assignments/<int:pk>": {"GET": READ, "PATCH": WRITE, "DELETE": WRITE},
    "api/assignments/import": {"POST": WRITE},
    "api/assignments/export": {"GET": READ},
    "api/assignments/by-reference/<path:reference>": {"PUT": WRITE},
    "api/assignments/<int:pk>/start": {"POST": WRITE},
    "api/assignments/<int:pk>/complete": {"POST": WRITE},
    "api/assignments/<int:pk>/cancel": {"POST": WRITE},
    "api/assignments/<int:pk>/reschedule": {"POST": WRITE},
    "api/assignments/<int:pk>/reminders": {"GET": READ},
    "api/assignments/<int:pk>/explain": {"GET": READ},
    "api/admin/reminders/export": {"GET": READ},
    "api/admin/reminders/rescan": {"POST": OPS},
    "api/admin/reminders/scans/<int:pk>": {"GET": READ},
    "api/admin/reminders/reset": {"POST": OPS},
    "api/admin/reminders/summary": {"GET": READ},
    "api/admin/reminders/pause": {"POST": OPS},
    "api/admin/reminders/resume": {"POST": OPS},
    "api/webhooks": {"GET": OPS, "POST": OPS},
    "api/webhooks/<int:pk>": {"GET": OPS, "PATCH": OPS, "DELETE": OPS},
    "api/webhooks/<int:pk>/rotate": {"POST": OPS},
    "api/webhooks/<int:pk>/test": {"POST": OPS},
    "api/schema": {"GET": OPEN},
    "api/docs": {"GET": OPEN},
    "api/": {},
    "": {"GET": OPEN},
    "a/<str:token>": {"GET": OPEN, "POST": OPEN},
    "ops/": {"GET": LOOK},
    "ops/live": {"GET": LOOK},
    "ops/find": {"GET": LOOK},
    "ops/assignments": {"GET": LOOK},
    "ops/assignments/<int:pk>": {"GET": LOOK},
    "ops/reminders": {"GET": LOOK},
    "ops/switch": {"GET": LOOK},
    "ops/queue": {"GET": LOOK},
    "ops/simulator": {"GET": LOOK},
    "ops/doctor": {"GET": LOOK},
    "ops/doctor/checks": {"GET": LOOK},
    "ops/audit": {"GET": LOOK},
    "ops/act/<slug:name>": {"GET": ACT, "POST": ACT},
    "ops/<path:rest>": {"GET": LOOK},
}
MAY = {
    OPEN: set(CALLERS),
    READ: {"read", "write", "ops", "viewer", "operator"},
    WRITE: {"write", "operator"},
    OPS: {"ops", "operator"},
    LOOK: {"viewer", "operator"},
    ACT: {"operator"},
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def addresses(patterns=None, prefix="") -> Iterator[str]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if getattr(pattern, "app_name", None) != "admin":
                yield from addresses(pattern.url_patterns, route)
        else:
            assert isinstance(pattern, URLPattern)
            yield route


def address(route: str) -> str:
    words = {
        "<int:pk>": "1",
        "<str:token>": "made-up",
        "<path:reference>": "W-1",
        "<slug:name>": "reset",
        "<path:rest>": "nothing",
    }
    for name, word in words.items():
        route = route.replace(name, word)
    return f"/{route}"


@pytest.fixture(autouse=True)
def _plain_http(settings, tmp_path):
    settings.SECURE_SSL_REDIRECT = False
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def call(clock):
    """Calls as one of CALLERS; answers with the status."""
    roles.set_up()

    def ask(caller: str, method: str, url: str) -> int:
        client, headers = Client(), {}
        if caller in ("read", "write", "ops"):
            _, secret = ApiToken.issue(f"{caller}-{ApiToken.objects.count()}", scopes=[caller], days=None)
            headers = {"Authorization": f"Bearer {secret}"}
        elif caller != "anonymous":
            user, _ = get_user_model().objects.get_or_create(username=caller, is_staff=True)
            role = {"viewer": roles.VIEWERS, "operator": roles.OPERATORS}[caller]
            user.groups.set([Group.objects.get(name=role)])
            client.force_login(user)
        answer = client.generic(method, url, b"{}", content_type="application/json", headers=headers)
        return int(answer.status_code)

    return ask


def test_no_address_was_forgotten():
    assert sorted(addresses()) == sorted(NEEDS)


@pytest.mark.parametrize("route", [route for route in NEEDS if route != "api/"])
def test_who_may_do_what(call, route):
    url = address(route)
    for method, need in NEEDS[route].items():
        for caller in CALLERS:
            status = call(caller, method, url)
            refused = {401} if caller == "anonymous" else {403}
            if need in (LOOK, ACT) and caller not in MAY[LOOK]:
                refused = {302}  # to the login
            if caller in MAY[need]:
                # What follows is about the state or the body, not about who calls.
                assert status not in {401, 403, 405} | set(range(500, 600)) - {503}, (
                    caller,
                    method,
                    url,
                    status,
                )
            else:
                assert status in refused, (caller, method, url, status)


@pytest.mark.parametrize(
    "route", [route for route in NEEDS if route.startswith(("api/", "ops/")) and route != "api/"]
)
def test_no_other_method_does_anything(call, route):
    url = address(route)
    for method in set(METHODS) - NEEDS[route].keys():
        assert call("anonymous", method, url) in {401, 405}
        assert call("operator", method, url) == 405


def test_a_user_who_is_not_staff_may_nothing(clock):
    client = Client()
    client.force_login(get_user_model().objects.create_user("guest"))
    for route in ("/api/assignments", "/api/admin/reminders/scans/1"):
        assert client.get(route).status_code == 403
    assert client.get("/admin/assignments/assignment/").status_code == 302
