"""Reminder rules over HTTP."""

from datetime import timedelta

import pytest

from assignments import teams
from reminders.models import Audit, ReminderRule
from tests.conftest import NOON
from tests.factories import AssignmentFactory
from tests.fakes.api_caller import ApiCaller, faults

pytestmark = pytest.mark.django_db
URL = "/api/rules"
HOUR_BEFORE = {
    "name": "An hour before",
    "audience": "assignee",
    "trigger": {"type": "before_start", "minutes": 60},
}
EVENING = {
    "name": "The evening before",
    "audience": "assignee",
    "trigger": {"type": "at_local_time", "days_before": 1, "at": "18:00"},
    "scope": {"type": "kind", "value": "repair"},
    "when_past": "skip",
}


@pytest.fixture
def api(clock):
    return ApiCaller("ops")


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"audience": "everybody"}, "audience", "'everybody' is not one of assignee, supervisors, ops"),
        (
            {"trigger": {"type": "soon"}},
            "trigger.type",
            "'soon' is not one of before_start, at_local_time, after_overdue, on_decline, unanswered",
        ),
        (
            {"audience": "supervisors", "trigger": {"type": "on_decline"}, "channels": ["sms"]},
            "channels",
            "supervisors and Ops are told over the first of their addresses: [] is accepted",
        ),
        ({"channels": ["sms", "email", "sms"]}, "channels", "sms, email, sms: each channel is named once"),
        (
            {"audience": "supervisors", "trigger": {"type": "on_decline"}, "verified_only": True},
            "verified_only",
            "supervisors and Ops are told at addresses that nobody has verified too: false is accepted",
        ),
        (
            {"repeat": {"every_minutes": 10, "times": 2}},
            "repeat.every_minutes",
            "a reminder to an assignee is not repeated",
        ),
    ],
)  # fmt: skip
def test_what_no_rule_can_do_yet_is_refused_by_name(api, given, field, said):
    refused = api.post(URL, {**HOUR_BEFORE, **given})
    assert refused.status_code == 400
    assert [(one["field"], one["message"]) for one in refused.json()["errors"]] == [(field, said)]
    assert not ReminderRule.objects.exists()


def test_what_every_rule_is_may_be_said(api):
    neutral = {"channels": [], "mandatory": False, "verified_only": False, "repeat": None}
    assert api.post(URL, {**HOUR_BEFORE, **neutral}).status_code == 201


def test_a_rule_is_made_read_changed_and_removed(api):
    made = api.post(URL, {**EVENING, "reason": "crews asked for it"})
    assert made.status_code == 201
    rule = made.json()
    assert {**rule, "id": 0} == {
        "id": 0,
        "name": "The evening before",
        "enabled": True,
        "audience": "assignee",
        "trigger": {"type": "at_local_time", "minutes": None, "days_before": 1, "at": "18:00"},
        "condition": "always",
        "scope": {"type": "kind", "value": "repair"},
        "quiet_hours": "respect",
        "when_past": "skip",
        "channels": [],
        "mandatory": False,
        "verified_only": False,
        "repeat": None,
        "changed_at": "2026-06-15T12:00:00Z",
        "created_at": "2026-06-15T12:00:00Z",
    }
    one = f"{URL}/{rule['id']}"
    assert api.get(one).json() == rule
    assert api.get(URL).json() == {"results": [rule], "progress": None}

    changed = api.patch(
        one, {"trigger": {"type": "before_start", "minutes": 90}, "scope": {"type": "everyone"}}
    )
    assert changed.status_code == 200
    assert changed.json()["trigger"] == {
        "type": "before_start",
        "minutes": 90,
        "days_before": None,
        "at": None,
    }
    assert changed.json()["scope"] == {"type": "everyone", "value": ""}

    assert api.delete(one).status_code == 204
    assert api.get(one).status_code == 404
    assert list(Audit.objects.order_by("id").values_list("action", "reason")) == [
        ("add_rule", "crews asked for it"),
        ("change_rule", ""),
        ("remove_rule", ""),
    ]


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"trigger": {"type": "before_start", "minutes": 0}}, "trigger.minutes", "invalid"),
        ({"trigger": {"type": "before_start", "minutes": 43_201}}, "trigger.minutes", "max_value"),
        ({"trigger": {"type": "before_start", "minutes": "60"}}, "trigger.minutes", "invalid"),
        ({"trigger": {"type": "before_start"}}, "trigger.minutes", "invalid"),
        ({"trigger": {"type": "soon"}}, "trigger.type", "invalid_choice"),
        ({"trigger": "before_start"}, "trigger", "invalid"),
        ({"trigger": {"type": "at_local_time", "days_before": 1, "at": "25:00"}}, "trigger.at", "invalid"),
        ({"trigger": {"type": "before_start", "minutes": 1, "hours": 2}}, "trigger.hours", "unknown_field"),
        ({"audience": "everybody"}, "audience", "invalid_choice"),
        ({"scope": {"type": "team", "value": "north"}}, "scope.value", "invalid"),
        ({"name": ""}, "name", "blank"),
        ({"enabled": "yes"}, "enabled", "invalid"),
        ({"colour": "red"}, "colour", "unknown_field"),
    ],
)
def test_what_is_not_accepted_is_named_and_nothing_is_written(api, change, field, code):
    refused = api.post(URL, {**HOUR_BEFORE, **change})
    assert refused.status_code == 400
    assert (field, code) in faults(refused)
    assert not ReminderRule.objects.exists()


CHAIN = {
    "name": "Nobody has answered",
    "audience": "supervisors",
    "trigger": {"type": "unanswered", "minutes": 60},
    "repeat": {"every_minutes": 20, "times": 2},
}


def test_a_rule_for_supervisors_is_made_read_and_changed(api):
    made = api.post(URL, CHAIN)
    assert made.status_code == 201
    rule = made.json()
    assert {name: rule[name] for name in CHAIN} == {
        **CHAIN,
        "trigger": {**CHAIN["trigger"], "days_before": None, "at": None},
    }
    assert rule["quiet_hours"] == "respect"
    one = f"{URL}/{rule['id']}"
    assert api.patch(one, {"name": "Other"}).json()["repeat"] == CHAIN["repeat"]
    assert api.patch(one, {"repeat": None}).json()["repeat"] is None
    declined = {"audience": "ops", "trigger": {"type": "on_decline"}}
    assert api.patch(one, declined).json()["trigger"]["minutes"] is None


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (
            {"trigger": {"type": "before_start", "minutes": 60}},
            "trigger.type",
            (
                "before_start: for the audience supervisors one of after_overdue, on_decline, unanswered, at_local_time"
                " is needed"
            ),
        ),
        (
            {"audience": "assignee", "repeat": None},
            "trigger.type",
            "unanswered: for the audience assignee one of before_start, at_local_time is needed",
        ),
        (
            {"trigger": {"type": "unanswered"}},
            "trigger.minutes",
            "nothing: 1 to 43200 minutes are needed for unanswered",
        ),
        (
            {"trigger": {"type": "after_overdue", "minutes": 10_081}},
            "trigger.minutes",
            "10081: 0 to 10080 minutes are needed for after_overdue",
        ),
        (
            {"trigger": {"type": "on_decline", "at": "18:00"}},
            "trigger.at",
            "on_decline takes no local time",
        ),
        (
            {"repeat": {"every_minutes": 9, "times": 2}},
            "repeat.every_minutes",
            "9: 10 to 10080 minutes are needed between repeats",
        ),
        ({"repeat": {"every_minutes": 10, "times": 21}}, "repeat.times", "21: 1 to 20 repeats are accepted"),
        ({"repeat": {"every_minutes": 10}}, "repeat.times", "nothing: 1 to 20 repeats are accepted"),
    ],
)
def test_what_a_chain_does_not_take_is_named_with_what_it_takes(api, change, field, said):
    refused = api.post(URL, {**CHAIN, **change})
    assert refused.status_code == 400
    assert [(one["field"], one["message"]) for one in refused.json()["errors"]] == [(field, said)]
    assert not ReminderRule.objects.exists()


def test_a_name_is_given_once(api):
    assert api.post(URL, HOUR_BEFORE).status_code == 201
    refused = api.post(URL, HOUR_BEFORE)
    assert refused.status_code == 400
    assert [field for field, _ in faults(refused)] == ["name"]


def test_a_preview_says_what_would_change_and_writes_nothing(api):
    assignment = AssignmentFactory(title="Boiler", scheduled_start=NOON + timedelta(minutes=90))
    seen = api.post(f"{URL}/preview", {"rule": HOUR_BEFORE})
    assert seen.status_code == 200
    shown = seen.json()
    assert {name: shown[name] for name in ("added", "dropped", "moved", "soon", "complete")} == {
        "added": 1,
        "dropped": 0,
        "moved": 0,
        "soon": 1,
        "complete": True,
    }
    assert [(one["assignment_id"], one["after"]) for one in shown["listed"]] == [
        (assignment.pk, "2026-06-15T12:30:00Z")
    ]
    assert not ReminderRule.objects.exists()

    made = api.post(URL, HOUR_BEFORE).json()
    removed = api.post(f"{URL}/preview", {"id": made["id"], "rule": None}).json()
    assert (removed["added"], removed["dropped"]) == (0, 1)
    assert api.post(f"{URL}/preview", {"id": 999, "rule": None}).status_code == 404
    assert api.post(f"{URL}/preview", {"rule": {**HOUR_BEFORE, "audience": "x"}}).status_code == 400


def test_only_operators_see_and_make_rules(clock):
    for scopes in (("read",), ("read", "write")):
        other = ApiCaller(*scopes)
        assert other.get(URL).status_code == 403
        assert other.post(URL, HOUR_BEFORE).status_code == 403


def test_who_is_limited_to_a_team_sees_and_makes_its_rules_alone(clock):
    north, south = teams.add_team(name="North"), teams.add_team(name="South")
    everywhere = ApiCaller("ops")
    for team in (north, south):
        scope = {"type": "team", "value": str(team.pk)}
        assert everywhere.post(URL, {**HOUR_BEFORE, "name": team.name, "scope": scope}).status_code == 201
    everywhere.post(URL, HOUR_BEFORE)
    limited = ApiCaller("ops", teams=[north])
    assert [rule["name"] for rule in limited.get(URL).json()["results"]] == ["North"]
    foreign = ReminderRule.objects.get(name="South").pk
    assert limited.get(f"{URL}/{foreign}").status_code == 404
    assert limited.patch(f"{URL}/{foreign}", {"enabled": False}).status_code == 404
    assert limited.delete(f"{URL}/{foreign}").status_code == 404
    assert limited.post(URL, {**HOUR_BEFORE, "name": "Mine"}).status_code == 404
    own = ReminderRule.objects.get(name="North").pk
    assert limited.patch(f"{URL}/{own}", {"scope": {"type": "everyone"}}).status_code == 404
    assert limited.patch(f"{URL}/{own}", {"enabled": False}).status_code == 200
