"""The addresses of people over HTTP."""

import pytest

from assignments import contact_points, people, teams
from assignments.contact_point import ContactPoint
from tests.factories import AssigneeFactory
from tests.fakes.api_caller import ApiCaller, faults

pytestmark = pytest.mark.django_db

MAIL, OTHER, PHONE = "ada@example.test", "home@example.test", "+4930123456"


@pytest.fixture
def call(clock) -> ApiCaller:
    return ApiCaller("read", "write")


@pytest.fixture
def ada(clock):
    return AssigneeFactory(name="Ada", email=MAIL, phone=PHONE)


@pytest.fixture
def url(ada) -> str:
    return f"/api/people/{ada.pk}/contact-points"


def ways(answer):
    return [(one["order"], one["channel"], one["address"]) for one in answer.json()["results"]]


def test_the_columns_of_a_person_are_its_first_addresses(call, ada, url):
    assert ways(call.get(url)) == [(1, "email", MAIL), (2, "sms", PHONE)]
    for shown in (call.get(f"/api/people/{ada.pk}").json(), call.get("/api/people").json()["results"][0]):
        assert shown["contact_points"] == call.get(url).json()["results"]
    patched = call.patch(f"/api/people/{ada.pk}", {"phone": ""})
    assert [one["address"] for one in patched.json()["contact_points"]] == [MAIL]


def test_an_address_is_added_moved_changed_and_removed(call, ada, url):
    made = call.post(url, {"channel": "email", "address": "mailto:home@EXAMPLE.test"})
    assert (made.status_code, made.json()["address"], made.json()["order"]) == (201, OTHER, 3)
    one = f"{url}/{made.json()['id']}"
    assert call.get(one).json() == made.json()
    contact_points.mark_verified(made.json()["id"])
    moved = call.patch(one, {"order": 1}).json()
    assert (moved["order"], moved["verified_at"]) == (1, "2026-06-15T12:00:00Z")
    assert call.get(f"/api/people/{ada.pk}").json()["email"] == OTHER
    changed = call.patch(one, {"address": "new@example.test"}).json()
    assert (changed["address"], changed["verified_at"]) == ("new@example.test", None)
    assert call.delete(one).status_code == 204
    assert call.get(one).status_code == 404
    assert call.get(f"/api/people/{ada.pk}").json()["email"] == MAIL


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"channel": "fax"}, ("channel", "invalid_choice")),
        ({"channel": None}, ("channel", "null")),
        ({"address": ""}, ("address", "blank")),
        ({"address": 7}, ("address", "invalid")),
        ({"address": "nowhere"}, ("address", "invalid")),
        ({"address": "Ada@example.test"}, ("address", "duplicate")),
        ({"channel": "sms", "address": "12"}, ("address", "invalid")),
        ({"channel": "sms", "address": "+49 30 12 34 56"}, ("address", "duplicate")),
        ({"address": "x" * 501}, ("address", "max_length")),
        ({"order": 0}, ("order", "min_value")),
        ({"order": "1"}, ("order", "invalid")),
        ({"verified_at": "2026-06-15T12:00:00Z"}, ("verified_at", "read_only")),
        ({"person": 7}, ("person", "unknown_field")),
    ],
)
def test_what_is_no_address_is_refused(call, ada, url, values, fault):
    assert faults(call.post(url, {"channel": "email", "address": OTHER, **values})) == [fault]
    assert ContactPoint.objects.count() == 2


def test_the_channel_of_an_address_stays(call, ada, url):
    point = contact_points.points_of(ada.pk)[0]
    assert faults(call.patch(f"{url}/{point.pk}", {"channel": "sms"})) == [("channel", "read_only")]


def test_a_person_has_a_limited_number_of_addresses(call, ada, url):
    for number in range(contact_points.MOST_POINTS - 2):
        contact_points.add_point(ada.pk, "email", f"a{number}@example.test")
    refused = call.post(url, {"channel": "email", "address": OTHER})
    assert faults(refused) == [("address", "too_many")]


def test_addresses_are_sent_with_their_own_call(call, ada):
    refused = call.patch(f"/api/people/{ada.pk}", {"contact_points": []})
    assert faults(refused) == [("contact_points", "read_only")]


def test_an_address_is_found_at_its_own_person_only(call, ada, url):
    other = contact_points.points_of(AssigneeFactory().pk)[0]
    for answer in (
        call.get(f"{url}/{other.pk}"),
        call.patch(f"{url}/{other.pk}", {"order": 1}),
        call.delete(f"{url}/{other.pk}"),
        call.get("/api/people/4711/contact-points"),
        call.post("/api/people/4711/contact-points", {"channel": "email", "address": OTHER}),
    ):
        assert answer.status_code == 404
    assert ContactPoint.objects.filter(pk=other.pk).exists()


def test_a_call_that_is_repeated_under_its_key_adds_one_address(call, ada, url):
    key = {"Idempotency_Key": "one"}
    body = {"channel": "email", "address": OTHER}
    first, second = (call.post(url, body, **key) for _ in range(2))
    assert (first.status_code, second.status_code, first.json()) == (201, 201, second.json())
    assert second["Idempotent-Replayed"] == "true"
    contact_points.remove_point(first.json()["id"])
    assert call.post(url, body, **key).status_code == 404


def test_a_reader_changes_nothing(ada, url, clock):
    reader = ApiCaller("read")
    point = contact_points.points_of(ada.pk)[0]
    assert reader.get(url).status_code == 200
    assert reader.post(url, {"channel": "email", "address": OTHER}).status_code == 403
    assert reader.patch(f"{url}/{point.pk}", {"order": 2}).status_code == 403
    assert reader.delete(f"{url}/{point.pk}").status_code == 403


def test_the_list_of_people_reads_all_addresses_at_once(call, django_assert_max_num_queries):
    team = teams.add_team(name="North")
    for number in range(10):
        people.add_assignee(name="Ada", email=f"ada{number}@example.test", phone=PHONE, team_id=team.pk)
    call.get("/api/people")
    with django_assert_max_num_queries(8):
        assert len(call.get("/api/people").json()["results"]) == 10
