"""The calls that are acts: what they answer, what they refuse, and that a refused one writes nothing."""

from datetime import timedelta

import pytest

from assignments import services
from assignments.models import Act, Assignment
from reminders.models import Reminder
from tests import acting
from tests.factories import NOON, AssignmentFactory
from tests.fakes.api_caller import ApiCaller, faults

pytestmark = pytest.mark.django_db

CALLS = {"confirm": {}, "decline": {}, "on-my-way": {}, "late": {"minutes": 15}, "start": {}, "complete": {}}


@pytest.fixture
def api(clock):
    return ApiCaller("read", "write")


@pytest.fixture
def work(clock):
    return AssignmentFactory(far=True)


def everything():
    return list(Assignment.objects.values()), list(Act.objects.values()), list(Reminder.objects.values())


@pytest.mark.parametrize(
    ("call", "body", "shown"),
    [
        ("confirm", {}, {"answer": "CONFIRMED", "answered_at": "2026-06-15T12:00:00Z"}),
        ("decline", {"note": " ill "}, {"answer": "DECLINED", "answer_note": "ill"}),
        ("on-my-way", {"minutes": 20}, {"on_my_way_at": "2026-06-15T12:00:00Z"}),
        ("on-my-way", {}, {"on_my_way_at": "2026-06-15T12:00:00Z"}),
        ("late", {"minutes": 240}, {"expected_start": "2026-06-18T16:00:00Z"}),
        ("start", {}, {"status": "IN_PROGRESS", "started_at": "2026-06-15T12:00:00Z"}),
        ("complete", {}, {"status": "COMPLETED", "completed_at": "2026-06-15T12:00:00Z"}),
    ],
)
def test_an_act_answers_with_the_assignment_at_any_time_and_a_second_time_too(api, work, call, body, shown):
    url = f"/api/assignments/{work.pk}"
    done = api.post(f"{url}/{call}", {**body, "version": 1})
    assert (done.status_code, done.json()) == (200, done.json() | shown)
    assert done.json() == api.get(url).json()
    assert done["ETag"] == api.get(url)["ETag"]
    before = everything()
    assert api.post(f"{url}/{call}", body).json() == done.json()
    assert everything() == before
    (act,) = api.get(f"{url}/explain").json()["acts"]
    made = Act.objects.get()
    assert act == {
        "id": made.pk,
        "act": call.replace("-", "_"),
        "via": "api",
        "actor": made.actor,
        "at": "2026-06-15T12:00:00Z",
        "version": 1,
        "minutes": body.get("minutes"),
        "note": body.get("note", "").strip(),
    }
    assert made.actor.startswith("caller") or made.actor


@pytest.mark.parametrize("call", CALLS)
def test_another_version_than_the_one_in_force_is_stale_and_the_one_in_force_is_shown(api, work, call):
    services.reschedule(work.pk, start=NOON + timedelta(hours=1))
    url = f"/api/assignments/{work.pk}"
    before = everything()
    for version in (1, 3):
        refused = api.post(f"{url}/{call}", {**CALLS[call], "version": version})
        assert (refused.status_code, faults(refused)) == (412, [(None, "stale")])
        assert refused.json()["current"] == api.get(url).json()
    assert everything() == before


@pytest.mark.parametrize("call", CALLS)
def test_cancelled_work_is_a_conflict_for_every_act(api, work, call):
    services.cancel(work.pk)
    before = everything()
    refused = api.post(f"/api/assignments/{work.pk}/{call}", CALLS[call])
    assert (refused.status_code, faults(refused)) == (409, [(None, "conflict")])
    assert "is CANCELLED" in refused.json()["errors"][0]["message"]
    assert everything() == before


def test_late_once_too_often_or_once_overdue_is_a_conflict(api, clock):
    work = AssignmentFactory(soon=True)
    url = f"/api/assignments/{work.pk}/late"
    for minutes, status in ((15, 200), (15, 200), (30, 200), (45, 409)):
        assert api.post(url, {"minutes": minutes}).status_code == status
    other = AssignmentFactory(soon=True)
    Assignment.objects.filter(pk=other.pk).update(reminder_status="OVERDUE", overdue_at=NOON)
    refused = api.post(f"/api/assignments/{other.pk}/late", {"minutes": 15})
    assert refused.status_code == 409
    assert "is marked OVERDUE: start it, or move it" in refused.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("call", "body", "fault"),
    [
        ("late", {}, ("minutes", "required")),
        *(
            (call, {"minutes": value}, ("minutes", code))
            for call in ("late", "on-my-way")
            for value, code in (
                (0, "min_value"),
                (-(10**30), "min_value"),
                (10**30, "max_value"),
                ("15", "invalid"),
                (15.5, "invalid"),
                (True, "invalid"),
                ([15], "invalid"),
                ({}, "invalid"),
            )
        ),
        ("late", {"minutes": None}, ("minutes", "null")),
        ("late", {"minutes": 4}, ("minutes", "min_value")),
        ("late", {"minutes": 241}, ("minutes", "max_value")),
        ("decline", {"note": "n" * 201}, ("note", "max_length")),
        ("decline", {"note": "a\x00b"}, ("note", "null_characters_not_allowed")),
        ("decline", {"note": "a\ud800b"}, ("note", "surrogate_characters_not_allowed")),
        ("decline", {"note": ["ill"]}, ("note", "invalid")),
        ("confirm", {"note": "x"}, ("note", "unknown_field")),
        *(
            (call, {**CALLS[call], "version": value}, ("version", code))
            for call in CALLS
            for value, code in ((0, "min_value"), (2**31, "max_value"), ("1", "invalid"), (1.0, "invalid"))
        ),
    ],
)
def test_what_is_not_accepted_is_named_and_nothing_is_written(api, work, call, body, fault):
    before = everything()
    refused = api.post(f"/api/assignments/{work.pk}/{call}", body)
    assert (refused.status_code, faults(refused)) == (400, [fault])
    assert everything() == before


@pytest.mark.parametrize("body", [[], "x", 7, [{"version": 1}]])
@pytest.mark.parametrize("call", CALLS)
def test_a_body_that_is_no_object_is_refused(api, work, call, body):
    assert api.post(f"/api/assignments/{work.pk}/{call}", body).status_code == 400
    assert not Act.objects.exists()


def test_what_a_patch_and_a_put_say_about_the_status_are_acts_too(api, clock):
    work = AssignmentFactory(reference="W-1")
    api.patch(f"/api/assignments/{work.pk}", {"status": "IN_PROGRESS"})
    body = {
        "title": work.title,
        "scheduled_start": "2026-06-15T13:00:00Z",
        "status": "COMPLETED",
        "assignee": {"id": work.assignee_id},
    }
    assert api.put("/api/assignments/by-reference/W-1", body).json()["completed_at"] == "2026-06-15T12:00:00Z"
    assert [(act.act, act.via) for act in Act.objects.all()] == [("start", "api"), ("complete", "api")]


def test_an_explanation_tells_who_did_what_and_which_way(api, work):
    acting.confirm(work)
    api.post(f"/api/assignments/{work.pk}/late", {"minutes": 15})
    history = [step["summary"] for step in api.get(f"/api/assignments/{work.pk}/explain").json()["history"]]
    who = f"{work.assignee.name} (assignee {work.assignee_id})"
    assert f"{who} confirmed, by the link." in history
    actor = Act.objects.get(via="api").actor
    assert f"{actor} said that the work begins later, 15 minutes, through the API." in history
