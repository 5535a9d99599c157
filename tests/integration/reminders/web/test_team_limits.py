"""Operators and tokens that are limited to a team find nothing of any other, at no address of the web process.

The addresses come from the URL resolver: a new one fails `test_every_address_is_classified` until it says here what it
does for a limited caller, and is then called like all others.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from html import escape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import DjangoDbBlocker

from accounts import limits, roles, tokens
from accounts.models import ApiToken
from assignments import acts, contact_points, people, services, teams
from assignments.history import Actor
from assignments.import_models import ImportMapping, TableUpload
from assignments.imports import mappings
from assignments.models import Act, Answer, Assignee, Assignment, Status, Team
from assignments.services import NewAssignment, UnknownAssignment
from assignments.team_scope import TeamScope
from reminders.conf import ReminderConfig
from reminders.insight import statistics
from reminders.insight.starting_soon import SOON
from reminders.models import (
    Audit,
    Kind,
    MessageTemplate,
    Reminder,
    ReminderRule,
    ScanRun,
    Subscription,
    TemplateVersion,
)
from reminders.operations import message_templates, table_uploads
from reminders.operations.act_actions import ACT_ACTIONS
from reminders.operations.point_actions import POINT_ACTIONS
from reminders.web.api.assignments import AssignmentEndpoint
from reminders.web.api.endpoint import Endpoint
from reminders.web.filters import SHOW
from reminders.web.ops.actions import OFFERED
from reminders.web.team_limits import TeamAccess, limit_of
from tests import acting
from tests.conftest import DatabaseClock
from tests.depth import FULL
from tests.factories import NOON
from tests.logins import staff

# Coverage is asked of the other tests: tracing takes half as long again.
pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]

SECRET = "Zanzibar"
"""Stands in every text of the other team: no answer to a limited caller may hold it."""

NARROWED, REFUSED, PUBLIC = "narrowed", "refused", "public"

# What each address does for a caller who is limited to teams.
ADDRESSES = {
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "api/metrics": PUBLIC,
    "api/inbound/email": PUBLIC,
    "api/schema": PUBLIC,
    "api/docs": PUBLIC,
    "api/": PUBLIC,
    "": PUBLIC,
    "a/<str:token>": PUBLIC,
    "api/inbound/sms": PUBLIC,
    "api/inbound/sms-status": PUBLIC,
    "u/<str:token>": PUBLIC,
    "v/<str:token>": PUBLIC,
    "c/<str:token>.ics": PUBLIC,
    "ops/<path:rest>": PUBLIC,
    "account/": PUBLIC,
    "account/sign-in": PUBLIC,
    "account/sign-in/passkey": PUBLIC,
    "account/sign-in/second-step": PUBLIC,
    "account/sign-in/cancelled": PUBLIC,
    "account/sign-in/<slug:provider_id>": PUBLIC,
    "account/sign-in/<slug:provider_id>/return": PUBLIC,
    "account/sign-out": PUBLIC,
    "account/sessions/end": PUBLIC,
    "account/password": PUBLIC,
    "account/confirm": PUBLIC,
    "account/confirm/code": PUBLIC,
    "account/confirm/passkey": PUBLIC,
    "account/app/add": PUBLIC,
    "account/app/remove": PUBLIC,
    "account/recovery-codes": PUBLIC,
    "account/recovery-codes/new": PUBLIC,
    "account/passkeys": PUBLIC,
    "account/passkeys/add": PUBLIC,
    "account/passkeys/<int:pk>": PUBLIC,
    "account/passkeys/<int:pk>/remove": PUBLIC,
    "api/assignments": NARROWED,
    "api/assignments/<int:pk>": NARROWED,
    "api/assignments/import": NARROWED,
    "api/assignments/export": NARROWED,
    "api/assignments/by-reference/<path:reference>": NARROWED,
    "api/assignments/<int:pk>/confirm": NARROWED,
    "api/assignments/<int:pk>/decline": NARROWED,
    "api/assignments/<int:pk>/on-my-way": NARROWED,
    "api/assignments/<int:pk>/late": NARROWED,
    "api/assignments/<int:pk>/start": NARROWED,
    "api/assignments/<int:pk>/complete": NARROWED,
    "api/assignments/<int:pk>/remind": NARROWED,
    "api/assignments/<int:pk>/cancel": NARROWED,
    "api/assignments/<int:pk>/reschedule": NARROWED,
    "api/assignments/<int:pk>/reminders": NARROWED,
    "api/assignments/<int:pk>/explain": NARROWED,
    "api/admin/reminders/export": NARROWED,
    "api/admin/reminders/reset": NARROWED,
    "api/admin/reminders/summary": NARROWED,
    "api/teams": NARROWED,
    "api/teams/<int:pk>": NARROWED,
    "api/people": NARROWED,
    "api/people/<int:pk>": NARROWED,
    "api/people/<int:pk>/calendar-link": NARROWED,
    "api/people/<int:pk>/erase": NARROWED,
    "api/people/<int:pk>/export": NARROWED,
    "api/teams/<int:pk>/calendar-link": NARROWED,
    "api/people/<int:pk>/contact-points": NARROWED,
    "api/people/<int:pk>/contact-points/<int:n>": NARROWED,
    "api/people/<int:pk>/contact-points/<int:n>/verify": NARROWED,
    "api/rules": NARROWED,
    "api/rules/<int:pk>": NARROWED,
    "api/rules/preview": NARROWED,
    "api/import-mappings": NARROWED,
    "api/import-mappings/guess": NARROWED,
    "api/import-mappings/<int:pk>": NARROWED,
    "api/message-templates": NARROWED,
    "api/message-templates/starter": NARROWED,
    "api/message-templates/preview": NARROWED,
    "api/message-templates/<int:pk>": NARROWED,
    "api/message-templates/<int:pk>/versions": NARROWED,
    "api/message-templates/<int:pk>/restore": NARROWED,
    "api/message-templates/<int:pk>/deactivate": NARROWED,
    "api/board": NARROWED,
    "api/forecast": NARROWED,
    "api/webhooks": NARROWED,
    "api/webhooks/<int:pk>": NARROWED,
    "api/webhooks/<int:pk>/rotate": NARROWED,
    "api/webhooks/<int:pk>/test": NARROWED,
    "api/calendar-sources": REFUSED,
    "api/calendar-sources/<int:pk>": REFUSED,
    "api/calendar-sources/<int:pk>/poll": REFUSED,
    "api/calendar-sources/<int:pk>/accept": REFUSED,
    "api/admin/reminders/rescan": REFUSED,
    "api/admin/reminders/scans/<int:pk>": REFUSED,
    "api/admin/reminders/pause": REFUSED,
    "api/admin/reminders/resume": REFUSED,
    "ops/": NARROWED,
    "ops/live": NARROWED,
    "ops/board": NARROWED,
    "ops/board/live": NARROWED,
    "ops/forecast": NARROWED,
    "ops/find": NARROWED,
    "ops/people/suggest": NARROWED,
    "ops/day": NARROWED,
    "ops/assignments": NARROWED,
    "ops/assignments/new": NARROWED,
    "ops/assignments/<int:pk>": NARROWED,
    "ops/people": NARROWED,
    "ops/people/<int:pk>": NARROWED,
    "ops/people/<int:pk>/merge": NARROWED,
    "ops/people/<int:pk>/erase": NARROWED,
    "ops/people/<int:pk>/export": NARROWED,
    "ops/people/<int:pk>/calendar": NARROWED,
    "ops/teams/<int:pk>/calendar": NARROWED,
    "ops/people/<int:pk>/<slug:name>": NARROWED,
    "ops/reminders": NARROWED,
    "ops/simulator": NARROWED,
    "ops/import": NARROWED,
    "ops/import/<int:pk>": NARROWED,
    "ops/import/<int:pk>/errors.csv": NARROWED,
    "ops/import/mapping/<int:pk>/remove": NARROWED,
    "ops/act/<slug:name>": NARROWED,
    "ops/settings": NARROWED,
    "ops/views": NARROWED,
    "ops/views/<int:pk>/remove": NARROWED,
    "ops/switch": REFUSED,
    "ops/queue": REFUSED,
    "ops/queue/live": REFUSED,
    "ops/doctor": REFUSED,
    "ops/doctor/checks": REFUSED,
    "ops/calendars": REFUSED,
    "ops/templates": NARROWED,
    "ops/templates/new": NARROWED,
    "ops/templates/preview": NARROWED,
    "ops/templates/html": NARROWED,
    "ops/templates/<int:pk>": NARROWED,
    "ops/templates/<int:pk>/versions/<int:n>": NARROWED,
    "ops/audit": NARROWED,
    "ops/mailbox": REFUSED,
    "ops/mailbox/<str:name>": REFUSED,
    "ops/mailbox/<str:name>/html": REFUSED,
}
# Below admin/: the models whose pages are narrowed, and the site's own pages. All others are refused.
ADMIN_MODELS = {
    "assignments/act/",
    "assignments/assignment/",
    "assignments/assignee/",
    "assignments/team/",
    "reminders/reminder/",
    "reminders/subscription/",
}
ADMIN_PAGES = {
    "": NARROWED,
    "autocomplete/": NARROWED,
    "^(?P<app_label>": NARROWED,
    "login/": PUBLIC,
    "logout/": PUBLIC,
    "password_change/": PUBLIC,
    "password_change/done/": PUBLIC,
    "jsi18n/": PUBLIC,
    "(?P<url>.*)$": PUBLIC,
    "r/<path:content_type_id>/<path:object_id>/": REFUSED,
}
LIMITS = {NARROWED: TeamAccess.NARROWS, REFUSED: TeamAccess.REFUSES, PUBLIC: TeamAccess.PUBLIC}
MAIL = "20260615T120000.000000Z-1"
"""The name of a stored mail, to somebody of the other team."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


OTHERS = [method for method in METHODS if method not in ("GET", "POST")]


def tried(route: str) -> Sequence[str]:
    """All methods. A page of the admin takes whatever is not a POST for a GET: there each page is asked by one of the
    others, and the next page by the next.
    """
    if FULL or not route.startswith("admin/"):
        return METHODS
    return ("GET", "POST", OTHERS[list(ROUTES).index(route) % len(OTHERS)])


def views(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns, route)
        else:
            assert isinstance(pattern, URLPattern)
            yield route, pattern.callback


def expected(route: str) -> str:
    """What the address is to do for a limited caller. Raises KeyError for one that nobody has classified."""
    if not route.startswith("admin/"):
        return ADDRESSES[route]
    below = route.removeprefix("admin/")
    if below.startswith("^(?P<app_label>"):
        return ADMIN_PAGES["^(?P<app_label>"]
    if below in ADMIN_PAGES:
        return ADMIN_PAGES[below]
    return NARROWED if below.startswith(tuple(ADMIN_MODELS)) else REFUSED


@dataclass(frozen=True)
class World:
    """Two teams with the same things each: one that the callers are limited to, and the other."""

    mine: Team
    other: Team
    my_work: Assignment
    others_work: Assignment
    others: tuple[Assignment, ...]
    others_person: Assignee
    others_subscription: Subscription
    others_rule: ReminderRule
    others_mapping: ImportMapping
    others_template: MessageTemplate
    others_upload: TableUpload
    scan: ScanRun


def _team(name: str, suffix: str) -> tuple[Team, Assignee, list[Assignment]]:
    """A team with a supervisor, work by its assignee, work of its own, and overdue work."""
    chief = people.add_assignee(name=f"Chief {suffix}", email=f"chief-{suffix}@example.test".lower())
    team = teams.add_team(name=name, supervisors=[chief.pk])
    person = people.add_assignee(
        name=f"Person {suffix}",
        reference=f"P-{suffix}",
        email=f"{suffix}@example.test".lower(),
        team_id=team.pk,
    )
    common = {"location": f"Place {suffix}", "notes": f"Note {suffix}"}
    work = [
        services.create(
            NewAssignment(
                title=f"By assignee {suffix}",
                reference=f"W-{suffix}",
                assignee_id=person.pk,
                scheduled_start=NOON + timedelta(minutes=20),
                **common,
            )
        ),
        services.create(
            NewAssignment(
                title=f"Its own {suffix}",
                reference=f"V-{suffix}",
                team_id=team.pk,
                scheduled_start=NOON + timedelta(hours=5),
                **common,
            )
        ),
    ]
    return team, person, work


@dataclass(frozen=True)
class Planted:
    """What is made once for all tests of this file; what a test changes of it is taken back."""

    world: World
    user: User
    session: SimpleCookie
    """With which the user's browser is signed in."""
    secret: str
    before: dict[str, list[str]]
    """What `state` says while nothing has changed."""


@pytest.fixture(scope="module")
def planted(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Planted]:
    clock = DatabaseClock()
    with django_db_blocker.unblock(), transaction.atomic():
        with override_settings(REMINDERS=ReminderConfig(channel="memory")):
            world = _world(clock)
        clock.stop()
        user = staff("olga", roles.OPERATORS)
        user.user_permissions.set(Permission.objects.all())
        limits.limit_user(user, [world.mine.pk], by="root")
        _, secret = tokens.issue(
            "limited", scopes=["read", "write", "ops", "privacy"], days=None, by="root", teams=[world.mine.pk]
        )
        ApiToken.objects.update(last_used_at=Now())  # or each call, which is taken back, would store it
        browser = Client()
        browser.force_login(user)
        yield Planted(world, user, browser.cookies, secret, state())
        transaction.set_rollback(True)


def _world(clock: DatabaseClock) -> World:
    clock.set(NOON)
    mine, _, my_work = _team("North", "North")
    other, person, others = _team(SECRET, SECRET)
    late = NewAssignment(
        title=f"Late {SECRET}",
        reference=f"L-{SECRET}",
        assignee_id=person.pk,
        scheduled_start=NOON - timedelta(minutes=5),
    )
    clock.set(NOON - timedelta(hours=1))
    others.append(services.create(late))
    acting.decline(others[0], note=f"Ill {SECRET}")
    acts.start(others[1].pk, actor=Actor.api(SECRET))
    clock.set(NOON)
    hearing = Subscription.objects.create(
        name=f"Hook {SECRET}",
        url=f"https://{SECRET}.example.test/".lower(),
        events=["assignment.confirmed"],
        secret="whsec_AAAA",
        created_by="root",
        teams=[other.pk],
    )
    rule = ReminderRule.objects.create(
        name=f"Rule {SECRET}",
        audience="assignee",
        trigger="before_start",
        minutes=45,
        scope="team",
        scope_value=str(other.pk),
        quiet_hours="ignore",
    )
    mapping, _ = mappings.save_mapping(
        f"Mapping {SECRET}",
        {"columns": {"title": SECRET, "scheduled_start": "Start"}, "key": ["Start"]},
        team_id=other.pk,
    )
    text, _ = message_templates.save_template(
        kind="reminder",
        channel="email",
        language="en",
        team_id=other.pk,
        subject=SECRET,
        body=f"{SECRET} {{{{ time_line }}}}",
        by="root",
    )
    upload = table_uploads.start_upload(
        get_user_model().objects.create_user("oscar").pk,
        name=f"{SECRET}.csv",
        content=f"Subject,Start\n{SECRET},2026-11-23 09:00\n".encode(),
        charset="utf-8",
        zone="UTC",
        kept_for=timedelta(days=1),
    )
    run = ScanRun.objects.create(
        trigger="api", by=SECRET, alive_until=NOON, finished_at=NOON, counts={"planned": 4711}
    )
    Audit.objects.create(actor="root", action="reset", reason=SECRET)
    return World(
        mine,
        other,
        my_work[0],
        others[0],
        tuple(others),
        person,
        hearing,
        rule,
        mapping,
        text.template,
        upload,
        run,
    )


@pytest.fixture
def world(planted: Planted, clock, settings, tmp_path) -> World:
    settings.MAIL_SINK_DIR = tmp_path
    (tmp_path / f"{MAIL}.eml").write_bytes(f"Subject: {SECRET}\nContent-Type: text/html\n\n{SECRET}".encode())
    statistics._of_teams.clear()
    return deepcopy(
        planted.world
    )  # What a test changes of the rows is taken back, and what it changes of these is not.


Caller = tuple[str, Callable[..., Any]]


@pytest.fixture
def callers(planted: Planted, world: World) -> list[Caller]:
    """An operator who is limited to one team, with every permission that a person may have, and a token likewise."""
    user, secret = planted.user, planted.secret
    browser, program = (Client(raise_request_exception=False) for _ in range(2))
    browser.cookies = deepcopy(planted.session)

    def as_user(method: str, url: str, body: bytes = b"{}", **headers: str) -> Any:
        session = browser.cookies.get("sessionid")
        if session is None or not session.value:  # One of the calls is the logout.
            browser.force_login(user)
        return browser.generic(method, url, body, content_type="application/json", headers=headers)

    def as_token(method: str, url: str, body: bytes = b"{}", **headers: str) -> Any:
        with_token = {"Authorization": f"Bearer {secret}", **headers}
        return program.generic(method, url, body, content_type="application/json", headers=with_token)

    return [("user", as_user), ("token", as_token)]


def text_of(response: Any) -> str:
    """The whole answer: its headers too, for a redirect names an address."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return f"{dict(response.items())} {body.decode()}"


def urls(route: str, world: World) -> list[str]:
    """The addresses of the route that would show or change what belongs to the other team."""
    ids = [work.pk for work in world.others]
    if route.startswith("admin/"):
        return [f"/{one}" for one in _below_admin(route, world)]
    match route:
        case "api/teams/<int:pk>":
            return [f"/api/teams/{world.other.pk}"]
        case "api/teams/<int:pk>/calendar-link":
            return [f"/api/teams/{world.other.pk}/calendar-link"]
        case "api/people/<int:pk>/calendar-link":
            return [f"/api/people/{world.others_person.pk}/calendar-link"]
        case (
            "api/people/<int:pk>"
            | "api/people/<int:pk>/erase"
            | "api/people/<int:pk>/export"
            | "api/people/<int:pk>/contact-points"
            | "api/people/<int:pk>/contact-points/<int:n>"
            | "api/people/<int:pk>/contact-points/<int:n>/verify"
        ):
            point = contact_points.points_of(world.others_person.pk)[0]
            named = route.replace("<int:pk>", str(world.others_person.pk))
            return ["/" + named.replace("<int:n>", str(point.pk))]
        case "api/admin/reminders/scans/<int:pk>":
            return [f"/api/admin/reminders/scans/{world.scan.pk}"]
        case "api/rules/<int:pk>":
            return [f"/api/rules/{world.others_rule.pk}"]
        case "api/import-mappings/<int:pk>" | "ops/import/mapping/<int:pk>/remove":
            return ["/" + route.replace("<int:pk>", str(world.others_mapping.pk))]
        case route if "templates/<int:pk>" in route:
            named = route.replace("<int:pk>", str(world.others_template.pk))
            return ["/" + named.replace("<int:n>", "1")]
        case "ops/templates" | "ops/templates/new":
            place = "kind=reminder&channel=email&language=en"
            return [f"/{route}", f"/{route}?{place}&team={world.other.pk}"]
        case "api/message-templates":
            return ["/api/message-templates", f"/api/message-templates?team={world.other.pk}"]
        case "ops/import/<int:pk>" | "ops/import/<int:pk>/errors.csv":
            return ["/" + route.replace("<int:pk>", str(world.others_upload.pk))]
        case "ops/people":
            return ["/ops/people", f"/ops/people?q={SECRET}", "/ops/people?reach=unreachable"]
        case "ops/people/<int:pk>":
            return [f"/ops/people/{world.others_person.pk}"]
        case "ops/people/<int:pk>/merge":
            mine = Assignee.objects.get(team=world.mine)
            others = f"#{world.others_person.pk}".replace("#", "%23")
            return [
                f"/ops/people/{world.others_person.pk}/merge",
                f"/ops/people/{mine.pk}/merge?other={others}",
            ]
        case "ops/people/<int:pk>/erase" | "ops/people/<int:pk>/export":
            return ["/" + route.replace("<int:pk>", str(world.others_person.pk))]
        case "ops/people/<int:pk>/calendar":
            return [f"/ops/people/{world.others_person.pk}/calendar"]
        case "ops/teams/<int:pk>/calendar":
            return [f"/ops/teams/{world.other.pk}/calendar"]
        case "ops/people/<int:pk>/<slug:name>":
            point = contact_points.points_of(world.others_person.pk)[0]
            acts = (f"{name}?point={point.pk}" for name in POINT_ACTIONS)
            return [f"/ops/people/{world.others_person.pk}/{act}" for act in acts]
        case "ops/people/suggest":
            return [
                f"/ops/people/suggest?to={SECRET}",
                f"/ops/people/suggest?work={ids[0]}",
                "/ops/people/suggest",
            ]
        case "ops/find":
            return [f"/ops/find?q={SECRET}", f"/ops/find?q=W-{SECRET}", f"/ops/find?q={ids[0]}"]
        case "ops/act/<slug:name>":
            scoped = [f"/ops/act/{name}?ids={pk}" for name in OFFERED for pk in ids]
            given = [f"/ops/act/reassign?ids={ids[0]}&to={to}" for to in ("nobody", f"P-{SECRET}")]
            moved = [
                f"/ops/act/move?ids={ids[0]}&start=2026-06-15T18:00&to={to}" for to in ("", f"P-{SECRET}")
            ]
            return [*scoped, *given, *moved, "/ops/act/reset?scope=out_of_sync"]
        case "ops/day":
            days = [f"/ops/day?date=2026-06-15&days={number}" for number in (1, 3, 7)]
            return [*days, f"{days[0]}&team={world.other.pk}"]
        case "ops/simulator":
            return ["/ops/simulator", "/ops/simulator?until=2026-06-16T12:00"]
        case "ops/board" | "ops/board/live" | "api/board":
            return [f"/{route}?show=everybody&hours={hours}" for hours in (2, 168)]
        case "ops/forecast":
            return [f"/ops/forecast?days={days}" for days in (0, 1)]
        case "api/forecast":
            return ["/api/forecast?days_ahead=1", f"/api/forecast?team={world.other.pk}"]
        case "ops/assignments":
            shows = (
                "",
                "?when=any",
                f"?q={SECRET}",
                *(f"?show={name}" for name in SHOW),
            )
            return [f"/ops/assignments{query}" for query in shows]
        case "ops/reminders":
            kinds = (
                "open",
                "due",
                "sent",
                "failed",
                "skipped",
                "marked",
                "duplicates",
                "bounced",
                "unknown",
                "webhooks",
                "all",
            )
            return [f"/ops/reminders?show={name}" for name in kinds]
        case "api/assignments" | "api/assignments/export":
            queries = (
                "",
                f"?search={SECRET}",
                f"?team={world.other.pk}",
                f"?assignee={world.others_person.pk}",
                f"?reference=W-{SECRET}",
                *(f"?starting_soon={name}" for name in SOON),
            )
            return [f"/{route}{query}" for query in queries]
        case "api/people":
            return ["/api/people", f"/api/people?team={world.other.pk}", f"/api/people?reference=P-{SECRET}"]
        case "ops/<path:rest>":
            return ["/ops/nothing"]
        case "api/":
            return ["/api/nothing"]
    if "webhooks/<int:pk>" in route:
        return ["/" + route.replace("<int:pk>", str(world.others_subscription.pk))]
    if "<int:pk>" in route:
        return ["/" + route.replace("<int:pk>", str(pk)) for pk in ids]
    if "<path:reference>" in route:
        return ["/" + route.replace("<path:reference>", str(work.reference)) for work in world.others]
    return ["/" + route.replace("<str:token>", "made-up").replace("<str:name>", MAIL)]


def _below_admin(route: str, world: World) -> list[str]:
    if route.startswith("admin/^(?P<app_label>"):
        return [f"admin/{app}/" for app in ("assignments", "reminders", "access", "auth")]
    keys: dict[str, list[int]] = {
        "assignments/assignment/": [work.pk for work in world.others],
        "assignments/assignee/": [world.others_person.pk],
        "assignments/team/": [world.other.pk],
        "assignments/act/": list(
            Act.objects.filter(assignment__in=world.others).values_list("pk", flat=True)
        ),
        "reminders/reminder/": list(
            Reminder.objects.filter(assignment__in=world.others).values_list("pk", flat=True)
        ),
        "reminders/subscription/": [world.others_subscription.pk],
        "reminders/reminderrule/": [world.others_rule.pk],
        "reminders/scanrun/": [world.scan.pk],
        "reminders/audit/": list(Audit.objects.values_list("pk", flat=True)),
    }
    below = route.removeprefix("admin/")
    found = next((pks for start, pks in keys.items() if below.startswith(start)), [1])
    for name in ("<path:object_id>", "<id>"):
        if name in route:
            return [route.replace(name, str(pk)) for pk in found]
    if "autocomplete" in route:
        query = f"term=&app_label=assignments&model_name=assignment&field_name=assignee&q={SECRET}"
        return [f"{route}?{query}", f"{route}?{query.replace(SECRET, '')}"]
    if "<path:content_type_id>" in route:
        return ["admin/r/1/1/"]
    return [
        route.replace("(?P<url>.*)$", "nothing"),
        *([f"{route}?q={SECRET}"] if route.count("/") == 3 else []),
    ]


ROUTES = dict(views())


def test_every_address_is_classified():
    """An address that is not in the tables above fails here: say what it does for callers who are limited to teams."""
    known = {route for route in ROUTES if not route.startswith("admin/")}
    assert known == set(ADDRESSES)
    wrong = {
        route: limit_of(view)
        for route, view in ROUTES.items()
        if limit_of(view) is not LIMITS[expected(route)]
    }
    assert wrong == {}


def test_a_view_that_says_nothing_refuses():
    assert limit_of(lambda request: None) is TeamAccess.REFUSES


@cache
def _state() -> tuple[str, list[Any]]:
    belongs = {"title__contains": SECRET}
    of_work = {"assignment__title__contains": SECRET}
    asked: dict[str, QuerySet[Any, Any]] = {
        "work": Assignment.objects.filter(**belongs).values(),
        "acts": Act.objects.filter(**of_work).values(),
        "people": Assignee.objects.filter(name__contains=SECRET).values(),
        "teams": Team.objects.filter(name=SECRET).values(),
        "supervisors": Team.supervisors.through.objects.filter(team__name=SECRET).values(),
        "rows": Reminder.objects.filter(**of_work).values(),
        "hooks": Subscription.objects.filter(name__contains=SECRET).values(),
        "rules": ReminderRule.objects.filter(name__contains=SECRET).values(),
        "mappings": ImportMapping.objects.filter(name__contains=SECRET).values(),
        "templates": MessageTemplate.objects.filter(team__name__contains=SECRET).values(),
        "versions": TemplateVersion.objects.filter(body__contains=SECRET).values(),
        "uploads": TableUpload.objects.filter(name__contains=SECRET).values(),
    }
    statements, params = [], []
    for name, rows in asked.items():
        statement, given = rows.order_by().query.sql_with_params()
        statements.append(
            f"SELECT '{name}', coalesce(array_agg(t::text ORDER BY t::text), '{{}}') FROM ({statement}) AS t"
        )
        params += given
    return " UNION ALL ".join(statements), params


def state() -> dict[str, list[str]]:
    """Everything of the other team that a call could change. It is asked in each test: by one statement."""
    with connection.cursor() as cursor:
        cursor.execute(*_state())
        return dict(cursor.fetchall())


@pytest.mark.parametrize("route", [route for route in ROUTES if expected(route) != PUBLIC])
def test_nothing_of_another_team_is_found_or_changed(planted, world, callers, route):
    before = planted.before
    assert {name: len(rows) for name, rows in before.items()} == {
        "work": 3, "acts": 2, "people": 2, "teams": 1, "supervisors": 1, "rows": 3, "hooks": 1, "rules": 1,
        "mappings": 1, "uploads": 1, "templates": 1, "versions": 1,
    }  # fmt: skip
    # Ids are of one kind: a person of the own team may have the number of somebody else's work.
    named = [world.others_person] if "people/<int:pk>" in route else world.others
    ids = {str(one.pk) for one in named}
    for who, call in callers:
        if who == "token" and route.startswith(("ops/", "admin/")):
            continue  # Pages are for people.
        methods = list(tried(route))
        for url in urls(route, world):
            names_other = bool(ids & set(url.split("?")[0].split("/")))
            for method in tuple(methods):
                response = call(method, url)
                status = response.status_code
                if not FULL and (method == "HEAD" or status == 405):
                    methods.remove(
                        method
                    )  # The next url has the same view: GET without a body, or no such method.
                assert status < 500, (who, method, url)
                assert SECRET.lower() not in without_the_question(text_of(response), url), (who, method, url)
                if expected(route) == REFUSED and method == "GET":
                    assert status == 404, (who, url)
                if expected(route) == REFUSED or (names_other and not url.startswith("/admin/")):
                    assert status in (404, 405), (who, method, url)
                if names_other and url.startswith("/admin/"):
                    # Django leads from what is not there back to its first page.
                    assert status in (302, 403, 404, 405), (who, method, url)
    assert state() == before


def without_the_question(text: str, url: str) -> str:
    """An answer without what the caller has said itself: the address, and the text that it searches for."""
    asked = [word for words in parse_qs(urlsplit(url).query).values() for word in words]
    said = [url, *(f"{before}{word}" for word in asked for before in ('value="', "q=", "q%3D", "search="))]
    for words in (*said, *map(escape, said), *map(quote, said)):
        text = text.replace(words, "")
    return text.lower()


def test_their_own_is_there(world, callers):
    """The other direction: a limited caller is not refused what belongs to its team."""
    pk = world.my_work.pk
    for who, call in callers:
        for url in (
            f"/api/assignments/{pk}",
            f"/api/assignments/{pk}/explain",
            f"/api/teams/{world.mine.pk}",
        ):
            assert call("GET", url).status_code == 200, (who, url)
        listed = call("GET", "/api/assignments").json()["results"]
        assert [one["title"] for one in listed] == ["By assignee North", "Its own North"]
        assert [one["name"] for one in call("GET", "/api/people").json()["results"]] == ["Person North"]
        assert [one["name"] for one in call("GET", "/api/teams").json()["results"]] == ["North"]
        assert "By assignee North" in text_of(call("GET", "/api/assignments/export"))
    _, as_user = callers[0]
    for url in (f"/ops/assignments/{pk}", f"/admin/assignments/assignment/{pk}/change/", "/ops/assignments"):
        assert "By assignee North" in text_of(as_user("GET", url)), url


def test_the_figures_are_those_of_the_team(world, callers, config):
    for _, call in callers:
        shown = call("GET", "/api/admin/reminders/summary").json()
        assert shown["assignments"] == [{"status": "SCHEDULED", "reminder_status": "NONE", "count": 2}]
        assert (shown["declined"], shown["overdue"], shown["unaccounted"]) == (0, 0, 0)
        assert shown["ledger"] == {"PLANNED": 1}
        assert (shown["queue_depth"], shown["scan_queue_depth"]) == (None, None)
    everything = statistics.count(config)
    assert everything.declined == 1
    assert sum(everything.assignments.values()) == 5


def test_an_upsert_neither_touches_nor_renames_people_of_others(world, callers):
    before = state()
    person = {"reference": world.others_person.reference, "name": "Renamed"}
    by_id = {"id": world.others_person.pk, "name": "Renamed"}
    for _, call in callers:
        for given in (person, by_id):
            row = {"title": "New", "scheduled_start": "2026-06-15T20:00:00Z", "assignee": given}
            assert call("POST", "/api/assignments", json.dumps(row).encode()).status_code == 400
            assert (
                call("PUT", "/api/assignments/by-reference/NEW", json.dumps(row).encode()).status_code == 400
            )
            assert (
                call("POST", "/api/assignments/import?match_ids=1", json.dumps([row]).encode()).status_code
                == 400
            )
        taken = {
            "title": "Mine",
            "reference": world.others_work.reference,
            "scheduled_start": "2026-06-15T20:00:00Z",
        }
        refused = call("POST", "/api/assignments/import", json.dumps([taken]).encode())
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "duplicate")
        url = f"/api/assignments/by-reference/{world.others_work.reference}"
        body = {"title": "Mine", "scheduled_start": "2026-06-15T20:00:00Z"}
        assert call("PUT", url, json.dumps(body).encode()).status_code == 404
    assert state() == before


def test_people_of_the_same_name_and_address_are_made_anew_in_the_own_team(world, callers):
    _, call = callers[1]
    person = {"email": world.others_person.email, "name": world.others_person.name}
    row = {"title": "New", "scheduled_start": "2026-06-15T20:00:00Z", "assignee": person}
    made = call("POST", "/api/assignments", json.dumps(row).encode())
    assert made.status_code == 201
    assert made.json()["assignee"]["id"] != world.others_person.pk
    assert made.json()["assignee"]["team"] == world.mine.pk


def test_new_work_and_new_people_belong_to_the_one_team(world, callers):
    for who, call in callers:
        body = {"title": f"Unassigned {who}", "scheduled_start": "2026-06-15T20:00:00Z"}
        assert call("POST", "/api/assignments", json.dumps(body).encode()).json()["team"] == world.mine.pk
        made = call("POST", "/api/people", json.dumps({"name": f"New {who}"}).encode())
        assert (made.status_code, made.json()["team"]) == (201, world.mine.pk)


def test_nothing_is_moved_out_of_the_own_teams(world, callers):
    person = Assignee.objects.get(name="Person North")
    for _, call in callers:
        for team in (world.other.pk, SECRET, 4711):
            body = json.dumps({"team": team}).encode()
            assert call("PATCH", f"/api/assignments/{world.my_work.pk}", body).status_code == 400
            assert call("PATCH", f"/api/people/{person.pk}", body).status_code == 400
        body = json.dumps({"team": None}).encode()
        assert call("PATCH", f"/api/people/{person.pk}", body).status_code == 400
        foreign = json.dumps({"supervisors": [world.others_person.pk]}).encode()
        assert call("PATCH", f"/api/teams/{world.mine.pk}", foreign).status_code == 400
    person.refresh_from_db()
    assert person.team_id == world.mine.pk


def test_teams_are_made_and_removed_by_callers_who_see_everything(world, callers):
    for _, call in callers:
        assert call("POST", "/api/teams", b'{"name": "New"}').status_code == 403
        assert call("DELETE", f"/api/teams/{world.mine.pk}").status_code == 403
        assert call("DELETE", f"/api/teams/{world.other.pk}").status_code == 404
    assert Team.objects.count() == 2


def test_a_kept_answer_is_authorised_again(world, callers):
    for who, call in callers:
        key = {"Idempotency-Key": f"key-{who}"}
        body = json.dumps({"title": f"Kept {who}", "scheduled_start": "2026-06-15T20:00:00Z"}).encode()
        made = call("POST", "/api/assignments", body, **key)
        assert call("POST", "/api/assignments", body, **key).status_code == 201
        services.change(made.json()["id"], {"team_id": world.other.pk})
        again = call("POST", "/api/assignments", body, **key)
        assert again.status_code == 404
        assert f"Kept {who}" not in text_of(again)


def test_a_subscription_of_a_limited_token_hears_of_its_teams_alone(world, callers):
    _, call = callers[1]
    body = {"name": "Mine", "url": "https://hooks.example.test/", "events": ["assignment.confirmed"]}
    made = call("POST", "/api/webhooks", json.dumps(body).encode())
    assert made.json()["teams"] == [world.mine.pk]
    for everything in (None, [world.other.pk]):
        changed = call(
            "PATCH", f"/api/webhooks/{made.json()['id']}", json.dumps({"teams": everything}).encode()
        )
        assert changed.status_code == 400 or changed.json()["teams"] == [world.mine.pk]
    acting.confirm(world.others_work)
    acting.confirm(world.my_work)
    heard = Reminder.objects.filter(kind=Kind.EVENT, recipient=f"subscription:{made.json()['id']}")
    assert [row.assignment_id for row in heard] == [world.my_work.pk]
    theirs = Reminder.objects.filter(
        kind=Kind.EVENT, recipient=f"subscription:{world.others_subscription.pk}"
    )
    assert [row.assignment_id for row in theirs] == [world.others_work.pk]


def test_a_reset_takes_what_is_of_the_team(world, callers):
    ids = [world.my_work.pk, world.others_work.pk]
    for _, call in callers:
        body = json.dumps({"reason": "test", "ids": ids, "dry_run": True}).encode()
        plan = call("POST", "/api/admin/reminders/reset", body).json()
        assert [target["id"] for target in plan["targets"]] == [world.my_work.pk]
        assert plan["skipped"] == [{"id": world.others_work.pk, "why": "not_found"}]


ACTS: dict[str, Callable[..., Assignment]] = {
    "confirm": acts.confirm,
    "decline": acts.decline,
    "on-my-way": acts.on_my_way,
    "late": lambda pk, **more: acts.run_late(pk, minutes=30, **more),
    "start": acts.start,
    "complete": acts.complete,
}
"""Each act by the last part of its address."""


def test_every_act_is_narrowed():
    assert {name.replace("-", "_") for name in ACTS} == ACT_ACTIONS.keys()
    assert {
        route.rsplit("/", 1)[1] for route in ADDRESSES if route.startswith("api/assignments/<int:pk>/")
    } >= (ACTS.keys())


@pytest.mark.parametrize("name", ACTS)
def test_an_act_finds_no_work_of_another_team(world, name):
    """Below the addresses too: the act itself looks for the work in the caller's scope, under its lock."""
    before, mine = state(), TeamScope(frozenset({world.mine.pk}))
    for work in world.others:
        with pytest.raises(UnknownAssignment):
            ACTS[name](work.pk, actor=Actor.api("limited"), scope=mine)
    assert state() == before
    ACTS[name](world.my_work.pk, actor=Actor.api("limited"), scope=mine)
    assert [(one.act, one.actor) for one in Act.objects.filter(assignment=world.my_work)] == [
        (name.replace("-", "_"), "limited")
    ]


@pytest.mark.parametrize("name", ACTS)
def test_an_act_through_the_api_is_taken_for_the_own_team_alone(world, callers, name):
    before = state()
    body = json.dumps({"minutes": 30} if name == "late" else {}).encode()
    for who, call in callers:
        for work in world.others:
            refused = call("POST", f"/api/assignments/{work.pk}/{name}", body)
            unknown = call("POST", f"/api/assignments/999999/{name}", body)
            assert (refused.status_code, refused.json()) == (404, unknown.json()), who
        assert call("POST", f"/api/assignments/{world.my_work.pk}/{name}", body).status_code == 200, who
    assert state() == before
    assert Act.objects.filter(assignment=world.my_work).count() == 1


@pytest.mark.parametrize("name", [*ACTS, "cancel", "reschedule"])
def test_a_call_is_refused_where_the_work_leaves_the_team_meanwhile(world, callers, monkeypatch, name):
    """The look before the call may be outdated when the service locks the work."""
    monkeypatch.setattr(AssignmentEndpoint, "initial", Endpoint.initial)
    before = state()
    bodies = {"late": {"minutes": 30}, "reschedule": {"scheduled_start": "2026-06-15T20:00:00Z"}}
    body = json.dumps(bodies.get(name, {})).encode()
    for who, call in callers:
        assert call("POST", f"/api/assignments/{world.others_work.pk}/{name}", body).status_code == 404, who
    assert state() == before


@pytest.mark.parametrize("name", ACT_ACTIONS)
def test_an_act_of_an_operator_is_carried_out_on_the_own_team_alone(world, callers, name):
    """Also where a confirmation that is made up names the work of others."""
    before = state()
    client = Client()
    client.force_login(get_user_model().objects.get(username="olga"))
    ids = [world.my_work.pk, *(work.pk for work in world.others)]
    preview = client.get(f"/ops/act/{name}", {"ids": ids})
    assert SECRET not in preview.content.decode()
    filled = {"ids": ids, "reason": "They called", "confirmed": "1", "minutes": "30"}
    done = client.post(f"/ops/act/{name}", {**filled, "plan": preview.context["preview"].plan})
    assert done.status_code == 302
    assert state() == before
    assert [(one.act, one.actor) for one in Act.objects.filter(assignment=world.my_work)] == [(name, "olga")]


def test_work_is_given_within_the_own_team_alone(world, callers):
    """Neither the work nor the people of another team are there, whatever a made-up confirmation names."""
    before = state()
    client = Client()
    client.force_login(get_user_model().objects.get(username="olga"))
    colleague = people.add_assignee(name="Colleague", team_id=world.mine.pk)
    ids = [world.my_work.pk, *(work.pk for work in world.others)]
    asked = client.get("/ops/act/reassign", {"ids": ids})
    assert SECRET not in asked.content.decode()
    assert "Colleague" in str(asked.context["question"].fields["to"].widget.choices)
    filled = {"ids": ids, "reason": "They called", "confirmed": "1", "plan": ""}
    foreign, unknown = f"#{world.others_person.pk}", "#999999"
    errors = [
        client.post("/ops/act/reassign", {**filled, "to": to}).context["question"].errors["to"]
        for to in (foreign, unknown)
    ]
    assert [error.replace(foreign, unknown) for error in errors[0]] == errors[1]
    for to in (f"P-{SECRET}", f"Person {SECRET}"):
        refused = client.post("/ops/act/reassign", {**filled, "to": to})
        assert "There is no person" in str(refused.context["question"].errors["to"])
    preview = client.get("/ops/act/reassign", {"ids": ids, "to": f"#{colleague.pk}"})
    assert SECRET not in preview.content.decode()
    plan = preview.context["preview"].plan
    done = client.post("/ops/act/reassign", {**filled, "to": f"#{colleague.pk}", "plan": plan})
    assert done.status_code == 302
    assert state() == before
    world.my_work.refresh_from_db()
    assert world.my_work.assignee_id == colleague.pk


def test_a_double_booking_with_work_of_another_team_is_not_told_of(world, callers):
    client = Client()
    client.force_login(get_user_model().objects.get(username="olga"))
    colleague = people.add_assignee(name="Colleague", team_id=world.mine.pk)
    for title, team in ((f"Theirs {SECRET}", world.other.pk), ("Ours", world.mine.pk)):
        services.create(
            NewAssignment(
                title=title,
                team_id=team,
                assignee_id=colleague.pk,
                scheduled_start=world.my_work.scheduled_start,
            )
        )
    page = client.get("/ops/act/reassign", {"ids": world.my_work.pk, "to": f"#{colleague.pk}"})
    told = [one for one in page.context["preview"].warnings if "at the same time" in one]
    assert len(told) == 1
    assert "“Ours”" in told[0]
    assert SECRET not in page.content.decode()


def test_acts_in_the_admin_are_those_of_the_own_team(world, callers):
    acting.confirm(world.my_work)
    _, as_user = callers[0]
    listed = text_of(as_user("GET", "/admin/assignments/act/"))
    assert "By assignee North" in listed
    assert "decline" not in listed.split('id="result_list"')[1].split("</table>")[0]
    pk = Act.objects.get(assignment=world.my_work).pk
    assert "By assignee North" in text_of(as_user("GET", f"/admin/assignments/act/{pk}/change/"))


def test_a_limited_caller_starts_work_by_its_status_within_the_teams_alone(world, callers):
    """Writes that are acts too: by PATCH, by PUT of a reference and by an import, as the caller."""
    before = state()
    body = json.dumps({"status": "IN_PROGRESS"}).encode()
    for who, call in callers:
        assert call("PATCH", f"/api/assignments/{world.others_work.pk}", body).status_code == 404, who
        assert call("PATCH", f"/api/assignments/{world.my_work.pk}", body).status_code == 200, who
    world.my_work.refresh_from_db()
    assert (world.my_work.status, world.my_work.answer) == (Status.IN_PROGRESS, Answer.NONE)
    assert [one.act for one in Act.objects.filter(assignment=world.my_work)] == ["start"]
    assert state() == before


def test_whoever_is_limited_to_a_removed_team_sees_nothing(world, callers):
    gone = teams.add_team(name="Gone")
    user = get_user_model().objects.get(username="olga")
    limits.limit_user(user, [gone.pk], by="root")
    teams.remove_team(gone.pk)
    _, call = callers[0]
    assert call("GET", "/api/assignments").json()["results"] == []
    assert call("GET", "/api/teams").json()["results"] == []
