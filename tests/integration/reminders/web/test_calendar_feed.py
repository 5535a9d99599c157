"""The calendar address of a person and of a team: what it shows, to whom, and until when."""

from datetime import timedelta

import icalendar
import pytest
from django.test import Client

from accounts import roles
from accounts.models import Allowance
from assignments import calendar_links as changes
from assignments import services
from assignments.models import Assignee, Assignment, Status, Team
from config.logs import without_links
from reminders.content import calendar_links
from reminders.insight import calendar_feed
from reminders.models import Audit
from reminders.web.calendar_feed import RATE
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller
from tests.logins import signed_in, staff

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def team_named(name: str) -> Team:
    return Team.objects.create(name=name)


@pytest.fixture
def ann(clock):
    return AssigneeFactory(name="Ann; B\u00e4r", time_zone="UTC")


@pytest.fixture
def operator(clock):
    return signed_in(staff("operator", roles.OPERATORS))


def get(owner, **headers):
    return Client().get(calendar_links.path_of(owner), headers=headers)


def read(response) -> list[icalendar.Event]:
    assert response.status_code == 200
    text = response.content.decode()
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    return list(icalendar.Calendar.from_ical(text).walk("VEVENT"))


def titles(response) -> list[str]:
    return [str(event["SUMMARY"]) for event in read(response)]


def test_a_person_reads_their_work_and_nobody_elses(ann):
    work = AssignmentFactory(title="Pump", location="Hall 1", assignee=ann, scheduled_start=NOON + DAY)
    AssignmentFactory(title="Other", scheduled_start=NOON + DAY)
    response = get(ann)
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    (event,) = read(response)
    assert (event["SUMMARY"], event["LOCATION"], event.start) == ("Pump", "Hall 1", NOON + DAY)
    assert event["UID"].startswith(f"assignment-{work.pk}-{ann.pk}@")
    assert (event["STATUS"], event["SEQUENCE"]) == ("CONFIRMED", 0)
    calendar = icalendar.Calendar.from_ical(response.content)
    assert "NAME:Ann\\; B\u00e4r\r\n" in response.content.decode()
    assert not {"METHOD", "ORGANIZER"} & set(calendar)
    assert "ORGANIZER" not in event


def test_a_team_reads_its_work_that_of_its_people_and_who_does_it(clock, settings):
    team = team_named("North")
    ann = AssigneeFactory(name="Ann")
    Assignee.objects.filter(pk=ann.pk).update(team=team)
    AssignmentFactory(title="Of a member", assignee=ann, scheduled_start=NOON + DAY)
    own = AssignmentFactory(title="Of the team", scheduled_start=NOON + 2 * DAY)
    Assignment.objects.filter(pk=own.pk).update(assignee=None, team=team)
    lent = AssignmentFactory(title="Lent", assignee=ann, scheduled_start=NOON + DAY)
    Assignment.objects.filter(pk=lent.pk).update(team=team_named("South"))
    AssignmentFactory(title="Other", scheduled_start=NOON + DAY)
    assert titles(get(team)) == ["Of a member: Ann", "Of the team: nobody assigned"]
    settings.DEFAULT_LANGUAGE = "de"
    assert titles(get(team)) == ["Of a member: Ann", "Of the team: niemand zugeteilt"]


def test_it_reaches_from_90_days_ago_to_a_year_ahead(ann):
    for days in (-91, -89, 0, 364, 366):
        AssignmentFactory(title=str(days), assignee=ann, scheduled_start=NOON + days * DAY)
    assert titles(get(ann)) == ["-89", "0", "364"]


def test_of_very_much_work_the_next_is_shown(ann, monkeypatch):
    monkeypatch.setattr(calendar_feed, "MOST_COMING", 2)
    monkeypatch.setattr(calendar_feed, "MOST_PAST", 1)
    for days in (-3, -2, 1, 2, 3):
        AssignmentFactory(title=str(days), assignee=ann, scheduled_start=NOON + days * DAY)
    assert titles(get(ann)) == ["-2", "1", "2"]


def test_cancelled_work_is_shown_as_cancelled_for_30_days(ann):
    work = AssignmentFactory(assignee=ann, scheduled_start=NOON + 60 * DAY)
    Assignment.objects.filter(pk=work.pk).update(status=Status.CANCELLED, updated_at=NOON - 29 * DAY)
    (event,) = read(get(ann))
    assert (event["STATUS"], event["SEQUENCE"]) == ("CANCELLED", 1)
    Assignment.objects.filter(pk=work.pk).update(updated_at=NOON - 31 * DAY)
    assert read(get(ann)) == []


def test_who_has_it_already_gets_304_until_something_changes(ann):
    work = AssignmentFactory(title="Pump", assignee=ann, scheduled_start=NOON + DAY)
    first = get(ann)
    assert first["Cache-Control"] == "private, no-cache"
    assert first["Last-Modified"]
    again = get(ann, if_none_match=first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["Cache-Control"] == "private, no-cache"
    services.reschedule(work.pk, start=NOON + 2 * DAY)
    moved = get(ann, if_none_match=first["ETag"])
    assert moved.status_code == 200
    assert read(moved)[0]["SEQUENCE"] == 1
    Assignment.objects.filter(pk=work.pk).update(assignee=AssigneeFactory())
    assert read(get(ann, if_none_match=moved["ETag"])) == []


def test_a_number_of_queries_that_does_not_grow(ann, django_assert_max_num_queries):
    for days in range(1, 8):
        AssignmentFactory(assignee=ann, scheduled_start=NOON + days * DAY)
    with django_assert_max_num_queries(5):
        get(ann)


def test_after_it_was_renewed_the_former_address_is_not_found(ann):
    former = calendar_links.path_of(ann)
    changes.renew(ann)
    present = calendar_links.path_of(ann)
    assert present != former
    assert [Client().get(path).status_code for path in (former, present)] == [404, 200]
    changes.revoke(ann)
    assert calendar_links.path_of(ann) == ""
    changes.renew(ann)
    assert [Client().get(path).status_code for path in (former, present)] == [404, 404]
    assert get(ann).status_code == 200


def test_whatever_does_not_open_gets_the_same_answer(ann):
    good = calendar_links.path_of(ann)
    changed = good.replace("/c/p", "/c/t")
    answers = [Client().get(path) for path in (changed, "/c/made-up.ics", good.replace(".ics", "0.ics"))]
    assert {(one.status_code, one.content) for one in answers} == {(404, answers[0].content)}
    assert answers[0]["Cache-Control"] == "no-store"
    assert Client().post(good).status_code == 405


def test_the_address_is_hidden_in_logs(ann):
    line = without_links(f"GET {calendar_links.path_of(ann)} 500")
    assert line == "GET /c/(link) 500"


def test_work_of_who_was_merged_is_that_of_the_one_who_is_kept(ann):
    kept = AssigneeFactory(name="Kept")
    AssignmentFactory(title="Pump", assignee=kept, scheduled_start=NOON + DAY)
    ann.merged_into = kept
    ann.save()
    assert titles(get(ann)) == ["Pump"]


@pytest.mark.parametrize("of_team", [True, False])
def test_operators_renew_and_revoke_it_with_a_reason(operator, ann, of_team):
    owner, page = (team_named("South"), "teams") if of_team else (ann, "people")
    address = f"/ops/{page}/{owner.pk}/calendar"
    assert calendar_links.path_of(owner) in operator.get(address).content.decode()
    assert operator.post(address, {"act": "revoke", "reason": ""}).status_code == 200
    assert Audit.objects.count() == 0
    assert operator.post(address, {"act": "revoke", "reason": "lost"}).status_code == 302
    former = calendar_links.path_of(owner)
    assert get(owner).status_code == 404
    assert "It was revoked" in operator.get(address).content.decode()
    assert operator.post(address, {"act": "renew", "reason": "asked"}).status_code == 302
    owner.refresh_from_db()
    assert calendar_links.path_of(owner) != former
    assert get(owner).status_code == 200
    found = Audit.objects.order_by("id").values_list(
        "action", "reason", "selection__person", "selection__team"
    )
    whose = (None, owner.pk) if of_team else (owner.pk, None)
    team = "team_" if of_team else ""
    assert list(found) == [
        (f"revoke_{team}calendar_link", "lost", *whose),
        (f"renew_{team}calendar_link", "asked", *whose),
    ]
    assert "calendar address of" in operator.get("/ops/audit").content.decode()


def test_viewers_do_not_see_it(clock, ann):
    viewer = signed_in(staff("viewer", roles.VIEWERS))
    assert viewer.get(f"/ops/people/{ann.pk}/calendar").status_code == 403
    assert "/c/p" not in viewer.get(f"/ops/people/{ann.pk}").content.decode()


def test_the_page_of_an_assignee_links_to_it_until_it_is_revoked(ann, settings):
    from reminders.content import links

    settings.PUBLIC_URL = "https://work.example.test"
    work = AssignmentFactory(assignee=ann, scheduled_start=NOON + DAY)
    page = f"/a/{links.token_of(links.Link(work.pk, ann.pk, work.version))}"
    assert f'href="{calendar_links.url_of(ann)}"' in Client().get(page).content.decode()
    changes.revoke(ann)
    assert "/c/" not in Client().get(page).content.decode()


def test_the_admin_of_a_team_leads_to_it(operator):
    team = team_named("South")
    page = operator.get(f"/admin/assignments/team/{team.pk}/change/").content.decode()
    assert f'href="/ops/teams/{team.pk}/calendar"' in page


@pytest.mark.parametrize("of_team", [True, False])
def test_programs_of_operators_renew_and_revoke_it(ann, of_team, settings):
    settings.PUBLIC_URL = "https://work.example.test"
    owner, part = (team_named("South"), "teams") if of_team else (ann, "people")
    call, address = ApiCaller("ops"), f"/api/{part}/{owner.pk}/calendar-link"
    before = call.get(address).json()
    assert before == {"url": calendar_links.url_of(owner), "revoked_at": None}
    revoked = call.post(address, {"change": "revoke", "reason": "lost"}).json()
    assert (revoked["url"], revoked["revoked_at"] is None) == ("", False)
    assert Client().get(before["url"].removeprefix(settings.PUBLIC_URL)).status_code == 404
    renewed = call.post(address, {"change": "renew", "reason": "asked"}).json()
    assert Client().get(renewed["url"].removeprefix(settings.PUBLIC_URL)).status_code == 200
    assert call.post(address, {"change": "renew", "reason": " "}).status_code == 400
    assert Audit.objects.count() == 2
    assert ApiCaller("read").get(address).status_code == 403


def test_an_address_answers_only_so_often_and_others_are_not_held(ann, clock):
    other = AssigneeFactory(name="Bo")
    assert [get(ann).status_code for _ in range(RATE.at_once)] == [200] * RATE.at_once
    held = get(ann)
    assert (held.status_code, held["Retry-After"]) == (429, "30")
    assert held["Cache-Control"] == "no-store"
    assert get(other).status_code == 200
    clock.advance(RATE.each)
    assert get(ann).status_code == 200


def test_an_address_that_is_made_up_leaves_no_allowance_behind(clock):
    assert Client().get("/c/made-up.ics").status_code == 404
    assert not Allowance.objects.exists()
