"""Every Ops page and page of an account has no English words in another language, beside what people have written."""

import re
from collections.abc import Iterator
from datetime import time
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth import get_user_model
from django.urls import get_resolver
from django.utils import timezone
from django.utils.functional import Promise

from accounts import preferences
from assignments.contact_point import ContactPoint
from assignments.models import Assignee, CalendarSource
from reminders.ledger import audit
from reminders.models import Attempt, Pause, ReminderRule, ScanRun, Subscription
from reminders.operations.act_actions import ACT_ACTIONS
from reminders.operations.point_actions import POINT_ACTIONS
from reminders.web.ops import maintenance
from reminders.web.ops.actions import OFFERED
from tests.browser import scene

# Coverage is asked of the other tests.
pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]

ENGLISH = re.compile(
    r"\b(the|and|are|were|have|been|with|that|this|from|until|there|nothing|nobody|when|which|your|you|is|not|of|to|by|it|be"
    r"|for|their|they|who|what|than|its|as|at|or|goes|gets|says|reminder|assignments?|overdue|sent|started"
    r"|failed|skipped|planned|queued|marked|rejected|accepted|cancelled|created|updated|unchanged|refused|failing|declined"
    r"|confirmed|moved|enabled|before|after|asks|system|silent|frozen|running|pass|warn|fail|unknowable|assignee|person"
    r"|subscription|none|yes|nothing)\b"
)
"""Words that none of the other languages has."""
BY_AN_ASSIGNEE = "I am ill until Friday."
OF_PEOPLE = re.compile(r"<(bdi|q|code|pre|textarea|script|style|option)\b[^>]*>.*?</\1>|<[^>]*>", re.DOTALL)
SAID_BY_ATTRIBUTES = re.compile(r'\b(?:title|aria-label|placeholder|alt|data-saying)="([^"]*)"')
PAGES = (
    "",
    "live",
    "board",
    "forecast",
    "find?q=W-1001",
    "assignments",
    "assignments?show=overdue",
    "assignments/new",
    "day",
    "people",
    "reminders",
    "switch",
    "queue",
    "doctor?wait=",
    "simulator",
    "calendars",
    "audit",
    "mailbox",
    "import",
    "settings",
    "templates",
    "nowhere",
)
OURS = ("assignments", "reminders", "access")
"""Apps whose tables have forms in our words; those of packages have their own."""
OF_ACCOUNT = ("", "password", "passkeys", "app/add", "recovery-codes", "confirm")


def said(html: str) -> list[str]:
    """The texts of a page, piece by piece, without what people have written."""
    html = re.sub(r"\{[a-z]+\}", "", html)  # what scripts fill in
    attributes = SAID_BY_ATTRIBUTES.findall(re.sub(r"<(bdi|q)\b[^>]*>.*?</\1>", "", html, flags=re.DOTALL))
    return [" ".join(piece.split()) for piece in (*OF_PEOPLE.sub("\n", html).split("\n"), *attributes)]


def _system_rows() -> None:
    """What the system has written about itself, and what operators seldom write."""
    minutes = "Nothing was dispatched for 42 minutes: review the backlog, then resume."
    Pause.objects.create(by="system", reason=minutes)
    audit.record("pause", by="system", reason=minutes)
    audit.record("correct_schedule", by="system", reason="enabled again: no operator had switched it off")
    ScanRun.objects.filter(pk=ScanRun.objects.first().pk).update(
        error="The process ended before the scan did."
    )
    Subscription.objects.create(
        name="ERP",
        url="https://erp.example/",
        events=["overdue"],
        ended_why="its endpoint has answered 410: gone",
    )
    CalendarSource.objects.create(
        name="Kalender",
        url="https://calendars.example/",
        failing_since=timezone.now(),
        code="unreadable",
        detail="this is not a calendar: BEGIN:VCALENDAR is its first line",
        refused=[{"row": 3, "message": "RECURRENCE-ID is needed"}],
        counts={"created": 3, "refused": 1},
    )
    ReminderRule.objects.create(
        name="Regel",
        audience="ops",
        trigger="at_local_time",
        at=time(7),
        days_before=1,
        quiet_hours="respect",
    )
    ContactPoint.objects.update(failing_since=timezone.now(), failing_reason="not one valid e-mail address")
    Attempt.objects.filter(outcome="unknowable").update(detail="the channel did not come back in time")


def _admins() -> Iterator[tuple[str, Any]]:
    assert get_resolver().url_patterns  # loads the admin
    for model, of_model in site._registry.items():
        if model._meta.app_label in OURS:
            yield f"/admin/{model._meta.app_label}/{model._meta.model_name}/", of_model


def _pages_of_admin() -> Iterator[str]:
    """Each table, one form of those that have rows, and one to add another."""
    for table, of_model in _admins():
        yield table
        if (row := of_model.model._default_manager.first()) is not None:
            yield f"{table}{row.pk}/change/"
        yield f"{table}add/"


def test_every_column_of_the_admin_has_a_name_that_is_translated():
    shown = [
        (of_model.model.__name__, name)
        for _, of_model in _admins()
        for name in {*of_model.list_display, *(of_model.fields or ()), *of_model.get_readonly_fields(None)}
        if callable(name)
    ]
    assert len(shown) > 40
    assert [one for one in shown if not isinstance(one[1].short_description, Promise)] == []


@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_no_page_says_english(operator, config, monkeypatch, language):
    monkeypatch.setattr(maintenance, "CANARY_TIMEOUT", None)
    # Checks of settings are Django's, in English, as are the settings that they name.
    monkeypatch.setattr("reminders.insight.doctor.doctor.checks.run_checks", list)
    work = scene.set_up(config)
    _system_rows()
    get_user_model().objects.update(is_superuser=True)
    preferences.set_language(operator.get("/ops/").wsgi_request.user, language)
    person = Assignee.objects.get(pk=work.sent.assignee_id)
    several = f"ids={work.sent.pk}&ids={work.coming.pk}&ids={work.late.pk}"
    addresses = [
        *(f"/ops/{page}" for page in PAGES),
        *(f"/ops/assignments/{one.pk}" for one in vars(work).values()),
        *(f"/ops/act/{name}?{several}" for name in OFFERED),
        *(f"/ops/act/{name}?ids={work.coming.pk}" for name in ACT_ACTIONS),
        f"/ops/act/move?ids={work.coming.pk}&minutes=60",
        f"/ops/act/reassign?ids={work.coming.pk}&to=nobody",
        *(
            f"/ops/people/{person.pk}{page}"
            for page in ("", "/calendar", "/language", "/quiet-hours", "/merge")
        ),
        *(
            f"/ops/people/{person.pk}/{name}?point={person.contact_points.first().pk}"
            for name in POINT_ACTIONS
        ),
        *(f"/account/{page}" for page in OF_ACCOUNT),
        "/admin/",
        *_pages_of_admin(),
    ]
    found: dict[str, list[str]] = {}
    for address in addresses:
        answer = operator.get(address)
        assert answer.status_code in (200, 302, 403, 404), address
        if pieces := [
            piece
            for piece in said(answer.content.decode())
            if ENGLISH.search(piece) and piece != BY_AN_ASSIGNEE
        ]:
            found[address] = pieces
    assert found == {}
