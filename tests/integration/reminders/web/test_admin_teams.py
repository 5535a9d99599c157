"""Teams, their people and who is limited to them, in the admin."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts import limits, roles
from accounts.models import ApiToken, TeamLimit
from assignments import services, teams
from assignments.models import Assignee, Team
from assignments.services import NewAssignment
from reminders.models import Audit
from tests.factories import NOON, AssigneeFactory, AssignmentFactory
from tests.logins import signed_in, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def olga() -> Client:
    """An operator who is limited to the team North."""
    user = staff("olga", roles.OPERATORS)
    limits.limit_user(user, [teams.add_team(name="North").pk], by="root")
    return signed_in(user)


def url(page: str, *args: object) -> str:
    return reverse(f"admin:{page}", args=args)


NO_POINTS = {"contact_points-TOTAL_FORMS": "0", "contact_points-INITIAL_FORMS": "0"}
TIMES = {"quiet_from": "22:00", "quiet_until": "06:00"}


def test_a_team_is_made_and_changed(root):
    ann, bea = AssigneeFactory(), AssigneeFactory()
    values = {"name": "North", "time_zone": "Europe/Berlin", **TIMES}
    root.post(url("assignments_team_add"), {**values, "supervisors": [ann.pk]})
    team = Team.objects.get()
    assert (team.name, f"{team.quiet_from:%H:%M}", list(team.supervisors.all())) == ("North", "22:00", [ann])
    changed = {
        **values,
        "name": "South",
        "quiet_from": "",
        "quiet_until": "",
        "supervisors": [ann.pk, bea.pk],
    }
    assert root.post(url("assignments_team_change", team.pk), changed).status_code == 302
    team.refresh_from_db()
    assert (team.name, team.quiet_from, team.supervisors.count()) == ("South", None, 2)


def test_what_is_no_team_is_said_above_the_form(root):
    values = {"name": "North", "time_zone": "Europe/Berlin", "quiet_from": "22:00"}
    page = root.post(url("assignments_team_add"), values, follow=True).content.decode()
    assert "quiet hours need quiet_from and quiet_until, at two times, or neither" in page
    assert not Team.objects.exists()


def test_a_team_with_work_is_not_removed(root):
    team = teams.add_team(name="North")
    AssignmentFactory(team_id=team.pk)
    root.post(url("assignments_team_delete", team.pk), {"post": "yes"})
    assert Team.objects.exists()


def test_a_person_and_an_assignment_get_a_team(root):
    team = teams.add_team(name="North")
    person = {"name": "Ada", "time_zone": "UTC", "language": "en", "team": team.pk, **TIMES, **NO_POINTS}
    root.post(url("assignments_assignee_add"), person)
    ada = Assignee.objects.get()
    assert (ada.team, f"{ada.quiet_until:%H:%M}") == (team, "06:00")
    root.post(url("assignments_assignee_change", ada.pk), {**person, "team": ""})
    ada.refresh_from_db()
    assert ada.team is None


def test_whoever_is_limited_adds_people_and_work_to_their_team(olga, root):
    team = Team.objects.get()
    user = get_user_model().objects.get(username="olga")
    for name in ("add_assignee", "add_assignment"):
        user.user_permissions.add(Permission.objects.get(codename=name))
    olga.post(
        url("assignments_assignee_add"), {"name": "Ada", "time_zone": "UTC", "language": "en", **NO_POINTS}
    )
    assert Assignee.objects.get().team == team
    start = {"scheduled_start_0": "2026-06-15", "scheduled_start_1": "20:00"}
    olga.post(url("assignments_assignment_add"), {"title": "Job", **start, **INLINE})
    assert team.assignments.get().title == "Job"


INLINE = {"reminders-TOTAL_FORMS": "0", "reminders-INITIAL_FORMS": "0"}


def test_whoever_is_limited_gives_no_work_to_people_of_others(olga):
    team = Team.objects.get()
    work = services.create(NewAssignment(title="Job", scheduled_start=NOON, team_id=team.pk))
    stranger = AssigneeFactory()
    values = {
        "title": "Job", "assignee": stranger.pk, "team": team.pk, "status": "SCHEDULED", "scheduled_start_0": "2026-06-15",
        "scheduled_start_1": "20:00", **INLINE,
    }  # fmt: skip
    page = olga.post(url("assignments_assignment_change", work.pk), values)
    assert page.status_code == 200
    assert "Select a valid choice" in page.content.decode()
    work.refresh_from_db()
    assert work.assignee is None


def test_the_first_page_offers_what_there_is(olga):
    page = olga.get("/admin/").content.decode()
    assert url("assignments_assignment_changelist") in page
    assert url("reminders_audit_changelist") not in page
    assert url("access_apitoken_changelist") not in page


def test_people_are_limited_and_freed_again(root):
    team, user = teams.add_team(name="North"), get_user_model().objects.create_user("eva", is_staff=True)
    root.post(url("access_teamlimit_add"), {"user": user.pk, "teams": [team.pk]})
    assert limits.teams_of(user) == {team.pk}
    assert "North" in root.get(url("access_teamlimit_changelist")).content.decode()
    root.post(url("access_teamlimit_delete", user.pk), {"post": "yes"})
    assert not TeamLimit.objects.exists()
    actions = Audit.objects.filter(action="limit_user").order_by("pk").values_list("actor", "after__teams")
    assert list(actions) == [("root", [team.pk]), ("root", None)]


def test_a_token_is_limited_where_it_is_made(root):
    team = teams.add_team(name="North")
    root.post(url("access_apitoken_add"), {"name": "planning", "scopes": ["read"], "teams": [team.pk]})
    root.post(url("access_apitoken_add"), {"name": "all", "scopes": ["read"]})
    assert dict(ApiToken.objects.values_list("name", "teams")) == {"planning": [team.pk], "all": None}
