"""The audit trail in sentences: who did what to which work, narrowed by who, what and when; the records are behind it."""

import re
from datetime import time, timedelta

import pytest

from accounts import limits, roles
from assignments import services, teams
from assignments.history import Actor
from reminders.insight import trail
from reminders.models import Audit
from reminders.operations import pauses
from reminders.operations.quiet_hours import change_quiet_hours
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.logins import signed_in, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def of_north(clock):
    """A browser of an operator who is limited to the team North, and that team and another one."""
    user = staff("nora", roles.OPERATORS)
    north, south = teams.add_team(name="North"), teams.add_team(name="South")
    limits.limit_user(user, [north.pk], by="root")
    return signed_in(user), north, south


def told(**asked) -> list[str]:
    return [
        f"{one.actor} {one.before}{', '.join(work.title for work in one.works)}"
        f"{f' and {one.more} more' if one.more else ''}{one.after}"
        for one in trail.lines(list(trail.entries(trail.TrailFilter(**asked))))
    ]


def acted(operator, name, *works, **answers):
    ids = ",".join(str(work.pk) for work in works)
    shown = operator.get(f"/ops/act/{name}", {"ids": ids, **answers})
    preview = shown.context["preview"]
    done = operator.post(
        f"/ops/act/{name}",
        {"confirmed": "1", "ids": ids, "plan": preview.plan, "reason": "is ill", **answers},
        follow=True,
    )
    assert done.status_code == 200


def test_a_change_of_a_program_is_a_sentence(clock):
    ada = AssigneeFactory(name="Ada")
    work = AssignmentFactory(title="Boiler check", assignee=ada)
    services.reschedule(work.pk, start=NOON + timedelta(hours=2), actor=Actor.api("token:planning"))
    services.change(work.pk, {"assignee_id": None, "title": "Boiler"}, actor=Actor.api("token:planning"))
    assert told() == [
        "token:planning took Boiler away from Ada, renamed from “Boiler check” to “Boiler”",
        "token:planning moved Boiler from 2026-06-15 13:00:00 UTC to 2026-06-15 14:00:00 UTC",
    ]


def test_what_an_action_changes_is_told_once_with_its_reason(clock, operator):
    ben = AssigneeFactory(name="Ben")
    work = AssignmentFactory(title="Boiler check", assignee=AssigneeFactory(name="Ada"))
    acted(operator, "reassign", work, to=f"#{ben.pk}")
    assert told() == ["olga gave Boiler check to Ben in place of Ada"]
    text = operator.get("/ops/audit").content.decode()
    assert "is ill" in text
    assert f'<a href="/ops/assignments/{work.pk}">' in text
    assert "&quot;version&quot;: 2" in text  # behind the click


def test_of_many_the_first_are_named_and_each_has_its_sentence(clock, operator):
    works = [AssignmentFactory(title=f"Visit {n}") for n in range(5)]
    acted(operator, "cancel", *works)
    assert told() == ["olga cancelled Visit 0, Visit 1, Visit 2 and 2 more"]
    [line] = trail.lines(list(trail.entries(trail.TrailFilter())))
    assert len(line.sentences) == 5
    assert line.sentences[0].endswith(": Cancelled by olga.")


def test_what_is_about_no_work_is_a_sentence_too(clock):
    pauses.pause(by="olga", reason="mail server moves", until=None)
    Audit.objects.create(actor="root", action="create_token", after={"name": "planning"})
    Audit.objects.create(actor="root", action="something_new")
    assert sorted(told()) == [
        "olga paused all sending",
        "root did “something new”",
        "root made the API token “planning”",
    ]


def test_it_is_narrowed_by_who_what_and_when(clock, operator):
    work = AssignmentFactory(title="Boiler")
    services.cancel(work.pk, actor=Actor.ops("olga"))
    clock.advance(timedelta(hours=1))
    pauses.pause(by="vera", reason="x", until=None)
    assert told(actor="olga") == ["olga cancelled Boiler"] == told(kind=trail.CHANGE)
    assert told(kind="pause") == ["vera paused all sending"] == told(since=NOON + timedelta(minutes=1))
    assert told(until=NOON + timedelta(minutes=1)) == ["olga cancelled Boiler"]
    assert told(text="ver") == ["vera paused all sending"]
    shown = operator.get("/ops/audit?since=2026-06-15T12:30&action=pause&actor=vera")
    assert len(shown.context["lines"]) == 1
    assert "No record matches." in operator.get("/ops/audit?actor=nobody").content.decode()


@pytest.mark.parametrize(
    "query", ["since=x&until=9999-12-31T23:59", "since=0001-01-01T00:00", "actor=%00&page=7"]
)
def test_whatever_is_asked_for_is_answered(clock, operator, query):
    assert operator.get(f"/ops/audit?{query}").status_code == 200


def test_a_title_cannot_take_the_place_of_the_work(clock):
    work = AssignmentFactory(title="A")
    services.change(work.pk, {"title": "{work}{name}"}, actor=Actor.ops("olga"))
    assert told() == ["olga renamed {work}{name} from “A” to “{ work }{name}”"]


def test_a_limited_reader_sees_what_concerns_their_teams(of_north, operator):
    client, north, south = of_north
    ben = AssigneeFactory(name="Ben", team_id=north.pk)
    far = AssigneeFactory(name="Zanzibar", team_id=south.pk)
    mine = AssignmentFactory(title="Boiler", assignee=AssigneeFactory(name="Ada", team_id=north.pk))
    theirs = AssignmentFactory(title="Zanzibar", assignee=far)
    for work in (mine, theirs):
        acted(operator, "move", work, start="2026-06-15T18:00", zone="office")
    acted(operator, "cancel", mine, theirs)
    services.change(theirs.pk, {"location": "Zanzibar"}, actor=Actor.api("token:planning"))
    change_quiet_hours(ben.pk, time(22), time(6), by="olga", reason="asked")
    change_quiet_hours(far.pk, time(22), time(6), by="olga", reason="Zanzibar")
    pauses.pause(by="olga", reason="all", until=None)
    page = client.get("/ops/audit")
    said = [
        f"{one.actor} {one.before}{', '.join(work.title for work in one.works)}{one.after} [{one.reason}]"
        for one in page.context["lines"]
    ]
    assert said == [
        "olga changed the quiet hours of Ben [asked]",
        "olga cancelled Boiler []",  # The reason may be about the work of others.
        "olga moved Boiler [is ill]",  # Within one moment here: the changes are told with what came last.
    ]
    text = page.content.decode()
    assert "Zanzibar" not in text
    assert "<pre" not in text
    assert page.context["listed"].count == 5  # Three actions and two changes, which are told with them.
    assert "pause" not in page.context["actions"]
    assert "Zanzibar" in operator.get("/ops/audit").content.decode()


def test_a_limited_reader_hears_no_name_of_another_team(of_north):
    client, north, south = of_north
    ada = AssigneeFactory(name="Ada", team_id=north.pk)
    work = AssignmentFactory(title="Boiler", assignee=AssigneeFactory(name="Zanzibar", team_id=south.pk))
    services.change(work.pk, {"assignee_id": ada.pk}, actor=Actor.api("token:planning"))
    text = client.get("/ops/audit").content.decode()
    assert "to Ada in place of person " in text.replace("\u2068", "").replace("\u2069", "")
    assert "Zanzibar" not in text


def test_the_search_box_stays_empty(operator):
    assert re.search(r'<input id="find"[^>]* value=""', operator.get("/ops/audit").content.decode())
