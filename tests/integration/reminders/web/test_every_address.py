"""Every address of the web process, and who may do what there; read from the URL resolver, so that none is forgotten."""

import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts import roles
from accounts.models import ApiToken
from reminders.web.ops import maintenance
from tests.depth import FULL
from tests.logins import signed_in, staff

# Coverage is asked of the other tests: tracing takes half as long again.
pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]

CALLERS = ("anonymous", "read", "write", "ops", "viewer", "operator")
OPEN, READ, WRITE, OPS = "open", "read", "write", "ops"
SIGNED = "signed"  # For the providers of SMS and mail, whatever token or session comes with it.
PRIVACY = "privacy"  # For who answers for privacy: none of these callers.
LOOK, ACT = "look", "act"  # Pages: for people who have signed in, never for tokens.
OWN = "own"  # Pages on which people see and change their own account.

# What each call needs. An address that is not here fails the test: whoever adds one says who may use it.
NEEDS = {
    "healthz": {"GET": OPEN},
    "readyz": {"GET": OPEN},
    "api/metrics": {"GET": OPEN},
    "api/inbound/email": {"POST": SIGNED},
    "api/inbound/sms": {"POST": SIGNED},
    "api/inbound/sms-status": {"POST": SIGNED},
    "api/assignments": {"GET": READ, "POST": WRITE},
    "api/assignments/<int:pk>": {"GET": READ, "PATCH": WRITE, "DELETE": WRITE},
    "api/assignments/import": {"POST": WRITE},
    "api/assignments/export": {"GET": READ},
    "api/assignments/by-reference/<path:reference>": {"GET": READ, "PUT": WRITE},
    "api/assignments/<int:pk>/confirm": {"POST": WRITE},
    "api/assignments/<int:pk>/decline": {"POST": WRITE},
    "api/assignments/<int:pk>/on-my-way": {"POST": WRITE},
    "api/assignments/<int:pk>/late": {"POST": WRITE},
    "api/assignments/<int:pk>/start": {"POST": WRITE},
    "api/assignments/<int:pk>/complete": {"POST": WRITE},
    "api/assignments/<int:pk>/remind": {"POST": WRITE},
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
    "api/teams": {"GET": READ, "POST": OPS},
    "api/teams/<int:pk>": {"GET": READ, "PATCH": OPS, "DELETE": OPS},
    "api/people": {"GET": READ, "POST": WRITE},
    "api/people/<int:pk>": {"GET": READ, "PATCH": WRITE},
    "api/people/<int:pk>/calendar-link": {"GET": OPS, "POST": OPS},
    "api/teams/<int:pk>/calendar-link": {"GET": OPS, "POST": OPS},
    "api/people/<int:pk>/erase": {"POST": PRIVACY},
    "api/people/<int:pk>/export": {"GET": PRIVACY},
    "api/people/<int:pk>/contact-points": {"GET": READ, "POST": WRITE},
    "api/people/<int:pk>/contact-points/<int:n>": {"GET": READ, "PATCH": WRITE, "DELETE": WRITE},
    "api/people/<int:pk>/contact-points/<int:n>/verify": {"POST": WRITE},
    "api/rules": {"GET": OPS, "POST": OPS},
    "api/rules/<int:pk>": {"GET": OPS, "PATCH": OPS, "DELETE": OPS},
    "api/rules/preview": {"POST": OPS},
    "api/import-mappings": {"GET": READ, "POST": WRITE},
    "api/import-mappings/guess": {"POST": WRITE},
    "api/import-mappings/<int:pk>": {"GET": READ, "DELETE": WRITE},
    "api/message-templates": {"GET": READ, "POST": OPS},
    "api/message-templates/starter": {"GET": READ},
    "api/message-templates/preview": {"POST": OPS},
    "api/message-templates/<int:pk>": {"GET": READ},
    "api/message-templates/<int:pk>/versions": {"GET": READ},
    "api/message-templates/<int:pk>/restore": {"POST": OPS},
    "api/message-templates/<int:pk>/deactivate": {"POST": OPS},
    "api/board": {"GET": READ},
    "api/forecast": {"GET": READ},
    "api/webhooks": {"GET": OPS, "POST": OPS},
    "api/webhooks/<int:pk>": {"GET": OPS, "PATCH": OPS, "DELETE": OPS},
    "api/webhooks/<int:pk>/rotate": {"POST": OPS},
    "api/webhooks/<int:pk>/test": {"POST": OPS},
    "api/calendar-sources": {"GET": OPS, "POST": OPS},
    "api/calendar-sources/<int:pk>": {"GET": OPS, "PATCH": OPS, "DELETE": OPS},
    "api/calendar-sources/<int:pk>/poll": {"POST": OPS},
    "api/calendar-sources/<int:pk>/accept": {"POST": OPS},
    "api/schema": {"GET": OPEN},
    "api/docs": {"GET": OPEN},
    "api/": {},
    "": {"GET": OPEN},
    "a/<str:token>": {"GET": OPEN, "POST": OPEN},
    "v/<str:token>": {"GET": OPEN, "POST": OPEN},
    "c/<str:token>.ics": {"GET": OPEN},
    "u/<str:token>": {"GET": OPEN, "POST": OPEN},
    "ops/": {"GET": LOOK},
    "ops/live": {"GET": LOOK},
    "ops/board": {"GET": LOOK},
    "ops/board/live": {"GET": LOOK},
    "ops/forecast": {"GET": LOOK},
    "ops/find": {"GET": LOOK},
    "ops/people/suggest": {"GET": LOOK},
    "ops/day": {"GET": LOOK},
    "ops/assignments": {"GET": LOOK},
    "ops/assignments/new": {"GET": ACT, "POST": ACT},
    "ops/assignments/<int:pk>": {"GET": LOOK},
    "ops/people": {"GET": LOOK},
    "ops/people/<int:pk>": {"GET": LOOK},
    "ops/people/<int:pk>/erase": {"GET": PRIVACY, "POST": PRIVACY},
    "ops/people/<int:pk>/export": {"GET": PRIVACY, "POST": PRIVACY},
    "ops/people/<int:pk>/merge": {"GET": ACT, "POST": ACT},
    "ops/people/<int:pk>/calendar": {"GET": ACT, "POST": ACT},
    "ops/teams/<int:pk>/calendar": {"GET": ACT, "POST": ACT},
    "ops/people/<int:pk>/<slug:name>": {"GET": ACT, "POST": ACT},
    "ops/reminders": {"GET": LOOK},
    "ops/switch": {"GET": LOOK},
    "ops/queue": {"GET": LOOK},
    "ops/queue/live": {"GET": LOOK},
    "ops/simulator": {"GET": LOOK},
    "ops/doctor": {"GET": LOOK},
    "ops/doctor/checks": {"GET": LOOK},
    "ops/calendars": {"GET": LOOK},
    "ops/templates": {"GET": LOOK},
    "ops/templates/new": {"GET": ACT, "POST": ACT},
    "ops/templates/preview": {"GET": ACT, "POST": ACT},
    "ops/templates/html": {"GET": ACT, "POST": ACT},
    "ops/templates/<int:pk>": {"GET": LOOK, "POST": ACT},
    "ops/templates/<int:pk>/versions/<int:n>": {"GET": LOOK},
    "ops/audit": {"GET": LOOK},
    "ops/mailbox": {"GET": ACT},
    "ops/mailbox/<str:name>": {"GET": ACT},
    "ops/mailbox/<str:name>/html": {"GET": ACT},
    "ops/import": {"GET": ACT, "POST": ACT},
    "ops/import/<int:pk>": {"GET": ACT, "POST": ACT},
    "ops/import/<int:pk>/errors.csv": {"GET": ACT},
    "ops/import/mapping/<int:pk>/remove": {"POST": ACT},
    "ops/settings": {"GET": LOOK, "POST": LOOK},
    "ops/views": {"POST": LOOK},
    "ops/views/<int:pk>/remove": {"POST": LOOK},
    "ops/act/<slug:name>": {"GET": ACT, "POST": ACT},
    "ops/<path:rest>": {"GET": LOOK},
    "account/": {"GET": OWN},
    "account/sign-in": {"GET": OPEN, "POST": OPEN},
    "account/sign-in/passkey": {"GET": OPEN, "POST": OPEN},
    "account/sign-in/second-step": {"GET": OPEN, "POST": OPEN},
    "account/sign-in/cancelled": {"GET": OPEN},
    "account/sign-in/<slug:provider_id>": {"GET": OPEN},
    "account/sign-in/<slug:provider_id>/return": {"GET": OPEN},
    "account/sign-out": {"POST": OPEN},
    "account/sessions/end": {"POST": OWN},
    "account/password": {"GET": OWN, "POST": OWN},
    "account/confirm": {"GET": OWN, "POST": OWN},
    "account/confirm/code": {"GET": OWN, "POST": OWN},
    "account/confirm/passkey": {"GET": OWN, "POST": OWN},
    "account/app/add": {"GET": OWN, "POST": OWN},
    "account/app/remove": {"GET": OWN, "POST": OWN},
    "account/recovery-codes": {"GET": OWN},
    "account/recovery-codes/new": {"GET": OWN, "POST": OWN},
    "account/passkeys": {"GET": OWN},
    "account/passkeys/add": {"GET": OWN, "POST": OWN},
    "account/passkeys/<int:pk>": {"GET": OWN, "POST": OWN},
    "account/passkeys/<int:pk>/remove": {"GET": OWN, "POST": OWN},
}
MAY = {
    OPEN: set(CALLERS),
    READ: {"read", "write", "ops", "viewer", "operator"},
    WRITE: {"write", "operator"},
    OPS: {"ops", "operator"},
    SIGNED: set(),
    PRIVACY: set(),
    LOOK: {"viewer", "operator"},
    ACT: {"operator"},
    OWN: {"viewer", "operator"},
}
MAIL = "20260615T120000.000000Z-1"
"""The name of a stored mail."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
OTHERS = [method for method in METHODS if method not in ("GET", "POST")]
MIGHTIEST = ("anonymous", "ops", "operator")
"""Nobody, and those of whom each kind of caller may all that the others of its kind may: enough for odd methods."""
AT_PAGES = ("anonymous", "ops", "viewer", "operator")
"""Who is at a page: it knows no token, so the mightiest stands for all of them."""
BROKEN = set(range(500, 600)) - {503}

# Below admin/: of which models the roles see lists and records. Of all others nobody sees anything but a superuser.
SEEN = {
    "reminders": {
        "reminder",
        "circuitbreaker",
        "audit",
        "process",
        "scanrun",
        "pause",
        "subscription",
        "reminderrule",
        "messagetemplate",
    },
    "assignments": {"assignment", "assignee", "act", "team", "calendarsource", "erasure"},
    "django_celery_beat": {"periodictask", "intervalschedule"},
}
PAGES = {"": LOOK, "<path:object_id>/change/": LOOK, "<path:object_id>/history/": LOOK}
ACTS = {"operate/<slug:action>/", "rescan/", "begin/", "end/"}
REMOVED = {"reminderrule", "calendarsource", "team"}
MADE = {*REMOVED, "assignment", "assignee"}
"""Models of which operators make records in the admin, and those of which they remove some."""
SITE = {
    "": LOOK,
    "login/": OPEN,
    "logout/": LOOK,
    "password_change/": LOOK,
    "password_change/done/": LOOK,
    "autocomplete/": LOOK,
    "jsi18n/": LOOK,
    "r/<path:content_type_id>/<path:object_id>/": LOOK,
    "(?P<url>.*)$": LOOK,
}


def addresses(patterns=None, prefix="") -> Iterator[str]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        else:
            assert isinstance(pattern, URLPattern)
            yield route


def mightiest(need: str) -> str | None:
    return next((caller for caller in MIGHTIEST if caller in MAY[need]), None)


ADMIN = [route for route in addresses() if route.startswith("admin/")]


def needed_below_admin(route: str) -> str | None:
    """What a page of the admin needs; None where neither role may see it."""
    below = route.removeprefix("admin/")
    if below in SITE:
        return SITE[below]
    if below.startswith("^(?P<app_label>"):
        return LOOK
    app, model, page = below.split("/", 2)
    if model not in SEEN.get(app, ()):
        return None
    if (model in MADE and page == "add/") or (model in REMOVED and page == "<path:object_id>/delete/"):
        return ACT
    return ACT if page in ACTS else PAGES.get(page)


def address(route: str) -> str:
    words = {
        "<int:pk>": "1",
        "<int:n>": "1",
        "<str:token>": "made-up",
        "<str:name>": MAIL,
        "<path:reference>": "W-1",
        "<slug:name>": "reset",
        "<slug:provider_id>": "company",
        "<path:rest>": "nothing",
        "<slug:action>": "reset",
        "<path:object_id>": "1",
        "<path:content_type_id>": "1",
        "<id>": "1",
        "(?P<url>.*)$": "nothing",
    }
    route = re.sub(r"\^\(\?P<app_label>[a-z_|]+\)/\$", "reminders/", route)
    for name, word in words.items():
        route = route.replace(name, word)
    assert not set("<>^$") & set(route), f"{route}: say what stands for its parts"
    return f"/{route}"


@pytest.fixture(autouse=True)
def _one_mail(settings, tmp_path):
    settings.MAIL_SINK_DIR = tmp_path
    (tmp_path / f"{MAIL}.eml").write_bytes(b"Subject: Hello\nContent-Type: text/html\n\n<p>Hello</p>")


@pytest.fixture(scope="module")
def known(django_db_setup, django_db_blocker):
    """By caller: a token for programs, a user for people. Made once; what a test changes of them is taken back."""
    with django_db_blocker.unblock(), transaction.atomic():
        programs = {
            scope: ApiToken.issue(scope, scopes=[scope], days=None)[1] for scope in ("read", "write", "ops")
        }
        ApiToken.objects.update(last_used_at=Now())  # or each call, which is taken back, would store it
        people = {"viewer": staff("viewer", roles.VIEWERS), "operator": staff("operator", roles.OPERATORS)}
        sessions = {name: signed_in(user).cookies for name, user in people.items()}
        yield programs, people, sessions
        transaction.set_rollback(True)


@pytest.fixture
def call(clock, known, monkeypatch):
    """Calls as one of CALLERS; answers with the response."""
    monkeypatch.setattr(maintenance, "CANARY_TIMEOUT", timedelta(seconds=0.2))  # There is no worker here.
    programs, people, sessions = known
    clients: dict[str, Client] = {}

    def made(caller: str, *, anew: bool) -> Client:
        if caller in people:
            browser = Client(raise_request_exception=False)
            if anew:
                browser.force_login(people[caller])
            else:
                browser.cookies = deepcopy(sessions[caller])
            return browser
        headers = {"Authorization": f"Bearer {programs[caller]}"} if caller in programs else None
        return Client(raise_request_exception=False, headers=headers)

    def ask(caller: str, method: str, url: str):
        ends = url in ("/admin/logout/", "/account/sign-out", "/account/sessions/end")
        if caller not in clients or ends:
            clients[caller] = made(caller, anew=ends)
        return clients[caller].generic(method, url, b"{}", content_type="application/json")

    return ask


def test_no_address_was_forgotten():
    assert sorted(route for route in addresses() if not route.startswith("admin/")) == sorted(NEEDS)


@pytest.mark.parametrize("route", [route for route in NEEDS if route != "api/"])
def test_who_may_do_what(call, route):
    url = address(route)
    needs = NEEDS[route]
    for method, need in {**needs, **({"HEAD": needs["GET"]} if "GET" in needs else {})}.items():
        for caller in CALLERS:
            if method == "HEAD" and not FULL and caller in MAY[need] and caller != mightiest(need):
                continue  # It is the page once more; whoever may not see it is refused by this method too.
            status = call(caller, method, url).status_code
            refused = {401} if caller == "anonymous" else {403}
            if need in (LOOK, ACT, OWN) and caller not in MAY[LOOK]:
                refused = {302}  # to the login
            if need == PRIVACY and route.startswith("ops/"):
                # 404: there is no such person here.
                refused = {403, 404} if caller in MAY[LOOK] else {302}
            if need == SIGNED:
                refused = {403, 404}  # 404: no provider is set up
            if caller in MAY[need]:
                # What follows is about the state or the body, not about who calls.
                assert status not in {401, 403, 405} | BROKEN, (caller, method, url, status)
            else:
                assert status in refused, (caller, method, url, status)


@pytest.mark.parametrize("route", NEEDS)
def test_no_other_method_does_anything(call, route):
    """Whoever calls. /api/ answers for every address that is not there: nobody gets anything."""
    url = address(route) + ("nothing" if route == "api/" else "")
    has = NEEDS[route].keys() | ({"HEAD"} if "GET" in NEEDS[route] else set())
    pages = route.startswith("ops/")
    open_pages = not route.startswith(("ops/", "api/"))
    for method in set(METHODS) - has:
        for caller in MIGHTIEST:
            status = call(caller, method, url).status_code
            if open_pages:
                assert status in {301, 302, 405} or (status == 200 and method != "TRACE"), (
                    caller,
                    method,
                    url,
                )
            elif route == "api/":
                assert status in {404, 405}, (caller, method, url, status)
            elif SIGNED in NEEDS[route].values():
                assert status in {403, 404, 405}, (caller, method, url, status)
            elif pages and caller not in MAY[LOOK]:
                assert status in {302, 405}, (caller, method, url, status)
            else:
                assert status in {401, 403, 405}, (caller, method, url, status)


@pytest.mark.parametrize("route", ADMIN)
def test_who_sees_what_below_admin(call, route):
    """Pages of Django's admin take any method but POST for a GET: what counts is who gets a page, and that nothing breaks.

    Each page is asked by one of the other methods, and the next page by the next; in a full run by all of them.
    """
    url, need = address(route), needed_below_admin(route)
    others = OTHERS if FULL else [OTHERS[ADMIN.index(route) % len(OTHERS)]]
    for method in ("GET", "POST", *others):
        for caller in AT_PAGES if method in ("GET", "POST") else MIGHTIEST:
            answered = call(caller, method, url)
            status = answered.status_code
            assert status not in BROKEN, (caller, method, url, status)
            if need is not None and caller in MAY[need]:
                assert status not in {401}, (caller, method, url, status)
                if method == "GET" and need in (LOOK, ACT):
                    gets_a_page(route, caller, status)
                continue
            assert status in {302, 403, 404, 405}, (caller, method, url, status)
            if status == 302 and not route.endswith("<path:object_id>/"):  # that one asks at the next page
                assert answered["Location"].startswith(("/admin/", "/account/sign-in")), (caller, method, url)
                if caller not in MAY[LOOK]:
                    entrance = ("/admin/login/", "/account/sign-in")
                    assert answered["Location"].startswith(entrance), (caller, method, url)


def gets_a_page(route: str, caller: str, status: int) -> None:
    """The other direction: a role is not refused what it may see."""
    if route in ("admin/logout/", "admin/password_change/"):
        return  # wants a POST; these people have no password to change
    wanted = {200, 302, 404} if "<" in route or "url" in route else {200}
    if route == "admin/autocomplete/":
        wanted = {403}  # it serves forms, and wants to know for which field
    assert status in wanted, (caller, route, status)


def test_a_user_who_is_not_staff_may_nothing(clock):
    client = Client()
    client.force_login(get_user_model().objects.create_user("guest"))
    for route in ("/api/assignments", "/api/admin/reminders/scans/1"):
        assert client.get(route).status_code == 403
    assert client.get("/admin/assignments/assignment/").status_code == 302
