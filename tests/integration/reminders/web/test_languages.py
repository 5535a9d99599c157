"""The language in which somebody reads the Ops pages and the admin, and what stays English."""

import re
from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from accounts import preferences
from assignments.models import Assignment
from reminders.web.ops import chart
from tests.conftest import NOON
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db


def language_of(answer) -> str:
    return re.search(r'<html lang="([^"]*)"', answer.content.decode())[1]


def heading(answer) -> str:
    return re.search(r"<h1>(.*?)</h1>", answer.content.decode())[1]


@pytest.mark.parametrize(
    ("asked", "language", "title"),
    [
        ("de", "de", "Einsätze"),
        ("de-AT,en;q=0.5", "de", "Einsätze"),
        ("es-MX", "es", "Trabajos"),
        ("fr-CA;q=0.9,fr;q=0.8", "fr", "Missions"),
        ("it,pt;q=0.9", "en", "Assignments"),
        ("", "en", "Assignments"),
        ("de;q=x", "en", "Assignments"),
    ],
)
def test_pages_are_in_the_language_that_the_browser_asks_for(viewer, clock, asked, language, title):
    answer = viewer.get("/ops/assignments", headers={"Accept-Language": asked})
    assert (language_of(answer), heading(answer)) == (language, title)
    assert answer["Content-Language"] == language
    assert translation.get_language() == "en"


def test_what_somebody_has_chosen_goes_before_what_the_browser_asks_for(viewer, operator, clock):
    answer = viewer.post("/ops/settings", {"language": "fr"}, headers={"Accept-Language": "de"}, follow=True)
    assert (language_of(answer), heading(answer)) == ("fr", "Vos réglages")
    assert "Vos réglages sont enregistrés." in answer.content.decode()
    assert language_of(operator.get("/ops/", headers={"Accept-Language": "de"})) == "de"
    viewer.post("/ops/settings", {"language": ""})
    assert language_of(viewer.get("/ops/", headers={"Accept-Language": "de"})) == "de"


def test_a_language_that_there_is_not_is_refused(viewer, clock):
    answer = viewer.post("/ops/settings", {"language": "it"})
    assert (answer.status_code, list(answer.context["form"].errors)) == (200, ["language"])
    assert preferences.language_of(answer.wsgi_request.user) == ""


def test_the_zone_stays_when_the_language_is_set(viewer, clock):
    user = viewer.get("/ops/").wsgi_request.user
    preferences.set_time_zone(user, "Asia/Tokyo")
    preferences.set_language(user, "es")
    user = viewer.get("/ops/").wsgi_request.user
    assert (preferences.time_zone_of(user), preferences.language_of(user)) == ("Asia/Tokyo", "es")


def test_the_admin_and_its_sign_in_are_in_the_language_too(operator, client, clock):
    assert 'lang="de"' in operator.get("/admin/", headers={"Accept-Language": "de"}).content.decode()
    sign_in = client.get("/admin/login/", headers={"Accept-Language": "de"}, follow=True)
    assert (sign_in.status_code, language_of(sign_in)) == (200, "de")


def test_error_pages_are_in_the_language(viewer, clock):
    answer = viewer.get("/ops/nowhere", headers={"Accept-Language": "es"})
    assert (answer.status_code, heading(answer)) == (404, "Página no encontrada")


def test_the_api_answers_in_english(operator, clock):
    AssignmentFactory()
    pk = Assignment.objects.get().pk
    preferences.set_language(operator.get("/ops/").wsgi_request.user, "de")
    answers = [
        operator.get(f"/api/assignments/{pk}/explain", headers={"Accept-Language": asked}).json()
        for asked in ("de", "en")
    ]
    assert answers[0]["summary"] == answers[1]["summary"] != ""
    refusal = operator.get("/api/assignments/0/explain", headers={"Accept-Language": "de"})
    assert "language" not in {name.lower() for name in refusal.headers}
    assert refusal.json() == operator.get("/api/assignments/0/explain").json()


@pytest.mark.parametrize("language", ["en", "de", "es", "fr"])
def test_pictures_have_numbers_that_browsers_read_in_every_language(language):
    sent = [(int((NOON - timedelta(minutes=5)).timestamp()), "SENT", 7)]
    drawn = chart.draw(sent, now=NOON + timedelta(minutes=7), ahead=timedelta(hours=2))
    with translation.override(language):
        picture = render_to_string("ops/parts/chart.html", {"chart": drawn, "snapshot": None})
    places = re.findall(r' (?:x|y|x1|x2|width|height)="([^"]*)"', picture)
    assert len(places) > 8
    assert [place for place in places if not re.fullmatch(r"-?[0-9.]+", place)] == []
    assert re.fullmatch(r"[0-9. ]+", re.search(r'viewBox="([^"]*)"', picture)[1])
