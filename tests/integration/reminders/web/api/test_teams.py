"""Teams and people over HTTP."""

import pytest

from assignments.models import Assignee, Assignment, Team
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller, faults

pytestmark = pytest.mark.django_db

NORTH = {
    "name": "North",
    "time_zone": "Europe/Berlin",
    "quiet_from": "22:00",
    "quiet_until": "06:00",
    "organisation": "North office",
    "phone": "+49 30 555 0100",
    "reply_to": "north@example.test",
}


@pytest.fixture
def call(clock) -> ApiCaller:
    return ApiCaller("read", "write", "ops")


def test_a_team_is_made_read_changed_and_removed(call):
    chief = AssigneeFactory()
    made = call.post("/api/teams", {**NORTH, "supervisors": [chief.pk]})
    assert made.status_code == 201
    team = made.json()
    assert {name: team[name] for name in (*NORTH, "supervisors")} == {**NORTH, "supervisors": [chief.pk]}
    assert call.get(f"/api/teams/{team['id']}").json() == team
    assert call.get("/api/teams").json() == {"results": [team]}
    changed = call.patch(
        f"/api/teams/{team['id']}", {"name": "South", "quiet_from": None, "quiet_until": None}
    )
    assert (changed.json()["name"], changed.json()["quiet_from"], changed.json()["supervisors"]) == (
        "South",
        None,
        [chief.pk],
    )
    assert call.delete(f"/api/teams/{team['id']}").status_code == 204
    assert call.get(f"/api/teams/{team['id']}").status_code == 404
    assert Assignee.objects.get() == chief


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"name": ""}, ("name", "blank")),
        ({"name": "x" * 101}, ("name", "max_length")),
        ({"name": "a\x00b"}, ("name", "null_characters_not_allowed")),
        ({"time_zone": "Mars/Base"}, ("time_zone", "unknown_time_zone")),
        ({"quiet_from": "22:00", "quiet_until": None}, ("quiet_until", "required")),
        ({"quiet_from": None, "quiet_until": "06:00"}, ("quiet_from", "required")),
        ({"quiet_from": "06:00"}, ("quiet_until", "invalid")),
        ({"quiet_from": "24:00"}, ("quiet_from", "invalid")),
        ({"quiet_from": "7:00"}, ("quiet_from", "invalid")),
        ({"quiet_from": 22}, ("quiet_from", "invalid")),
        ({"organisation": "x" * 101}, ("organisation", "max_length")),
        ({"phone": 4930}, ("phone", "invalid")),
        ({"reply_to": "north"}, ("reply_to", "invalid")),
        ({"reply_to": "a@example.test, b@example.test"}, ("reply_to", "invalid")),
        ({"supervisors": [4711]}, ("supervisors", "unknown")),
        ({"supervisors": [0]}, ("supervisors.0", "min_value")),
        ({"supervisors": "1"}, ("supervisors", "not_a_list")),
        ({"id": 7}, ("id", "read_only")),
        ({"colour": "red"}, ("colour", "unknown_field")),
    ],
)
def test_what_is_no_team_is_refused(call, values, fault):
    assert faults(call.post("/api/teams", {**NORTH, **values})) == [fault]
    assert not Team.objects.exists()


def test_two_teams_have_no_common_name(call):
    call.post("/api/teams", NORTH)
    again = call.post("/api/teams", NORTH)
    assert (again.status_code, faults(again)) == (400, [("name", "unique")])
    assert Team.objects.count() == 1


def test_a_team_with_people_or_work_is_not_removed(call):
    team = call.post("/api/teams", NORTH).json()["id"]
    person = AssigneeFactory(team_id=team)
    refused = call.delete(f"/api/teams/{team}")
    assert (refused.status_code, faults(refused)) == (409, [(None, "in_use")])
    call.patch(f"/api/people/{person.pk}", {"team": None})
    assert call.delete(f"/api/teams/{team}").status_code == 204


def test_a_person_is_made_read_changed_and_found(call):
    team = call.post("/api/teams", NORTH).json()["id"]
    made = call.post(
        "/api/people", {"name": "Ada", "email": "ada@example.test", "team": "North", "language": "de"}
    )
    assert made.status_code == 201
    person = made.json()
    assert (person["team"], person["quiet_from"]) == (team, None)
    changed = call.patch(
        f"/api/people/{person['id']}", {"quiet_from": "21:30", "quiet_until": "07:15", "team": None}
    )
    assert (changed.json()["quiet_from"], changed.json()["quiet_until"], changed.json()["team"]) == (
        "21:30",
        "07:15",
        None,
    )
    assert call.get(f"/api/people/{person['id']}").json() == changed.json()
    assert call.get("/api/people", {"team": team}).json()["results"] == []


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"team": "South"}, ("team", "unknown")),
        ({"team": 4711}, ("team", "unknown")),
        ({"team": True}, ("team", "invalid")),
        ({"team": ["North"]}, ("team", "invalid")),
        ({"email": "nowhere"}, ("email", "invalid")),
        ({"quiet_from": "22:00"}, ("quiet_until", "required")),
        ({"name": None}, ("name", "null")),
    ],
)
def test_what_is_no_person_is_refused(call, values, fault):
    assert faults(call.post("/api/people", {"name": "Ada", **values})) == [fault]
    assert not Assignee.objects.exists()


def test_people_are_paged_by_their_ids(call):
    ids = [AssigneeFactory().pk for _ in range(5)]
    first = call.get("/api/people", {"limit": 2}).json()
    second = call.get(first["next"]).json()
    third = call.get(second["next"]).json()
    assert [one["id"] for page in (first, second, third) for one in page["results"]] == ids
    assert third["next"] is None
    assert faults(call.get("/api/people", {"cursor": "nonsense"})) == [("cursor", "invalid")]


@pytest.mark.parametrize("form", ["name", "id"])
def test_work_is_given_to_a_team_by_name_or_id(call, form):
    team = call.post("/api/teams", NORTH).json()["id"]
    given = "North" if form == "name" else team
    body = {"title": "Job", "scheduled_start": "2026-06-15T15:00:00Z", "team": given}
    assert call.post("/api/assignments", body).json()["team"] == team
    assert call.put("/api/assignments/by-reference/W-1", body).json()["team"] == team
    # What is left out of a replacement takes its default; the team stays.
    del body["team"]
    assert call.put("/api/assignments/by-reference/W-1", body).json()["team"] == team
    assert call.put("/api/assignments/by-reference/W-1", {**body, "team": None}).json()["team"] is None


def test_the_team_is_no_part_of_the_plan(call):
    call.post("/api/teams", NORTH)
    work = AssignmentFactory()
    assert call.patch(f"/api/assignments/{work.pk}", {"team": "North"}).json()["version"] == 1


def test_lists_are_filtered_by_the_team_that_the_work_belongs_to(call):
    north = call.post("/api/teams", NORTH).json()["id"]
    south = call.post("/api/teams", {"name": "South"}).json()["id"]
    member = AssigneeFactory(team_id=north)
    by_assignee = AssignmentFactory(assignee=member)
    its_own = AssignmentFactory(team_id=north)
    AssignmentFactory(assignee=member, team_id=south)
    AssignmentFactory()
    found = call.get("/api/assignments", {"team": north, "ordering": "id"}).json()["results"]
    assert [one["id"] for one in found] == [by_assignee.pk, its_own.pk]
    assert call.get("/api/assignments", {"team": 4711}).json()["results"] == []


def test_an_import_reads_what_an_export_writes(call):
    call.post("/api/teams", NORTH)
    rows = (
        "title,scheduled_start,reference,team,assignee_name,assignee_team\n"
        "Job,2026-06-15T15:00:00Z,W-1,North,Ada,North\n"
    )
    taken = call.post("/api/assignments/import", rows, content_type="text/csv")
    assert taken.json()["created"] == 1
    work = Assignment.objects.get()
    assert (work.team.name, work.assignee.team.name) == ("North", "North")
    written = b"".join(call.get("/api/assignments/export")).decode()
    again = call.post("/api/assignments/import", written, content_type="text/csv")
    assert (again.json()["unchanged"], again.json()["created"]) == (1, 0)
    as_json = b"".join(call.get("/api/assignments/export?format=json")).decode()
    again = call.post("/api/assignments/import", as_json)
    assert (again.json()["unchanged"], again.json()["created"]) == (1, 0)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"team": "South"}, "team"),
        ({"team": 1}, "team"),
        ({"assignee": {"name": "Ada", "team": "South"}}, "assignee.team"),
    ],
)
def test_an_import_makes_no_team_and_reads_no_ids(call, row, field):
    body = [{"title": "Job", "scheduled_start": "2026-06-15T15:00:00Z", **row}]
    refused = call.post("/api/assignments/import", body)
    assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [(field, "unknown")]
    assert not Team.objects.exists()


def test_changes_of_teams_need_the_scope_ops(clock):
    writer = ApiCaller("read", "write")
    assert writer.post("/api/teams", NORTH).status_code == 403
    assert writer.post("/api/people", {"name": "Ada"}).status_code == 201
