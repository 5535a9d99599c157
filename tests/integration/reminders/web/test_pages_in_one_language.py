"""Every Ops page and page of an account has no English words in another language, beside what people have written."""

import re

import pytest

from accounts import preferences
from assignments.models import Assignee
from reminders.operations.act_actions import ACT_ACTIONS
from reminders.operations.point_actions import POINT_ACTIONS
from reminders.web.ops import maintenance
from reminders.web.ops.actions import OFFERED
from tests.browser import scene

# Coverage is asked of the other tests.
pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]

ENGLISH = re.compile(
    r"\b(the|and|are|were|have|been|with|that|this|from|until|there|nothing|nobody|when|which|your|you|is|not|of|to|by|it|be"
    r"|for|their|they|who|what|than|its|as|at|or|goes|gets|says|reminder|assignments?|overdue|sent|started)\b"
)
"""Words that none of the other languages has."""
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
OF_ACCOUNT = ("", "password", "passkeys", "app/add", "recovery-codes", "confirm")


def said(html: str) -> list[str]:
    """The texts of a page, piece by piece, without what people have written."""
    html = re.sub(r"\{[a-z]+\}", "", html)  # what scripts fill in
    attributes = SAID_BY_ATTRIBUTES.findall(re.sub(r"<(bdi|q)\b[^>]*>.*?</\1>", "", html, flags=re.DOTALL))
    return [" ".join(piece.split()) for piece in (*OF_PEOPLE.sub("\n", html).split("\n"), *attributes)]


@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_no_page_says_english(operator, config, monkeypatch, language):
    monkeypatch.setattr(maintenance, "CANARY_TIMEOUT", None)
    # Checks of settings are Django's, in English, as are the settings that they name.
    monkeypatch.setattr("reminders.insight.doctor.doctor.checks.run_checks", list)
    work = scene.set_up(config)
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
    ]
    found: dict[str, list[str]] = {}
    for address in addresses:
        answer = operator.get(address)
        assert answer.status_code in (200, 302, 404), address
        if pieces := [piece for piece in said(answer.content.decode()) if ENGLISH.search(piece)]:
            found[address] = pieces
    assert found == {}
