"""Nothing that anybody can send gets a 5xx: every refusal has one shape and says what would be accepted."""

import gzip
import json
from unittest import mock

import pytest
from django.contrib.auth.models import Group
from django.db import InterfaceError, OperationalError, connection, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import roles
from accounts.models import ApiToken
from assignments.models import Assignment
from tests.depth import examples
from tests.factories import AssignmentFactory
from tests.fakes.api_caller import ApiCaller, faults
from tests.logins import set_up_roles

pytestmark = pytest.mark.django_db

WORK = {"title": "Check the boiler", "scheduled_start": "2026-06-15T15:00:00+02:00"}


@pytest.fixture
def api(clock):
    return ApiCaller("read", "write")


# --- bodies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", [("title", "required"), ("scheduled_start", "required")]),
        (b"{}", [("title", "required"), ("scheduled_start", "required")]),
        (b"not json", [(None, "parse_error")]),
        (b"[" * 2_000, [(None, "parse_error")]),
        (b"[" * 200_000, [(None, "parse_error")]),
        (b'{"a":' * 2_000, [(None, "parse_error")]),
        (b'{"title": NaN}', [(None, "parse_error")]),
        (b'{"title": Infinity}', [(None, "parse_error")]),
        (b'{"lead_minutes": ' + b"9" * 5_000 + b"}", [(None, "parse_error")]),
        (b'{"title": "\xff\xfe"}', [(None, "parse_error")]),
        (b"\xef\xbb\xbf{}", [(None, "parse_error")]),
        (b"[]", [(None, "invalid")]),
        (b"null", [(None, "null")]),
        (b"7", [(None, "invalid")]),
        (b'"text"', [(None, "invalid")]),
    ],
)
def test_a_body_that_is_no_assignment(api, body, expected):
    refused = api.post("/api/assignments", body)
    assert (refused.status_code, sorted(faults(refused), key=str)) == (400, sorted(expected, key=str))


def test_a_body_that_is_too_large(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    refused = api.post("/api/assignments", {**WORK, "notes": "x" * 100})
    assert (refused.status_code, faults(refused)) == (413, [(None, "too_large")])


def test_a_compressed_body_is_read_within_the_limit(api, settings):
    made = api.post("/api/assignments", gzip.compress(json.dumps(WORK).encode()), Content_Encoding="gzip")
    assert (made.status_code, made.json()["title"]) == (201, WORK["title"])
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    bomb = gzip.compress(json.dumps({**WORK, "notes": "x" * 100_000}).encode())
    assert len(bomb) < 1_000
    refused = api.post("/api/assignments", bomb, Content_Encoding="gzip")
    assert (refused.status_code, faults(refused)) == (413, [(None, "too_large")])


def test_a_retry_that_is_compressed_anew_is_the_same_call(api):
    for at in (1, 2):
        body = gzip.compress(json.dumps(WORK).encode(), mtime=at)
        made = api.post("/api/assignments", body, Content_Encoding="gzip", Idempotency_Key="k")
        assert made.status_code == 201
    assert Assignment.objects.count() == 1


@pytest.mark.parametrize("body", [b"", b"{}", gzip.compress(b"{}", mtime=0)[:-1], b"\x1f\x8b" + b"x" * 30])
def test_a_body_that_is_no_complete_gzip(api, body):
    refused = api.post("/api/assignments", body or b"-", Content_Encoding="gzip")
    assert (refused.status_code, faults(refused)) == (400, [(None, "bad_encoding")])


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "nonsense"])
def test_an_encoding_that_is_not_read_names_those_that_are(api, encoding):
    refused = api.post("/api/assignments", b"{}", Content_Encoding=encoding)
    assert (refused.status_code, faults(refused)) == (415, [(None, "unsupported_encoding")])
    assert "gzip" in refused.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "nonsense",
        "application/xml",
    ],
)
def test_what_is_not_json(api, content_type):
    refused = api.post("/api/assignments", json.dumps(WORK), content_type=content_type)
    assert (refused.status_code, faults(refused)) == (415, [(None, "unsupported_media_type")])


def test_a_charset_is_no_obstacle(api):
    made = api.post("/api/assignments", json.dumps(WORK), content_type="application/json; charset=utf-8")
    assert made.status_code == 201


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", "*/*", ""])
def test_the_answer_is_json_whatever_is_asked_for(api, accept):
    answer = api.get("/api/assignments", Accept=accept)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


# --- values ----------------------------------------------------------------------------------------------------

BAD = [
    # text
    ("title", "", "blank"),
    ("title", "   ", "blank"),
    ("title", None, "null"),
    ("title", 7, "invalid"),
    ("title", True, "invalid"),
    ("title", ["x"], "invalid"),
    ("title", {"x": 1}, "invalid"),
    ("title", "x" * 201, "max_length"),
    ("title", "a\x00b", "null_characters_not_allowed"),
    ("notes", "a\x00b", "null_characters_not_allowed"),
    ("notes", "x" * 10_001, "max_length"),
    ("kind", "x" * 61, "max_length"),
    ("location", "x" * 301, "max_length"),
    ("reference", "", "blank"),
    ("reference", "a\x00b", "null_characters_not_allowed"),
    ("title", "\ud800", "surrogate_characters_not_allowed"),
    # instants
    ("scheduled_start", None, "null"),
    ("scheduled_start", "", "invalid"),
    ("scheduled_start", 1781528400, "invalid"),
    ("scheduled_start", True, "invalid"),
    ("scheduled_start", "2026-06-15", "invalid"),
    ("scheduled_start", "2026-06-15T15:00:00", "naive"),
    ("scheduled_start", "2026-03-29T02:30:00", "naive"),
    ("scheduled_start", "2026-10-25T02:30:00", "naive"),
    ("scheduled_start", "2026-06-15T15:00:00[Europe/Berlin]", "invalid"),
    ("scheduled_start", "2026-06-15T15:00:60Z", "invalid"),
    ("scheduled_start", "2026-06-15T24:00:01Z", "invalid"),
    ("scheduled_start", "2026-06-15T25:00:00Z", "invalid"),
    ("scheduled_start", "2026-02-30T15:00:00Z", "invalid"),
    ("scheduled_start", "2026-06-15T15:00:00+99:00", "invalid"),
    ("scheduled_start", "2026-W25-1T15:00:00Z", "invalid"),
    ("scheduled_start", "\u0662\u0660\u0662\u0666-06-15T15:00:00Z", "invalid"),
    ("scheduled_start", "0001-01-01T00:00:00+14:00", "out_of_range"),
    ("scheduled_start", "9999-12-31T23:59:59-14:00", "out_of_range"),
    ("scheduled_start", "0000-01-01T00:00:00Z", "invalid"),
    ("scheduled_start", "1969-12-31T23:59:59Z", "out_of_range"),
    ("scheduled_start", "2201-01-01T00:00:00Z", "out_of_range"),
    ("scheduled_start", "2200-12-31T23:00:00-02:00", "out_of_range"),
    ("scheduled_end", "2026-06-15T14:59:59+02:00", "invalid"),
    # numbers
    ("lead_minutes", -1, "min_value"),
    ("lead_minutes", 0, "min_value"),
    ("lead_minutes", 31 * 24 * 60, "max_value"),
    ("lead_minutes", 2**63, "max_value"),
    ("lead_minutes", True, "invalid"),
    ("lead_minutes", "30", "invalid"),
    ("lead_minutes", 30.5, "invalid"),
    ("lead_minutes", 30.0, "invalid"),
    ("lead_minutes", 1e400, "invalid"),
    # words
    ("status", "NONSENSE", "invalid_choice"),
    ("status", 7, "invalid_choice"),
    ("status", ["SCHEDULED"], "invalid_choice"),
    ("status", None, "null"),
    # fields
    ("id", 7, "read_only"),
    ("version", 7, "read_only"),
    ("reminder_status", "SENT", "read_only"),
    ("created_at", "2026-06-15T15:00:00Z", "read_only"),
    ("updated_at", "2026-06-15T15:00:00Z", "read_only"),
    ("known_at", "2026-06-15T15:00:00Z", "unknown_field"),
    ("colour", "red", "unknown_field"),
    ("\ud800", "red", "unknown_field"),
    ("", "red", "unknown_field"),
]


@pytest.mark.parametrize(("field", "value", "code"), BAD)
@pytest.mark.parametrize("call", ["post", "patch", "put"])
def test_a_value_that_is_none(api, call, field, value, code):
    body = {**WORK, field: value}
    text = json.dumps(body).replace("Infinity", "1e400")
    before = AssignmentFactory(scheduled_start="2026-06-15T13:00:00Z") if call == "patch" else None
    url = {
        "post": "/api/assignments",
        "patch": f"/api/assignments/{before.pk if before else 0}",
        "put": "/api/assignments/by-reference/W-1",
    }[call]
    refused = getattr(api, call)(url, text)
    if call == "put" and field == "reference":
        code = "read_only"
    named = field.encode("utf-8", "backslashreplace").decode() or None
    assert (refused.status_code, faults(refused)) == (400, [(named, code)])
    assert Assignment.objects.count() == (1 if before else 0)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2026-06-15T15:00:00+02:00", "2026-06-15T13:00:00Z"),
        ("2026-06-15t13:00:00z", "2026-06-15T13:00:00Z"),
        ("2026-06-15 13:00:00Z", "2026-06-15T13:00:00Z"),
        ("2026-06-15T13:00Z", "2026-06-15T13:00:00Z"),
        ("2026-06-15T13:00:00.5Z", "2026-06-15T13:00:00Z"),
        ("2026-06-15T13:00:00.123456789Z", "2026-06-15T13:00:00Z"),
        ("2026-06-15T13:00:00-00:00", "2026-06-15T13:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("2200-12-31T23:59:59Z", "2200-12-31T23:59:59Z"),
        # the night in which a local hour is there twice: an offset says which one is meant
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z"),
    ],
)
def test_an_instant_is_kept_to_the_second(api, text, kept):
    made = api.post("/api/assignments", {**WORK, "scheduled_start": text})
    assert (made.status_code, made.json()["scheduled_start"]) == (201, kept)


def test_every_fault_is_said_at_once(api):
    refused = api.post("/api/assignments", {"title": "", "lead_minutes": 0, "colour": "red"})
    assert sorted(faults(refused)) == [
        ("colour", "unknown_field"),
        ("lead_minutes", "min_value"),
        ("scheduled_start", "required"),
        ("title", "blank"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (*WORK, "reference", "notes", "assignee", "status", "scheduled_end", "lead_minutes", "id")


@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=JSON | st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_no_json_is_too_much(api, body):
    with transaction.atomic():
        for call, url in (("post", "/api/assignments"), ("put", "/api/assignments/by-reference/W-1")):
            answer = getattr(api, call)(url, json.dumps(body))
            assert answer.status_code in (200, 201, 400, 409)
            if answer.status_code >= 400:
                assert faults(answer)


# --- addresses, methods, callers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "/api/",
        "/api/nothing",
        "/api/assignments/x",
        "/api/assignments/-1",
        "/api/\x00",
        "/api/%ff",
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_address_that_is_none(url, method):
    answer = getattr(Client(), method)(url)
    assert (answer.status_code, faults(answer)) == (404, [(None, "not_found")])


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_a_method_that_is_none(api, method):
    answer = getattr(api, method)("/api/assignments")
    assert (answer.status_code, faults(answer)) == (405, [(None, "method_not_allowed")])
    assert answer["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Bearer x y", "Bearer \xff", "Basic eDp5", "Token x", "\x00"],
)
def test_nobody(clock, header):
    answer = Client().get("/api/assignments", headers={"Authorization": header})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    assert [code for _, code in faults(answer)] in (["not_authenticated"], ["authentication_failed"])


def test_a_token_that_was_revoked(clock):
    api = ApiCaller("read")
    ApiToken.objects.update(revoked_at="2026-01-01T00:00:00Z")
    assert api.get("/api/assignments").status_code == 401


def test_a_token_may_only_do_what_it_is_for(clock):
    answer = ApiCaller("read").post("/api/assignments", WORK)
    assert (answer.status_code, faults(answer)) == (403, [(None, "permission_denied")])


@pytest.mark.parametrize(
    "url", ["assignments", "assignments/1", "assignments/export", "admin/reminders/summary"]
)
def test_a_staff_session_reads_with_a_role_only(client, clock, django_user_model, url):
    """As on the Ops pages."""
    set_up_roles()
    AssignmentFactory()
    user = django_user_model.objects.create_user("nobody", is_staff=True)
    client.force_login(user)
    refused = client.get(f"/api/{url}")
    assert (refused.status_code, faults(refused)) == (403, [(None, "permission_denied")])
    user.groups.add(Group.objects.get(name=roles.VIEWERS))
    answer = client.get(f"/api/{url}")
    assert answer.status_code in (200, 404)
    if answer.streaming:
        assert b"".join(answer.streaming_content)


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_a_slash_too_many_leads_to_the_address(api, method):
    moved = getattr(api, method)("/api/assignments/?q=1" if method != "get" else "/api/assignments/")
    assert moved.status_code == 308
    assert moved["Location"] == ("/api/assignments" if method == "get" else "/api/assignments?q=1")


@pytest.mark.parametrize("path", ["/api/nothing/", "/api//", "/api/assignments/1/explode/"])
def test_a_slash_behind_nothing_is_not_found(api, path):
    assert api.get(path).status_code == 404


def test_nothing_personal_is_kept_by_caches(api):
    AssignmentFactory()
    for path in ("assignments", "assignments/export", "assignments/0", "nothing"):
        answer = api.get(f"/api/{path}")
        assert "no-store" in answer["Cache-Control"], path
        if answer.streaming:
            assert b"".join(answer.streaming_content)


def test_a_session_needs_a_csrf_token(clock, admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    answer = client.post("/api/assignments", json.dumps(WORK), content_type="application/json")
    assert (answer.status_code, faults(answer)) == (403, [(None, "permission_denied")])
    assert not Assignment.objects.exists()


def test_a_host_that_is_not_ours():
    answer = Client().get("/api/assignments", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["type"]) == (400, "invalid")


# --- the database ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("connection already closed")])
def test_a_database_that_does_not_answer(api, error):
    with mock.patch("django.db.backends.utils.CursorWrapper.execute", side_effect=error):
        answer = api.get("/api/assignments")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert faults(answer) == [(None, "unavailable")]
    assert "gone" not in answer.content.decode()


def test_a_read_only_database_still_reads_and_refuses_changes_in_plain_words(clock, settings):
    settings.API_RATE = 0  # A call that cannot be counted would spoil the one transaction of this test.
    api = ApiCaller("read", "write", "ops")
    assignment = AssignmentFactory()
    api.get("/api/assignments")  # notes that the token was used

    def ask(call):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
            answer = call()
            transaction.set_rollback(True)
        return answer

    assert ask(lambda: api.get("/api/assignments")).status_code == 200
    for call in (
        lambda: api.post("/api/assignments", WORK),
        lambda: api.patch(f"/api/assignments/{assignment.pk}", {"title": "x"}),
        lambda: api.put("/api/assignments/by-reference/W-1", WORK),
        lambda: api.post(f"/api/assignments/{assignment.pk}/start"),
        lambda: api.post("/api/admin/reminders/rescan"),
        lambda: api.post("/api/admin/reminders/pause", {"reason": "x"}),
    ):
        answer = ask(call)
        assert (answer.status_code, faults(answer)) == (503, [(None, "unavailable")])
        assert answer["Retry-After"] == "5"


def test_a_fault_of_the_program_is_a_500_in_the_same_shape(api):
    api.client.raise_request_exception = False
    with mock.patch(
        "reminders.web.api.pagination.PageQuery.checked", side_effect=ZeroDivisionError("secret")
    ):
        answer = api.get("/api/assignments")
    assert (answer.status_code, answer.json()["type"]) == (500, "internal")
    assert faults(answer) == [(None, "internal")]
    assert "secret" not in answer.content.decode()
