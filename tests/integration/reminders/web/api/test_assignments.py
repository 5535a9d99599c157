"""Assignments over HTTP: list, read, make, change, replace, and the calls of their life."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from accounts import allowances, authentication
from assignments import people, services
from assignments.models import Assignee, Assignment
from notifications.message import Outcome
from reminders.delivery import deliver, dispatch
from reminders.models import Reminder
from tests import acting
from tests.conftest import NOON
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller, faults
from tests.fakes.broker import MemoryBroker
from tests.plans import plan_with_only

pytestmark = pytest.mark.django_db

WORK = {"title": "Check the boiler", "scheduled_start": "2026-06-15T15:00:00+02:00"}


@pytest.fixture
def api(clock):
    return ApiCaller("read", "write")


# --- make and read ---------------------------------------------------------------------------------------------


def test_an_assignment_is_made_with_its_person_and_planned(api):
    made = api.post(
        "/api/assignments",
        {
            **WORK,
            "reference": "W-1",
            "lead_minutes": 45,
            "assignee": {"name": "Ada", "email": "ada@example.test"},
        },
    )
    assert made.status_code == 201
    person = Assignee.objects.get()
    assignment = Assignment.objects.get()
    assert made.json() == {
        "id": assignment.pk,
        "reference": "W-1",
        "title": "Check the boiler",
        "kind": "",
        "location": "",
        "notes": "",
        "assignee": {
            "id": person.pk,
            "reference": None,
            "name": "Ada",
            "email": "ada@example.test",
            "phone": "",
            "time_zone": person.time_zone,
            "language": "en",
            "team": None,
        },
        "team": None,
        "status": "SCHEDULED",
        "scheduled_start": "2026-06-15T13:00:00Z",
        "scheduled_end": None,
        "lead_minutes": 45,
        "reminder_status": "NONE",
        "answer": "NONE",
        "answered_at": None,
        "answer_note": "",
        "expected_start": None,
        "on_my_way_at": None,
        "started_at": None,
        "completed_at": None,
        "awareness": "not_told",
        "version": 1,
        "created_at": "2026-06-15T12:00:00Z",
        "updated_at": "2026-06-15T12:00:00Z",
    }
    assert Reminder.objects.get(kind="REMINDER").due_at == NOON + timedelta(minutes=15)
    read = api.get(f"/api/assignments/{assignment.pk}")
    assert (read.json(), read["ETag"]) == (made.json(), made["ETag"])


@pytest.mark.django_db(transaction=True)
def test_what_is_refused_makes_neither_work_nor_person():
    refused = ApiCaller("write").post(
        "/api/assignments",
        {**WORK, "scheduled_end": "2026-06-15T14:59:00+02:00", "assignee": {"name": "Ada"}},
    )
    assert (refused.status_code, faults(refused)) == (400, [("scheduled_end", "invalid")])
    assert not Assignee.objects.exists()
    assert not Assignment.objects.exists()


def test_new_work_is_scheduled(api):
    assert api.post("/api/assignments", {**WORK, "status": "SCHEDULED"}).status_code == 201
    refused = api.post("/api/assignments", {**WORK, "status": "COMPLETED"})
    assert (refused.status_code, faults(refused)) == (400, [("status", "invalid")])


@pytest.mark.django_db(transaction=True)
def test_a_reference_is_taken_once():
    api = ApiCaller("write")
    api.post("/api/assignments", {**WORK, "reference": "W-1"})
    again = api.post("/api/assignments", {**WORK, "reference": "W-1"})
    assert (again.status_code, faults(again)) == (409, [("reference", "duplicate")])
    assert Assignment.objects.count() == 1


# --- people ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        lambda person: {"id": person.pk},
        lambda person: {"reference": "P-1"},
        lambda person: {"reference": "P-1", "name": "Ada"},
        lambda person: {"name": "Ada", "email": "ada@example.test"},
        lambda person: {"email": "ada@example.test"},
    ],
)
def test_a_person_who_is_known_is_found(api, given):
    person = AssigneeFactory(reference="P-1", name="Ada", email="ada@example.test")
    made = api.post("/api/assignments", {**WORK, "assignee": given(person)})
    assert made.json()["assignee"]["id"] == person.pk
    assert Assignee.objects.count() == 1


def test_what_is_given_besides_is_written_to_the_person(api):
    AssigneeFactory(reference="P-1", email="old@example.test")
    given = {"reference": "P-1", "email": "new@example.test", "time_zone": "Asia/Tokyo"}
    person = api.post("/api/assignments", {**WORK, "assignee": given}).json()["assignee"]
    assert (person["email"], person["time_zone"]) == ("new@example.test", "Asia/Tokyo")


def test_a_bare_name_is_the_same_person_every_time(api):
    for _ in range(2):
        api.put("/api/assignments/by-reference/W-1", {**WORK, "assignee": {"name": "Ada"}})
    assert Assignee.objects.count() == 1
    assert Assignment.objects.get().version == 1


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, ("assignee", "required")),
        ({"id": 999}, ("assignee.id", "unknown")),
        ({"phone": "1"}, ("assignee", "required")),
        ({"id": None, "reference": None, "email": None}, ("assignee", "required")),
        ({"name": "Ada", "language": "klingon"}, ("assignee.language", "unknown_language")),
        ({"name": "Ada", "language": "xx-DE"}, ("assignee.language", "unknown_language")),
        ({"name": "Ada", "time_zone": "localtime"}, ("assignee.time_zone", "unknown_time_zone")),
        ({"name": "Ada", "time_zone": "Mars/Olympus"}, ("assignee.time_zone", "unknown_time_zone")),
        ({"name": "Ada", "email": "a@example.test, b@example.test"}, ("assignee.email", "invalid")),
        ({"name": "Ada", "email": "a@example.test\r\nBcc: b@example.test"}, ("assignee.email", "invalid")),
        ({"name": "Ada", "shoe_size": 43}, ("assignee.shoe_size", "unknown_field")),
        ({"name": 7}, ("assignee.name", "invalid")),
        ({"id": "7"}, ("assignee.id", "invalid")),
        ([], ("assignee", "invalid")),
        ("Ada", ("assignee", "invalid")),
    ],
)
def test_a_person_that_is_no_person_is_refused(api, given, fault):
    refused = api.post("/api/assignments", {**WORK, "assignee": given})
    assert (refused.status_code, faults(refused)) == (400, [fault])
    assert not Assignee.objects.exists()


# --- change ----------------------------------------------------------------------------------------------------


def test_a_patch_writes_what_is_sent_and_plans_anew(api):
    assignment = AssignmentFactory()
    changed = api.patch(f"/api/assignments/{assignment.pk}", {"scheduled_start": "2026-06-15T14:00:00Z"})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert Reminder.objects.get(version=1, kind="REMINDER").reason == "moved"
    noted = api.patch(f"/api/assignments/{assignment.pk}", {"notes": "ring twice"})
    assert (noted.json()["version"], noted.json()["notes"]) == (2, "ring twice")
    assert noted["ETag"] != changed["ETag"]


def test_a_patch_to_the_same_values_changes_nothing(api):
    assignment = AssignmentFactory()
    before = api.get(f"/api/assignments/{assignment.pk}")
    sent = {name: before.json()[name] for name in ("title", "scheduled_start", "status", "assignee")}
    after = api.patch(f"/api/assignments/{assignment.pk}", sent)
    assert (after.json(), after["ETag"]) == (before.json(), before["ETag"])


def test_an_assignee_can_be_taken_away(api):
    assignment = AssignmentFactory()
    assert api.patch(f"/api/assignments/{assignment.pk}", {"assignee": None}).json()["assignee"] is None


@pytest.mark.parametrize("header", ['"{etag}"', '"other", "{etag}"', "*"])
def test_a_change_over_the_state_that_was_read_lands(api, header):
    url = f"/api/assignments/{AssignmentFactory().pk}"
    etag = api.get(url)["ETag"].strip('"')
    assert api.patch(url, {"title": "x"}, If_Match=header.format(etag=etag)).status_code == 200


@pytest.mark.parametrize("header", ['"other"', 'W/"{etag}"', "{etag}", '""', "\x7f"])
@pytest.mark.parametrize("call", ["patch", "delete", "start", "complete", "cancel", "reschedule", "put"])
def test_a_change_over_any_other_state_is_refused_with_the_state_in_force(api, header, call):
    assignment = AssignmentFactory(reference="W-1")
    url = f"/api/assignments/{assignment.pk}"
    before = api.get(url)
    if_match = header.format(etag=before["ETag"].strip('"'))
    body = {"scheduled_start": "2026-06-15T14:00:00Z"}
    if call in ("patch", "delete"):
        refused = getattr(api, call)(url, body if call == "patch" else None, If_Match=if_match)
    elif call == "put":
        refused = api.put("/api/assignments/by-reference/W-1", WORK, If_Match=if_match)
    else:
        refused = api.post(f"{url}/{call}", body if call == "reschedule" else None, If_Match=if_match)
    assert (refused.status_code, faults(refused)) == (412, [(None, "stale")])
    assert (refused.json()["current"], refused["ETag"]) == (before.json(), before["ETag"])
    assert api.get(url).json() == before.json()


@pytest.mark.parametrize(
    "change", [{"name": "Grace"}, {"email": "grace@example.test"}, {"phone": "+49 30 1230001"}]
)
def test_another_assignee_as_shown_is_another_state(api, change):
    assignment = AssignmentFactory()
    url = f"/api/assignments/{assignment.pk}"
    before = api.get(url)["ETag"]
    people.change_assignee(assignment.assignee_id, change)
    assert api.get(url)["ETag"] != before
    refused = api.patch(url, {"title": "x"}, If_Match=before)
    assert (refused.status_code, faults(refused)) == (412, [(None, "stale")])


def test_a_change_of_the_assignee_over_the_state_that_was_read_lands(api):
    assignment = AssignmentFactory()
    url = f"/api/assignments/{assignment.pk}"
    sent = {"assignee": {"id": assignment.assignee_id, "name": "Grace"}}
    changed = api.patch(url, sent, If_Match=api.get(url)["ETag"])
    assert (changed.status_code, changed.json()["assignee"]["name"]) == (200, "Grace")


def test_a_put_over_what_must_exist_or_must_not_is_refused(api):
    """RFC 9110, 13.1.1 and 13.1.2."""
    url = "/api/assignments/by-reference/W-1"
    absent = api.put(url, WORK, If_Match="*")
    assert (absent.status_code, faults(absent)) == (412, [(None, "stale")])
    assert not Assignment.objects.exists()
    assert api.put(url, WORK, If_None_Match="*").status_code == 201
    before = api.get(url).json()
    present = api.put(url, {**WORK, "title": "Other"}, If_None_Match="*")
    assert (present.status_code, faults(present)) == (412, [(None, "stale")])
    assert present.json()["current"] == api.get(url).json() == before
    assert api.put(url, {**WORK, "title": "Other"}, If_Match="*").status_code == 200


# --- life ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "status", "reason"),
    [
        ("start", "IN_PROGRESS", "started"),
        ("complete", "COMPLETED", "started"),
        ("cancel", "CANCELLED", "cancelled"),
    ],
)
def test_the_life_of_an_assignment(api, call, status, reason):
    assignment = AssignmentFactory()
    for _ in range(2):  # Saying it twice is no error.
        done = api.post(f"/api/assignments/{assignment.pk}/{call}")
        assert (done.status_code, done.json()["status"]) == (200, status)
    assert Reminder.objects.get(kind="REMINDER").reason == reason


def test_delete_cancels_and_keeps(api):
    assignment = AssignmentFactory()
    gone = api.delete(f"/api/assignments/{assignment.pk}")
    assert (gone.status_code, gone.json()["status"]) == (200, "CANCELLED")
    assert Assignment.objects.get().pk == assignment.pk


def test_a_move_keeps_the_length(api):
    assignment = AssignmentFactory(scheduled_end=NOON + timedelta(hours=3))
    moved = api.post(
        f"/api/assignments/{assignment.pk}/reschedule", {"scheduled_start": "2026-06-16T08:00:00Z"}
    )
    assert moved.json()["scheduled_end"] == "2026-06-16T10:00:00Z"


def test_what_cannot_follow_is_a_conflict(api):
    assignment = AssignmentFactory()
    acting.complete(assignment.pk)
    refused = api.post(f"/api/assignments/{assignment.pk}/start")
    assert (refused.status_code, faults(refused)) == (409, [(None, "conflict")])
    assert api.patch(f"/api/assignments/{assignment.pk}", {"status": "SCHEDULED"}).status_code == 409


@pytest.mark.parametrize("call", ["", "/start", "/complete", "/cancel", "/reschedule", "/reminders"])
@pytest.mark.parametrize("pk", [1, 2**63 - 1, 2**63, 10**40])
def test_what_does_not_exist_is_not_found(api, call, pk):
    url = f"/api/assignments/{pk}{call}"
    answers = (
        [api.get(url)]
        if call in ("", "/reminders")
        else [api.post(url, {"scheduled_start": "2026-06-16T08:00:00Z"} if call == "/reschedule" else None)]
    )
    if not call:
        answers += [api.patch(url, {"title": "x"}), api.delete(url), api.delete(url, If_Match='"x"')]
    for answer in answers:
        assert (answer.status_code, faults(answer)) == (404, [(None, "not_found")])


# --- by reference ----------------------------------------------------------------------------------------------


def test_a_put_makes_and_the_same_put_changes_nothing(api):
    url = "/api/assignments/by-reference/W%2F1"
    body = {**WORK, "assignee": {"name": "Ada", "email": "ada@example.test"}}
    made, again = api.put(url, body), api.put(url, body)
    assert (made.status_code, again.status_code) == (201, 200)
    assert (made.json()["reference"], made.json()["version"]) == ("W/1", 1)
    assert (again.json(), again["ETag"]) == (made.json(), made["ETag"])
    assert Reminder.objects.filter(kind="REMINDER").count() == 1


def test_a_put_takes_what_is_left_out_back_to_its_default(api):
    url = "/api/assignments/by-reference/W-1"
    api.put(url, {**WORK, "notes": "ring twice", "assignee": {"name": "Ada"}})
    replaced = api.put(url, WORK).json()
    assert (replaced["notes"], replaced["assignee"]) == ("", None)


def test_a_put_leaves_the_status_alone(api):
    url = "/api/assignments/by-reference/W-1"
    pk = api.put(url, WORK).json()["id"]
    acting.start(pk)
    assert api.put(url, WORK).json()["status"] == "IN_PROGRESS"


def test_a_put_can_make_work_that_is_cancelled_already(api):
    made = api.put("/api/assignments/by-reference/W-1", {**WORK, "status": "CANCELLED"})
    assert (made.status_code, made.json()["status"]) == (201, "CANCELLED")


def test_a_put_over_a_state_that_never_was_is_refused(api):
    refused = api.put("/api/assignments/by-reference/W-1", WORK, If_Match='"x"')
    assert (refused.status_code, faults(refused)) == (412, [(None, "stale")])
    assert refused.json()["current"] is None
    assert not Assignment.objects.exists()


@pytest.mark.parametrize(
    ("reference", "code"),
    [("x" * 201, "max_length"), ("%00", "null_characters_not_allowed"), ("%20W", "spaces")],
)
def test_a_reference_that_is_none_is_refused(api, reference, code):
    refused = api.put(f"/api/assignments/by-reference/{reference}", WORK)
    assert (refused.status_code, faults(refused)) == (400, [("reference", code)])


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_make_one():
    made = []
    api = ApiCaller("write")
    barrier = threading.Barrier(20)

    def put():
        barrier.wait()
        try:
            made.append(
                api.put(
                    "/api/assignments/by-reference/W-1",
                    {**WORK, "assignee": {"name": "Ada", "reference": "P"}},
                )
            )
        finally:
            connections.close_all()

    threads = [threading.Thread(target=put) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in made) == [200] * 19 + [201]
    assert (Assignment.objects.count(), Assignee.objects.count()) == (1, 1)


# --- list ------------------------------------------------------------------------------------------------------


def listed(response):
    assert response.status_code == 200, response.content
    return [work["title"] for work in response.json()["results"]]


@pytest.fixture
def four(clock):
    AssignmentFactory(title="b", reference="R-b", assignee__name="Ada Lovelace")
    AssignmentFactory(title="a", scheduled_start=NOON + timedelta(minutes=30))
    AssignmentFactory(title="c")
    services.cancel(AssignmentFactory(title="d", scheduled_start=NOON + timedelta(hours=5)).pk)


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", "abcd"),
        ("ordering=-scheduled_start", "dcba"),
        ("ordering=id", "bacd"),
        ("ordering=-id", "dcab"),
        ("status=SCHEDULED", "abc"),
        ("status=CANCELLED", "d"),
        ("reminder_status=SENT", ""),
        ("starts_after=2026-06-15T13:00:00Z", "bcd"),
        ("starts_before=2026-06-15T13:00:00Z", "a"),
        ("starts_after=2026-06-15T15:00:00%2B02:00&starts_before=2026-06-15T15:00:01%2B02:00", "bc"),
        ("search=love", "b"),
        ("search=r-B", "b"),
        ("search=%25", ""),
        ("assignee=9223372036854775807", ""),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_the_list_is_filtered_ordered_and_paged(api, four, query, titles, limit):
    found, url = [], f"/api/assignments?limit={limit}&{query}"
    while url:
        page = api.get(url)
        assert len(page.json()["results"]) <= limit
        found += listed(page)
        url = page.json()["next"]
    assert found == list(titles)


@pytest.mark.parametrize(("answer", "titles"), [("DECLINED", "a"), ("CONFIRMED", "b"), ("NONE", "cd")])
def test_the_list_finds_what_people_have_answered(api, four, answer, titles):
    for work in Assignment.objects.filter(title__in=("a", "b")):
        act = acting.decline if work.title == "a" else acting.confirm
        act(work)
    assert sorted(listed(api.get(f"/api/assignments?answer={answer}"))) == list(titles)


def test_an_answer_is_read_and_never_written(api):
    work = AssignmentFactory()
    acting.decline(work, note="ill")
    read = api.get(f"/api/assignments/{work.pk}").json()
    told = {"answer": "DECLINED", "answered_at": "2026-06-15T12:00:00Z", "answer_note": "ill"}
    assert told.items() <= read.items()
    explained = api.get(f"/api/assignments/{work.pk}/explain").json()
    assert told.items() <= explained.items()
    who = f"{work.assignee.name} (assignee {work.assignee_id})"
    assert f"{who} declined (ill), by the link." in [step["summary"] for step in explained["history"]]
    refused = api.patch(f"/api/assignments/{work.pk}", told)
    assert sorted(faults(refused)) == [(name, "read_only") for name in sorted(told)]


def test_the_list_finds_the_work_of_one_person(api, four):
    person = Assignee.objects.get(name="Ada Lovelace")
    assert listed(api.get(f"/api/assignments?assignee={person.pk}")) == ["b"]


def test_many_that_start_at_once_are_paged_without_loss(api):
    AssignmentFactory.create_batch(25)
    seen, url = [], "/api/assignments?limit=4"
    while url:
        page = api.get(url).json()
        seen += [work["id"] for work in page["results"]]
        url = page["next"]
    assert seen == sorted(Assignment.objects.values_list("pk", flat=True))


def test_a_page_costs_four_queries(api, four, first_rows, django_assert_num_queries):
    api.get("/api/assignments")  # The first call of a minute also notes that the token was used.
    caller, rate = first_rows(authentication), first_rows(allowances)
    with django_assert_num_queries(2):  # the page, and who knows of it
        api.get("/api/assignments")
    assert (len(caller), len(rate)) == (1, 1)  # who calls, and how often


def test_pages_through_equal_starts_hold_each_row_once_while_rows_are_added(api, clock, monkeypatch):
    """REST framework's own cursor would page through equal starts by an offset."""
    monkeypatch.setattr("rest_framework.pagination.CursorPagination.offset_cutoff", 2)
    before = [work.pk for work in AssignmentFactory.create_batch(7)]
    found, url = [], "/api/assignments?limit=2"
    while url:
        page = api.get(url).json()
        found += [one["id"] for one in page["results"]]
        url = page["next"]
        if len(found) == 4:
            Assignment.objects.filter(pk=before[0]).update(status="CANCELLED")
            Assignment.objects.filter(pk=before[1]).update(scheduled_start=NOON - timedelta(days=1))
    assert found == before


def test_a_page_deep_down_starts_at_its_key(api, clock):
    """The plan of a deep page reads the index of starts from the cursor on, and sorts nothing."""
    AssignmentFactory.create_batch(3)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    first = api.get("/api/assignments?limit=1").json()
    with CaptureQueriesContext(connection) as asked:
        assert len(api.get(first["next"]).json()["results"]) == 1
    statement = next(query["sql"] for query in asked if 'scheduled_start" >=' in query["sql"])
    plan = plan_with_only("assignment_start_idx", statement)
    assert "assignment_start_idx" in plan
    assert "Index Cond: (scheduled_start >=" in plan


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("ordering=password", ("ordering", "invalid_choice")),
        ("limit=1000000000", ("limit", "max_value")),
        ("limit=0", ("limit", "min_value")),
        ("limit=-1", ("limit", "invalid")),
        ("limit=ten", ("limit", "invalid")),
        ("limit=" + "9" * 5000, ("limit", "invalid")),
        ("status=NONSENSE", ("status", "invalid_choice")),
        ("status=SCHEDULED&status=CANCELLED", ("status", "repeated")),
        ("starts_after=2026-06-15T13:00:00", ("starts_after", "naive")),
        ("starts_after=yesterday", ("starts_after", "invalid")),
        ("assignee=me", ("assignee", "invalid")),
        ("assignee=9223372036854775808", ("assignee", "max_value")),
        ("search=%00", ("search", "null_characters_not_allowed")),
        ("search=" + "x" * 201, ("search", "max_length")),
        ("cursor=nonsense", ("cursor", "invalid")),
        ("cursor=MjAyNi0wNi0xNXwx", ("cursor", "invalid")),
        ("cursor=%ff%fe", ("cursor", "invalid")),
        ("colour=red", ("colour", "unknown_field")),
        ("status=", ("status", "blank")),
        ("cursor=cD0x", ("cursor", "invalid")),
        ("cursor=bz05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk=", ("cursor", "invalid")),
    ],
)
def test_a_query_that_is_none_is_refused(api, query, fault):
    refused = api.get(f"/api/assignments?{query}")
    assert (refused.status_code, faults(refused)) == (400, [fault])


# --- ledger ----------------------------------------------------------------------------------------------------


def test_the_ledger_of_an_assignment_with_its_attempts(api, clock, config, channel_of, outbox):
    assignment = AssignmentFactory(soon=True)
    outbox.answer_with(Outcome.REFUSED_FOR_NOW)
    for _ in range(2):
        desk = MemoryBroker()
        dispatch.dispatch(config=config, broker=desk)
        deliver.deliver(desk.hints(), config=config, channel=channel_of)
        clock.advance(timedelta(seconds=20))
    rows = api.get(f"/api/assignments/{assignment.pk}/reminders").json()["results"]
    sent = next(row for row in rows if row["kind"] == "REMINDER")
    assert (sent["state"], sent["version"], sent["recipient"]) == (
        "SENT",
        1,
        f"assignee:{assignment.assignee_id}",
    )
    assert [(attempt["number"], attempt["outcome"]) for attempt in sent["attempts"]] == [
        (1, "refused_for_now"),
        (2, "accepted"),
    ]
    assert "@" not in sent["message_id"].replace("@", "", 1)


def test_a_put_of_cancelled_work_changes_nothing_where_it_is_the_same_and_is_refused_where_it_is_not(api):
    """As an import of this one row."""
    body = {**WORK, "assignee": {"reference": "P-1", "name": "Ada", "email": "ada@example.test"}}
    made = api.put("/api/assignments/by-reference/W-1", body).json()
    cancelled = api.delete(f"/api/assignments/{made['id']}").json()
    again = api.put("/api/assignments/by-reference/W-1", body)
    assert (again.status_code, again.json()) == (200, cancelled)
    row = {**body, "reference": "W-1"}
    assert api.post("/api/assignments/import", [row]).json()["unchanged"] == 1
    for changed in ({"title": "Another"}, {"scheduled_start": "2031-01-01T00:00:00Z"}, {"assignee": None}):
        refused = api.put("/api/assignments/by-reference/W-1", {**body, **changed})
        assert (refused.status_code, refused.json()["type"]) == (409, "conflict"), changed
    back = api.put("/api/assignments/by-reference/W-1", {**body, "status": "SCHEDULED"})
    assert (back.status_code, back.json()["status"]) == (200, "SCHEDULED")
