"""Calendars that are polled, over HTTP, on the Ops pages and in the admin: what is taken, and that no address is shown."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client

from accounts import roles
from assignments import services
from assignments.models import Assignment, CalendarSource, Team
from assignments.services import NewAssignment
from reminders.models import Audit, Statistics
from tests.factories import NOON
from tests.fakes.api_caller import ApiCaller
from tests.logins import set_up_roles

pytestmark = pytest.mark.django_db
URL = "/api/calendar-sources"
SECRET = "private-0a1b2c"
ADDRESS = f"https://calendar.example/{SECRET}/basic.ics"


@pytest.fixture(autouse=True)
def _plain_http(settings, tmp_path, clock):
    settings.SECURE_SSL_REDIRECT = False
    settings.STATIC_ROOT = tmp_path


@pytest.fixture
def api():
    return ApiCaller("ops")


@pytest.fixture
def operator():
    user = get_user_model().objects.create_user("olga", password="x", is_staff=True)
    set_up_roles()
    user.groups.add(Group.objects.get(name=roles.OPERATORS))
    client = Client()
    client.force_login(user)
    return client


def made(api, **more):
    answer = api.post(URL, {"name": "Field team", "url": ADDRESS, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()["id"]


def asking():
    """A calendar that asks about two assignments of its own; a third is of nobody."""
    source = CalendarSource.objects.create(name="Field team", url=ADDRESS, asks_since=NOON)
    start = NOON + timedelta(days=1)
    work = services.create_many([NewAssignment(title=f"Work {n}", scheduled_start=start) for n in range(3)])
    ids = [one.pk for one in work]
    Assignment.objects.filter(pk__in=ids[:2]).update(calendar_source=source)
    CalendarSource.objects.update(vanished=ids)
    return source, ids


def faults(answer):
    assert answer.status_code == 400, answer.content
    return [(one["field"], one["code"]) for one in answer.json()["errors"]]


def test_a_calendar_is_made_changed_and_removed_and_its_address_is_in_no_answer(api):
    team = Team.objects.create(name="North")
    pk = made(api, time_zone="Europe/Berlin", all_day="08:00", team=team.pk, kind="repair")
    CalendarSource.objects.update(etag='"1"', full_read_at=NOON, next_poll_at=NOON + timedelta(hours=1))
    answers = [
        api.get(URL),
        api.get(f"{URL}/{pk}"),
        api.patch(f"{URL}/{pk}", {"kind": "visit", "active": False}),
    ]
    assert [one.status_code for one in answers] == [200, 200, 200]
    assert not any(SECRET in one.content.decode() for one in answers)
    shown = answers[2].json()
    assert (shown["host"], shown["state"], shown["kind"], shown["team"]) == (
        "calendar.example",
        "off",
        "visit",
        team.pk,
    )
    stored = CalendarSource.objects.get()
    assert (stored.url, stored.etag, stored.full_read_at, stored.next_poll_at) == (ADDRESS, "", None, NOON)
    assert api.delete(f"{URL}/{pk}").status_code == 204
    assert api.get(f"{URL}/{pk}").status_code == 404
    told = list(Audit.objects.order_by("id").values_list("action", flat=True))
    assert told == ["add_calendar", "change_calendar", "remove_calendar"]
    assert SECRET not in str(list(Audit.objects.values()))


def test_webcal_is_https(api):
    made(api, url=ADDRESS.replace("https:", "webcal:"))
    assert CalendarSource.objects.get().url == ADDRESS


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"url": "http://calendar.example/x"}, ("url", "invalid")),
        ({"url": "https://127.0.0.1/x"}, ("url", "not_public")),
        ({"url": "https://[::1]/x"}, ("url", "not_public")),
        ({"url": "https://169.254.169.254/latest"}, ("url", "not_public")),
        ({"url": "file:///etc/passwd"}, ("url", "invalid")),
        ({"url": "https://ada:secret@calendar.example/"}, ("url", "invalid")),
        ({"time_zone": "Mars/Olympus"}, ("time_zone", "unknown_time_zone")),
        ({"every_minutes": 1}, ("every_minutes", "min_value")),
        ({"all_day": "8 am"}, ("all_day", "invalid")),
        ({"all_day": ""}, ("all_day", "blank")),
        ({"team": 4711}, ("team", "unknown_team")),
        ({"name": "Taken"}, ("name", "unique")),
        ({"host": "x"}, ("host", "read_only")),
    ],
)
def test_what_is_not_accepted_is_named_and_nothing_is_made(api, given, fault):
    made(api, name="Taken")
    assert faults(api.post(URL, {"name": "Field team", "url": ADDRESS, **given})) == [fault]
    assert CalendarSource.objects.count() == 1


def test_it_is_read_soon_where_an_operator_wants_it(api):
    pk = made(api)
    CalendarSource.objects.update(full_read_at=NOON, next_poll_at=NOON + timedelta(hours=1))
    assert api.post(f"{URL}/{pk}/poll", {}).status_code == 202
    stored = CalendarSource.objects.get()
    assert (stored.full_read_at, stored.next_poll_at) == (None, NOON)


def test_what_is_gone_is_cancelled_when_it_is_accepted_and_only_what_the_calendar_made(api):
    source, _ = asking()
    assert api.get(f"{URL}/{source.pk}").json()["vanished"] == 3
    assert api.post(f"{URL}/{source.pk}/accept", {"reason": "It is right."}).json() == {"cancelled": 2}
    statuses = Assignment.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["CANCELLED", "CANCELLED", "SCHEDULED"]
    assert api.get(f"{URL}/{source.pk}").json()["state"] == "ok"
    assert api.post(f"{URL}/{source.pk}/accept", {}).json() == {"cancelled": 0}
    assert Audit.objects.get().after == {"cancelled": 2}


def test_the_page_lists_them_and_leads_to_the_work_that_would_be_cancelled(operator):
    asking()
    page = operator.get("/ops/calendars").content.decode()
    assert "Field team" in page
    assert "calendar.example" in page
    assert SECRET not in page
    assert "accept_calendars" in page
    assert "/admin/assignments/calendarsource/add/" in page
    preview = operator.get("/ops/act/accept_calendars?back=/ops/calendars").content.decode()
    assert ("Work 0" in preview, "Work 2" in preview) == (True, False)
    assert ">Leave it as it is</a>" in preview
    plan = preview.split('name="plan" value="')[1].split('"')[0]
    body = {"confirmed": "1", "plan": plan, "reason": "It is right.", "back": "/ops/calendars"}
    done = operator.post("/ops/act/accept_calendars", body)
    assert done["Location"] == "/ops/calendars"
    assert Assignment.objects.filter(status="CANCELLED").count() == 2


def test_the_page_has_a_calendar_read_soon_and_says_where_it_is_not_possible(operator):
    source, _ = asking()
    CalendarSource.objects.update(full_read_at=NOON, next_poll_at=NOON + timedelta(hours=1))
    address = f"/ops/act/read_calendar?calendar={source.pk}&back=/ops/calendars"
    page = operator.get("/ops/calendars").content.decode()
    assert address.replace("&", "&amp;") in page
    assert "To keep it all, leave it" in page
    preview = operator.get(address).content.decode()
    assert "is read whole after the next scan" in preview
    assert f'name="calendar" value="{source.pk}"' in preview
    body = {"confirmed": "1", "calendar": source.pk, "reason": "Ben asked.", "back": "/ops/calendars"}
    assert operator.post("/ops/act/read_calendar", body)["Location"] == "/ops/calendars"
    stored = CalendarSource.objects.get()
    assert (stored.full_read_at, stored.next_poll_at, stored.state) == (None, NOON, "asks")
    assert Audit.objects.values_list("action", "actor", "reason").get() == (
        "poll_calendar",
        "olga",
        "Ben asked.",
    )
    for unknown in ("", "x", "9" * 30, source.pk + 1):
        preview = operator.get("/ops/act/read_calendar", {"calendar": unknown}).context["preview"]
        assert (preview.possible, preview.summary) == (
            False,
            "Nothing is to be done: there is no such calendar.",
        )
    CalendarSource.objects.update(active=False)
    assert not operator.get(address).context["preview"].possible
    assert "read_calendar" not in operator.get("/ops/calendars").content.decode()


def test_nothing_is_cancelled_by_a_confirmation_of_another_preview(operator):
    asking()
    body = {"confirmed": "1", "plan": "0" * 16, "reason": "It is right.", "back": "/ops/calendars"}
    assert operator.post("/ops/act/accept_calendars", body).status_code == 200
    assert not Assignment.objects.filter(status="CANCELLED").exists()


def test_the_overview_says_how_they_are(operator):
    assert "Calendars" not in _health(operator)
    asking()
    assert "1 to be reviewed" in _health(operator)
    CalendarSource.objects.update(failing_since=NOON)
    assert "1 failing" in _health(operator)


def _health(operator):
    Statistics.objects.all().delete()
    page = operator.get("/ops/").content.decode()
    return page.split("System health")[-1]


def test_the_admin_takes_an_address_and_never_shows_it(operator):
    form = {"name": "Field team", "url": ADDRESS, "time_zone": "Europe/Berlin", "every_minutes": "15", "days_ahead": "180",
            "active": "on", "kind": "", "team": "", "all_day": "", "reason": ""}  # fmt: skip
    assert operator.post("/admin/assignments/calendarsource/add/", form).status_code == 302
    stored = CalendarSource.objects.get()
    change = f"/admin/assignments/calendarsource/{stored.pk}/change/"
    pages = [operator.get("/admin/assignments/calendarsource/"), operator.get(change)]
    assert [one.status_code for one in pages] == [200, 200]
    assert not any(SECRET in one.content.decode() for one in pages)
    assert operator.post(change, {**form, "url": "", "every_minutes": "30"}).status_code == 302
    stored.refresh_from_db()
    assert (stored.url, stored.every_minutes) == (ADDRESS, 30)
    refused = operator.post(change, {**form, "url": "https://10.0.0.1/x"})
    assert "not in the public internet" in refused.content.decode()
    assert (
        operator.post(f"/admin/assignments/calendarsource/{stored.pk}/delete/", {"post": "yes"}).status_code
        == 302
    )
    assert not CalendarSource.objects.exists()
