"""A POST that is sent again under its Idempotency-Key is carried out once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from assignments.models import Assignment
from reminders.delivery import retention
from reminders.models import StoredResponse
from tests.factories import AssignmentFactory
from tests.fakes.api_caller import ApiCaller, faults

pytestmark = pytest.mark.django_db

URL = "/api/assignments"
WORK = {"title": "Check the boiler", "scheduled_start": "2036-06-15T13:00:00Z"}


@pytest.fixture
def api():
    return ApiCaller("write")


def test_the_same_call_twice_is_carried_out_once(api):
    first, again = (api.post(URL, WORK, Idempotency_Key="k-1") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.json(), again["ETag"]) == (first.json(), first["ETag"])
    assert ("Idempotent-Replayed" in first, again["Idempotent-Replayed"]) == (False, "true")
    assert Assignment.objects.count() == 1


def test_an_import_twice_is_carried_out_once(api):
    answers = [
        api.post(
            f"{URL}/import",
            b"title,scheduled_start\nT,2036-06-15T13:00:00Z\n",
            Idempotency_Key="k-1",
            content_type="text/csv",
        ).json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert (answers[0]["created"], Assignment.objects.count()) == (1, 1)


def test_another_request_under_the_same_key_is_refused(api):
    work = AssignmentFactory()
    assert api.post(URL, WORK, Idempotency_Key="k-1").status_code == 201
    for url, body in (
        (URL, {**WORK, "title": "Other"}),
        (f"{URL}/{work.pk}/start", {}),
        (f"{URL}/import", [WORK]),
    ):
        refused = api.post(url, body, Idempotency_Key="k-1")
        assert (refused.status_code, faults(refused)) == (422, [(None, "key_reused")])
        assert refused.json()["type"] == "key_reused"
    assert Assignment.objects.count() == 2


def test_a_key_is_its_callers_own(api):
    assert api.post(URL, WORK, Idempotency_Key="k-1").status_code == 201
    other = ApiCaller("read", "write").post(URL, {**WORK, "title": "Other"}, Idempotency_Key="k-1")
    assert (other.status_code, other.json()["title"]) == (201, "Other")


def test_what_was_refused_did_nothing_and_may_be_sent_again(api):
    assert api.post(URL, {**WORK, "title": ""}, Idempotency_Key="k-1").status_code == 400
    assert api.post(URL, WORK, Idempotency_Key="k-1").status_code == 201
    assert Assignment.objects.count() == 1


def test_who_may_not_write_gets_no_kept_answer(api):
    assert api.post(URL, WORK, Idempotency_Key="k-1").status_code == 201
    assert ApiCaller("read").post(URL, WORK, Idempotency_Key="k-1").status_code == 403


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "ä"])
def test_a_key_that_is_none_is_refused(api, key):
    refused = api.post(URL, WORK, Idempotency_Key=key)
    assert (refused.status_code, faults(refused)) == (400, [("Idempotency-Key", "invalid")])


def test_a_key_is_free_again_after_a_day(api):
    api.post(URL, WORK, Idempotency_Key="k-1")
    StoredResponse.objects.update(at=timezone.now() - timedelta(hours=24, minutes=1))
    again = api.post(URL, {**WORK, "title": "Other"}, Idempotency_Key="k-1")
    assert (again.status_code, StoredResponse.objects.count()) == (201, 1)


def test_answers_are_kept_no_longer_than_a_day(api, config):
    for key in ("k-1", "k-2"):
        api.post(URL, WORK, Idempotency_Key=key)
    StoredResponse.objects.filter(key="k-1").update(at=timezone.now() - timedelta(hours=24, minutes=1))
    retention.prune(config)
    assert [kept.key for kept in StoredResponse.objects.all()] == ["k-2"]


@pytest.mark.django_db(transaction=True)
def test_while_a_call_is_at_work_the_same_one_is_told_to_wait():
    api = ApiCaller("write")
    work = AssignmentFactory(scheduled_start=timezone.now() + timedelta(days=1))
    began, let_go, answers = threading.Event(), threading.Event(), []

    def hold(execute, sql, params, many, context):
        if "assignments_assignment" in sql and not began.is_set():
            began.set()
            assert let_go.wait(60)
        return execute(sql, params, many, context)

    def first():
        try:
            with connection.execute_wrapper(hold):
                answers.append(api.post(f"{URL}/{work.pk}/start", {}, Idempotency_Key="k-1").status_code)
        finally:
            connections.close_all()

    caller = threading.Thread(target=first)
    caller.start()
    assert began.wait(60)
    second = api.post(f"{URL}/{work.pk}/start", {}, Idempotency_Key="k-1")
    let_go.set()
    caller.join()
    assert (second.status_code, faults(second)) == (409, [(None, "in_progress")])
    assert answers == [200]
    assert api.post(f"{URL}/{work.pk}/start", {}, Idempotency_Key="k-1")["Idempotent-Replayed"] == "true"
