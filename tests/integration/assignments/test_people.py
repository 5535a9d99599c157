"""Who is who: by reference; without one by address and name; and what of a person a call may change."""

import pytest

from assignments import acts, people, services
from assignments.models import Assignee, Assignment
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory
from tests.fakes.api_caller import faults

pytestmark = pytest.mark.django_db

URL = "/api/assignments"
IMPORT = "/api/assignments/import"
WORK = {"title": "Check the boiler", "scheduled_start": "2026-06-15T13:00:00Z"}


def everybody():
    """Name and address of each person."""
    return list(Assignee.objects.order_by("pk").values_list("name", "email"))


def work_of(api, assignee):
    answer = api.post(URL, {**WORK, "assignee": assignee})
    assert answer.status_code == 201, answer.content
    return answer.json()["assignee"]["id"]


def test_another_name_at_a_shared_address_is_another_person(api):
    first = work_of(api, {"name": "First", "email": "depot@example.com"})
    second = work_of(api, {"name": "Second", "email": "depot@example.com"})
    assert everybody() == [("First", "depot@example.com"), ("Second", "depot@example.com")]
    assert [work.assignee_id for work in Assignment.objects.order_by("pk")] == [first, second]
    assert work_of(api, {"name": "First", "email": "depot@example.com"}) == first


def test_two_rows_that_share_an_address_keep_their_names(api):
    rows = [
        {**WORK, "reference": f"W-{name}", "assignee": {"name": name, "email": "depot@example.com"}}
        for name in ("First", "Second", "First")
    ]
    rows[2]["reference"] = "W-3"
    assert api.post(IMPORT, rows).json()["created"] == 3
    assert everybody() == [("First", "depot@example.com"), ("Second", "depot@example.com")]
    assert [work.assignee.name for work in Assignment.objects.order_by("pk")] == ["First", "Second", "First"]


def test_addresses_are_compared_without_case(api):
    one = work_of(api, {"name": "Ada", "email": "a.b@example.com"})
    assert work_of(api, {"name": "Ada", "email": "A.B@Example.com"}) == one
    assert everybody() == [("Ada", "a.b@example.com")]


def test_whoever_has_a_reference_is_changed_only_by_it(api):
    ada = AssigneeFactory(reference="P-1", name="Ada", email="ada@example.com", phone="+49301230001")
    assert work_of(api, {"email": "ada@example.com"}) == ada.pk
    assert work_of(api, {"email": "ada@example.com", "name": "Ada", "phone": "+49 30 1230002"}) == ada.pk
    other = work_of(api, {"email": "ada@example.com", "name": "Countess"})
    assert other != ada.pk
    ada.refresh_from_db()
    assert (ada.name, ada.phone) == ("Ada", "+49301230001")
    assert work_of(api, {"reference": "P-1", "name": "Countess", "phone": "+49 30 1230002"}) == ada.pk
    ada.refresh_from_db()
    assert (ada.name, ada.phone) == ("Countess", "+49301230002")


def test_an_address_without_a_name_is_its_own_name(api):
    one = work_of(api, {"email": "depot@example.com"})
    assert everybody() == [("depot@example.com", "depot@example.com")]
    assert work_of(api, {"email": "depot@example.com", "name": "Depot@example.com"}) == one


def test_an_address_of_several_people_needs_a_name(api):
    for name in ("First", "Second"):
        work_of(api, {"name": name, "email": "depot@example.com"})
    refused = api.post(URL, {**WORK, "assignee": {"email": "depot@example.com"}})
    assert (refused.status_code, faults(refused)) == (400, [("assignee.name", "ambiguous")])
    assert "2 people share 'depot@example.com'" in refused.json()["errors"][0]["message"]


def test_of_two_who_cannot_be_told_apart_the_one_without_a_reference_is_meant(api):
    AssigneeFactory(reference="P-1", name="Ada", email="ada@example.com")
    plain = AssigneeFactory(name="Ada", email="ADA@example.com")
    assert work_of(api, {"name": "Ada", "email": "ada@example.com", "phone": "+49 30 1230007"}) == plain.pk


def test_a_name_is_the_same_in_either_unicode_spelling(api):
    one = work_of(api, {"name": "Jos\u00e9", "email": "j@example.com"})
    assert work_of(api, {"name": "Jose\u0301", "email": "j@example.com"}) == one


def test_thousands_at_one_address_take_no_longer_each(api):
    rows = [
        {**WORK, "assignee": {"name": f"Driver {number}", "email": "depot@example.com"}}
        for number in range(3_000)
    ]
    assert api.post(IMPORT, rows).json()["created"] == 3_000
    assert Assignee.objects.count() == 3_000


# --- values that are stored already ----------------------------------------------------------------------------


def test_a_stored_zone_that_is_no_longer_known_does_not_stand_in_the_way(api):
    ada = AssigneeFactory(reference="P-1", name="Ada")
    Assignee.objects.filter(pk=ada.pk).update(time_zone="US/Pacific-New", language="Klingon")
    changed = people.change_assignee(ada.pk, {"phone": "+49301230001", "time_zone": "US/Pacific-New"})
    assert changed.phone == "+49301230001"
    rows = [
        {**WORK, "assignee": {"reference": "P-1", "phone": "+49 30 1230002", "time_zone": "US/Pacific-New"}}
    ]
    assert api.post(IMPORT, rows).status_code == 200
    refused = api.post(URL, {**WORK, "assignee": {"reference": "P-1", "time_zone": "US/Atlantic-New"}})
    assert faults(refused) == [("assignee.time_zone", "unknown_time_zone")]


@pytest.mark.parametrize("tag", ["en", "de-AT", "zh-Hant-TW", "PT-br", "es-419"])
def test_a_language_is_a_tag_of_a_known_language(api, tag):
    assert work_of(api, {"name": "Ada", "language": tag})


@pytest.mark.parametrize("tag", ["german", "xx", "de_DE", "de-", "d", "de AT"])
def test_any_other_word_is_no_language(api, tag):
    refused = api.post(URL, {**WORK, "assignee": {"name": "Ada", "language": tag}})
    assert faults(refused) == [("assignee.language", "unknown_language")]
    assert f"'{tag}'" in refused.json()["errors"][0]["message"]


# --- null is none ----------------------------------------------------------------------------------------------

NOTHING = {"reference": None, "kind": None, "location": None, "notes": None, "lead_minutes": None}
NOBODY = {"id": None, "reference": None, "email": None, "phone": None, "time_zone": None, "language": None}


@pytest.mark.parametrize("call", ["post", "put", "patch", "import"])
def test_null_is_none_for_every_optional_text(api, call):
    body = {**WORK, **NOTHING, "scheduled_end": None, "assignee": {**NOBODY, "name": "Ada"}}
    if call == "post":
        answer = api.post(URL, body)
    elif call == "import":
        answer = api.post(IMPORT, [body])
    elif call == "put":
        answer = api.put(f"{URL}/by-reference/W-1", {k: v for k, v in body.items() if k != "reference"})
    else:
        pk = api.post(URL, {**WORK, "location": "x", "notes": "y"}).json()["id"]
        answer = api.patch(f"{URL}/{pk}", body)
    assert answer.status_code in (200, 201), answer.content
    work = Assignment.objects.get()
    assert (work.kind, work.location, work.notes, work.lead_minutes) == ("", "", "", None)
    person = work.assignee
    assert (person.email, person.phone, person.time_zone, person.language) == ("", "", "UTC", "en")


def test_null_takes_an_address_away(api):
    AssigneeFactory(reference="P-1", name="Ada", email="ada@example.com", phone="+49301230001")
    work_of(api, {"reference": "P-1", "email": None})
    assert everybody() == [("Ada", "")]


def test_no_text_is_stored_that_turns_around_what_follows_it(clock):
    person = people.add_assignee(name="Ana\u202e", email="ana@example.test")
    assert person.name == "Ana"
    again = people.identify({"name": "An\u2067a", "email": "ANA@example.test"})
    assert again.pk == person.pk
    work = services.create(
        services.NewAssignment(
            title="Repair\u202e the lift",
            notes="\u202dRing\u202c",
            scheduled_start=NOON,
            assignee_id=person.pk,
        )
    )
    assert (work.title, work.notes) == ("Repair the lift", "Ring")
    declined = acts.decline(
        work.pk, actor=acting.OLGA, version=work.version, note="no\u202e way \u200f\u05d0"
    )
    assert declined.answer_note == "no way \u200f\u05d0"
    unchanged = services.change(work.pk, {"title": "Repair\u202e the lift"})
    assert unchanged.updated_at == declined.updated_at
