"""One person is one person, in whichever spelling an address or a reference comes."""

import pytest
from django.core.exceptions import ValidationError

from assignments import people
from assignments.models import Assignee
from tests.factories import AssigneeFactory
from tests.fakes.api_caller import ApiCaller, faults

pytestmark = pytest.mark.django_db

IMPORT = "/api/assignments/import"
WORK = {"title": "Check the boiler", "scheduled_start": "2026-06-15T13:00:00Z"}
UUID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
ADA = "ada@example.test"
FIXED, FIXED_AS_WRITTEN = "+49301230001", "+49 (30) 123-0001"


@pytest.fixture
def api(clock) -> ApiCaller:
    return ApiCaller("read", "write")


def everybody():
    return list(Assignee.objects.order_by("pk").values_list("reference", "email", "phone"))


@pytest.mark.parametrize(
    "spelling", [ADA, "mailto:ada@example.test", "MAILTO:Ada@EXAMPLE.test", "ada@Example.Test"]
)
def test_an_address_in_any_spelling_is_the_same_person(api, spelling):
    rows = [{**WORK, "assignee": {"email": one, "name": "Ada"}} for one in (ADA, spelling)]
    assert api.post(IMPORT, rows).json()["created"] == 2
    assert api.post("/api/assignments", rows[1]).status_code == 201
    assert everybody() == [(None, ADA, "")]


def test_a_new_address_is_stored_in_one_spelling(api):
    made = api.post(
        "/api/people", {"name": "Ada", "email": "mailto:Ada@EXAMPLE.test", "phone": FIXED_AS_WRITTEN}
    )
    assert (made.json()["email"], made.json()["phone"]) == ("Ada@example.test", FIXED)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mailto:ada@example.test", "MAILTO:ada@EXAMPLE.test"),
        ("mailto:ada@example.test", ADA),
        (ADA, "mailto:ada@example.test"),
        (f"urn:uuid:{UUID}", f"URN:UUID:{UUID.upper()}"),
        (f"urn:uuid:{UUID}", UUID.upper()),
    ],
)
def test_a_reference_in_any_spelling_is_the_same_person(api, one, other):
    rows = [{**WORK, "assignee": {"reference": each, "name": "Ada"}} for each in (one, other)]
    assert api.post(IMPORT, rows).json()["created"] == 2
    assert api.post("/api/assignments", rows[1]).status_code == 201
    assert everybody() == [(one, "", "")]
    refused = api.post("/api/people", {"name": "Ada", "reference": other})
    assert (refused.status_code, [field for field, _ in faults(refused)]) == (400, ["reference"])


def test_two_who_have_one_reference_in_two_spellings_since_before_are_told_apart(api):
    plain, urn = AssigneeFactory(reference=UUID), AssigneeFactory(reference="x")
    Assignee.objects.filter(pk=urn.pk).update(reference=f"urn:uuid:{UUID}")
    for person in (plain, urn):
        person.refresh_from_db()
        found = people.identify({"reference": person.reference})
        assert found.pk == person.pk


@pytest.mark.parametrize("given", ["1", "n/a", "+49 30 123 ext. 4", "030 1230001"])
def test_what_is_no_number_is_refused_by_field(api, given):
    refused = api.post(IMPORT, [{**WORK, "assignee": {"name": "Ada", "phone": given}}])
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["row"], error["field"], error["code"]) == (
        400,
        1,
        "assignee.phone",
        "invalid",
    )
    assert given in error["message"]
    assert "+4930123456" in error["message"]
    assert not Assignee.objects.exists()


def test_a_national_number_is_one_of_the_region(api, settings):
    settings.PHONE_REGION = "DE"
    assert people.add_assignee(name="Ada", phone="030 1230001").phone == FIXED


def test_a_number_that_an_earlier_release_stored_stays_until_it_is_changed(api):
    ada = AssigneeFactory(reference="P-1", name="Ada")
    Assignee.objects.filter(pk=ada.pk).update(phone="ask Bo")
    rows = [{**WORK, "assignee": {"reference": "P-1", "name": "Ada L", "phone": "ask Bo"}}]
    assert api.post(IMPORT, rows).json()["created"] == 1
    ada.refresh_from_db()
    assert (ada.name, ada.phone) == ("Ada L", "ask Bo")
    with pytest.raises(ValidationError):
        people.change_assignee(ada.pk, {"phone": "ask Cy"})
    Assignee.objects.filter(pk=ada.pk).update(phone=FIXED_AS_WRITTEN)
    before = Assignee.objects.values().get(pk=ada.pk)
    people.change_assignee(ada.pk, {"phone": FIXED})
    assert Assignee.objects.values().get(pk=ada.pk) == before
