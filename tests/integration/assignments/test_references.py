"""References: one spelling, addresses that can name them; and starts to the second."""

from datetime import timedelta

import pytest

from assignments import services
from assignments.models import Assignment
from assignments.services import NewAssignment
from reminders.models import Reminder
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import faults

pytestmark = pytest.mark.django_db

URL = "/api/assignments"
WORK = {"title": "Check the boiler", "scheduled_start": "2026-06-15T13:00:14Z"}
NFC, NFD = "Gr\u00f6\u00dfe-1", "Gro\u0308\u00dfe-1"


def references():
    return list(Assignment.objects.order_by("pk").values_list("reference", flat=True))


def test_both_unicode_spellings_are_one_reference(api):
    assert api.put(f"{URL}/by-reference/{NFD}", WORK).status_code == 201
    assert api.put(f"{URL}/by-reference/{NFC}", WORK).status_code == 200
    assert api.post(f"{URL}/import", [{**WORK, "reference": NFD}]).json()["unchanged"] == 1
    assert references() == [NFC]


def test_a_spelling_that_an_earlier_release_stored_is_found(api):
    work = AssignmentFactory(reference="x")
    Assignment.objects.filter(pk=work.pk).update(reference=NFD)
    assert api.get(f"{URL}/by-reference/{NFC}").json()["id"] == work.pk
    assert api.put(f"{URL}/by-reference/{NFC}", WORK).status_code == 200
    assert [row["id"] for row in api.get(URL, {"reference": NFC}).json()["results"]] == [work.pk]


def test_two_spellings_in_one_import_are_a_repetition(api):
    refused = api.post(f"{URL}/import", [{**WORK, "reference": one} for one in (NFC, NFD)])
    assert [(one["row"], one["code"]) for one in refused.json()["errors"]] == [(2, "repeated")]


@pytest.mark.parametrize("reference", [".", "..", "a/../b", "./a"])
def test_a_reference_that_no_address_can_name_is_refused(api, reference):
    for refused in (
        api.post(URL, {**WORK, "reference": reference}),
        api.post(f"{URL}/import", [{**WORK, "reference": reference}]),
    ):
        error = refused.json()["errors"][0]
        assert (refused.status_code, error["field"], error["code"]) == (400, "reference", "not_addressable")
        assert repr(reference) in error["message"]


def test_a_slash_at_the_end_of_an_address_makes_no_second_assignment(api):
    assert api.put(f"{URL}/by-reference/A", WORK).status_code == 201
    refused = api.put(f"{URL}/by-reference/A/", WORK)
    assert (refused.status_code, faults(refused)) == (400, [("reference", "slash")])
    assert references() == ["A"]


def test_a_calendar_may_have_named_work_with_a_slash_at_the_end(api):
    uid = "https://example.org/events/7/"
    assert api.post(f"{URL}/import", [{**WORK, "reference": uid}]).json()["created"] == 1
    assert api.put(f"{URL}/by-reference/{uid}", WORK).status_code == 200


def test_an_assignment_is_read_by_its_reference(api):
    AssignmentFactory(reference="W/1")
    read = api.get(f"{URL}/by-reference/W%2F1")
    assert (read.status_code, read.json()["reference"]) == (200, "W/1")
    assert read["ETag"] == api.get(f"{URL}/{read.json()['id']}")["ETag"]
    assert api.get(f"{URL}/by-reference/W-2").status_code == 404


def test_the_filter_takes_exactly_this_reference(api):
    for reference in ("W-1", "W-10"):
        AssignmentFactory(reference=reference)
    for url in (URL, f"{URL}/export"):
        answer = api.get(url, {"reference": "W-1"} | ({"format": "json"} if url != URL else {}))
        text = b"".join(answer) if answer.streaming else answer.content
        assert b'"W-1"' in text
        assert b"W-10" not in text


@pytest.mark.parametrize(("exists", "header"), [(False, "If-Match"), (True, "If-None-Match")])
def test_a_condition_on_whether_there_is_one_is_kept(api, exists, header):
    if exists:
        AssignmentFactory(reference="W-1", title="as it was")
    refused = api.put(f"{URL}/by-reference/W-1", WORK, **{header: "*"})
    assert (refused.status_code, faults(refused)) == (412, [(None, "stale")])
    assert list(Assignment.objects.values_list("title", flat=True)) == ["as it was"] * exists
    other = "If-Match" if exists else "If-None-Match"
    assert api.put(f"{URL}/by-reference/W-1", WORK, **{other: "*"}).status_code == 200 + (not exists)


# --- the resolution of starts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", ["", ".123", ".123456", ".9"])
def test_a_fraction_of_a_second_is_no_move(api, fraction):
    body = {**WORK, "assignee": {"name": "Ada"}, "scheduled_end": "2026-06-15T14:00:14.5Z"}
    made = api.put(f"{URL}/by-reference/W-1", {**body, "scheduled_start": "2026-06-15T13:00:14.123456Z"})
    assert made.json()["scheduled_start"] == "2026-06-15T13:00:14Z"
    assert made.json()["scheduled_end"] == "2026-06-15T14:00:14Z"
    start = f"2026-06-15T13:00:14{fraction}Z"
    again = api.put(f"{URL}/by-reference/W-1", {**body, "scheduled_start": start})
    assert (again.json(), again["ETag"]) == (made.json(), made["ETag"])
    moved = api.post(f"{URL}/{made.json()['id']}/reschedule", {"scheduled_start": start})
    assert moved.json()["version"] == 1
    assert Reminder.objects.filter(kind="REMINDER").count() == 1


def test_a_start_that_an_earlier_release_stored_with_a_fraction_is_not_moved(api):
    work = AssignmentFactory(reference="W-1", title=WORK["title"])
    Assignment.objects.update(scheduled_start=NOON + timedelta(hours=1, seconds=14, microseconds=123_456))
    assert services.change(work.pk, {"scheduled_start": NOON + timedelta(hours=1, seconds=14)}).version == 1


def test_the_services_keep_whole_seconds_too(clock):
    start = NOON + timedelta(hours=1, microseconds=7)
    work = services.create(NewAssignment(title="x", scheduled_start=start, assignee_id=AssigneeFactory().pk))
    assert work.scheduled_start == NOON + timedelta(hours=1)
