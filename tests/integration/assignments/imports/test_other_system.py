"""What was exported from one system and is imported into another: nobody gets what is somebody else's."""

import json

import pytest

from assignments.models import Assignee, Assignment
from reminders.models import Reminder
from tests.factories import AssigneeFactory, AssignmentFactory

pytestmark = pytest.mark.django_db

URL = "/api/assignments/import"
WORK = {"title": "Check the boiler", "scheduled_start": "2026-06-15T13:00:00Z"}


@pytest.fixture(params=["csv", "json"])
def exported(api, request):
    """A file of the other system, which is empty again afterwards."""
    AssignmentFactory(reference="W-1", assignee=AssigneeFactory(reference="P-1", name="Ada"))
    AssignmentFactory(reference="W-2", assignee=AssigneeFactory(name="Bo", email="bo@example.com"))
    AssignmentFactory(reference="W-3", assignee=None)
    file = b"".join(api.get("/api/assignments/export", {"format": request.param}))
    ids = [work.assignee_id for work in Assignment.objects.order_by("pk")]
    Reminder.objects.all()._raw_delete("default")
    Assignment.objects.all()._raw_delete("default")
    Assignee.objects.all()._raw_delete("default")
    return file, "text/csv" if request.param == "csv" else "application/json", ids


def test_an_export_is_an_import_elsewhere_and_ids_mean_nothing(api, exported):
    file, media_type, ids = exported
    # These people have, in this system, the ids that Ada and Bo had in the other.
    for pk in ids[:2]:
        Assignee.objects.create(pk=pk, name=f"Somebody else {pk}", email="else@example.com")
    answer = api.post(URL, file, content_type=media_type)
    assert answer.json()["created"] == 3, answer.content
    people = [work.assignee and work.assignee.name for work in Assignment.objects.order_by("reference")]
    assert people == ["Ada", "Bo", None]
    assert Assignee.objects.filter(name__startswith="Somebody else").count() == 2
    assert api.post(URL, file, content_type=media_type).json()["unchanged"] == 3


def test_an_id_is_read_only_if_that_is_asked_for(api):
    there = AssigneeFactory(name="Ada")
    file = f"title,scheduled_start,assignee_id,assignee_name\nx,2026-06-15T13:00:00Z,{there.pk},Bo\n"
    assert api.post(URL, file, content_type="text/csv").status_code == 200
    there.refresh_from_db()
    assert (there.name, Assignment.objects.get().assignee.name) == ("Ada", "Bo")
    rows = [{**WORK, "reference": "W-1", "assignee": {"id": there.pk}}]
    refused = api.post(URL, rows)
    assert [(one["field"], one["code"]) for one in refused.json()["errors"]] == [
        ("assignee.id", "ids_not_matched")
    ]
    assert "match_ids" in refused.json()["errors"][0]["message"]
    assert api.post(f"{URL}?match_ids=1", rows).status_code == 200
    assert Assignment.objects.get(reference="W-1").assignee == there


def test_no_export_names_an_id(api):
    AssignmentFactory()
    assert b"assignee_id" not in b"".join(api.get("/api/assignments/export"))
    exported = json.loads(b"".join(api.get("/api/assignments/export", {"format": "json"})))
    assert "id" not in exported[0]["assignee"]
