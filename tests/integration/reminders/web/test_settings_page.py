"""What people set for themselves on the Ops pages: the zone of their times, and saved views."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import preferences, roles
from accounts.models import SavedView
from tests.conftest import NOON
from tests.factories import AssignmentFactory
from tests.logins import signed_in, staff

pytestmark = pytest.mark.django_db


def shown(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def user_of(client) -> object:
    return client.get("/ops/settings").wsgi_request.user


# --- the zone --------------------------------------------------------------------------------------------------


def test_times_are_in_the_zone_that_a_person_has_set(viewer, operator, clock):
    AssignmentFactory()
    assert viewer.post("/ops/settings", {"time_zone": "Asia/Tokyo"}).status_code == 302
    page = shown(viewer.get("/ops/assignments"))
    assert f'datetime="{(NOON + timedelta(hours=10)).strftime("%Y-%m-%dT%H:%M:%S")}+09:00"' in page
    assert 'Times are in <a href="/ops/settings">Asia/Tokyo</a>' in page
    assert 'Times are in <a href="/ops/settings">UTC</a>' in shown(operator.get("/ops/assignments"))
    assert timezone.get_current_timezone_name() == "UTC"
    viewer.post("/ops/settings", {"time_zone": ""})
    assert 'Times are in <a href="/ops/settings">UTC</a>' in shown(viewer.get("/ops/"))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "localtime", "../etc/passwd", "x" * 65])
def test_what_is_no_zone_is_refused(viewer, clock, zone):
    answer = viewer.post("/ops/settings", {"time_zone": zone})
    assert (answer.status_code, bool(answer.context["form"].errors)) == (200, True)
    assert preferences.time_zone_of(user_of(viewer)) == ""


def test_a_time_in_a_list_says_first_how_far_it_is_from_now(viewer, clock):
    AssignmentFactory(scheduled_start=timezone.now() + timedelta(minutes=25, seconds=30))
    AssignmentFactory(scheduled_start=timezone.now() + timedelta(days=800))
    page = shown(viewer.get("/ops/assignments?when=any"))
    assert re.search(r'<span class="when">in 25 min <small><time ', page)
    year = (timezone.now() + timedelta(days=800)).year
    assert re.search(rf">\d+ \w+ {year} \d\d:\d\d</time>", page)


def test_states_are_in_words(viewer, clock):
    AssignmentFactory()
    page = shown(viewer.get("/ops/assignments"))
    main = page.split("<main")[1]
    assert '<span class="pill">Scheduled</span>' in main
    assert '<span class="pill none">Waiting</span>' in main
    assert "PLANNED<" not in main
    assert '<option value="IN_PROGRESS">In progress</option>' in main


# --- saved views -----------------------------------------------------------------------------------------------


def save(client, **values):
    return client.post(
        "/ops/views", {"list": "assignments", "query": "show=overdue", "name": "Late", **values}
    )


def views(client, listed="assignments") -> list[tuple[str, str, bool]]:
    saved = client.get(f"/ops/{listed}?show=overdue").context["saved"]
    return [(view.name, view.query, current) for view, current in saved["views"]]


def test_a_view_is_saved_shown_and_removed(viewer, clock):
    answer = save(viewer, name="  <b>Late</b>  ones ", query="q=Brandt&page=3&show=overdue&status=&x=1")
    assert answer["Location"] == "/ops/assignments?show=overdue&q=Brandt"
    assert views(viewer) == [("<b>Late</b> ones", "show=overdue&q=Brandt", False)]
    page = viewer.get(answer["Location"])
    assert [current for _, current in page.context["saved"]["views"]] == [True]
    assert "<bdi>&lt;b&gt;Late&lt;/b&gt; ones</bdi>" in shown(page)
    assert views(viewer, "reminders") == []
    view = SavedView.objects.get()
    assert viewer.get(f"/ops/views/{view.pk}/remove").status_code == 405
    assert viewer.post(f"/ops/views/{view.pk}/remove").status_code == 302
    assert views(viewer) == []


def test_a_view_belongs_to_one_person(viewer, operator, clock):
    save(viewer)
    assert views(operator) == []
    assert operator.post(f"/ops/views/{SavedView.objects.get().pk}/remove").status_code == 404
    save(operator, query="q=x")
    assert views(viewer) == [("Late", "show=overdue", True)]


def test_a_name_is_used_once_and_refusals_say_why(viewer, clock):
    save(viewer)
    save(viewer, query="q=x")
    assert views(viewer) == [("Late", "q=x", False)]
    for values in ({"name": ""}, {"name": "x" * 61}, {"name": " \x00 "}):
        assert "Nothing was saved" in shown(viewer.get(save(viewer, **values)["Location"]))
    for number in range(preferences.MOST_VIEWS):
        save(viewer, name=f"View {number}")
    assert SavedView.objects.count() == preferences.MOST_VIEWS
    assert save(viewer, list="nothing").status_code == 404


def test_a_view_is_saved_with_a_token_alone(clock):
    client = signed_in(staff("vera", roles.VIEWERS), enforce_csrf_checks=True)
    assert save(client).status_code == 403
    assert not SavedView.objects.exists()
