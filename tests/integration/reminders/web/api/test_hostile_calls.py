"""What nobody should send to the calls about acts, teams, people, rules and lead times: nothing of it is written.

All refusals have one shape. Each names the field and what is accepted, and shows what was sent, shortened.
"""

import json
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.db import connection

from assignments import teams
from assignments.models import Assignment
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.fakes.api_caller import ApiCaller
from tests.rule_factory import rule

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]

HUGE = 9 * 10**30
FIVE_MB = "x" * 5_000_000
DEEP = b"[" * 5_000
ACT = "/api/assignments/{work}/"
IMPORT = "/api/assignments/import"
TEAMS, RULES, PEOPLE, PREVIEW = "/api/teams", "/api/rules", "/api/people", "/api/rules/preview"
RULE = {"name": "R", "audience": "assignee", "trigger": {"type": "before_start", "minutes": 60}}
WORK = {"title": "A", "scheduled_start": "2026-06-16T09:00:00Z"}
CSV_HEADER = "title,scheduled_start,lead_minutes,team\nA,2026-06-16T09:00:00Z,"


class Sent(NamedTuple):
    """A call, and how it is refused: the message has these words."""

    method: str
    address: str
    body: Any
    status: int
    field: str | None
    code: str
    words: str = ""
    content_type: str = "application/json"


def post(address: str, body: Any, field: str | None, code: str, words: str = "", **more: Any) -> Sent:
    return Sent("post", address, body, more.pop("status", 400), field, code, words, **more)


def raw(name: str, value: bytes) -> bytes:
    return b'{"%s": %s}' % (name.encode(), value)


def trigger(**values: Any) -> dict[str, Any]:
    return {**RULE, "trigger": values}


def at(time: Any, days: Any = 1) -> dict[str, Any]:
    return trigger(type="at_local_time", days_before=days, at=time)


def scope(**values: Any) -> dict[str, Any]:
    return {**RULE, "scope": values}


ACTS = [
    post(f"{ACT}confirm", {"version": 0}, "version", "min_value", "0 is too small: 1 or more"),
    post(f"{ACT}confirm", {"version": HUGE}, "version", "max_value", "2147483647 or less"),
    post(f"{ACT}start", {"version": "1"}, "version", "invalid", "'1' is not a whole number"),
    post(f"{ACT}start", {"version": 1.0}, "version", "invalid", "1.0 is not a whole number"),
    post(f"{ACT}complete", {"version": True}, "version", "invalid", "true is not a whole number"),
    post(f"{ACT}complete", {"version": [1]}, "version", "invalid", "a list is not a whole number"),
    post(f"{ACT}confirm", {"version": {"a": 1}}, "version", "invalid", "an object is not a whole number"),
    post(f"{ACT}confirm", raw("version", b"NaN"), None, "parse_error", "NaN is not a JSON number"),
    post(f"{ACT}late", raw("minutes", b"Infinity"), None, "parse_error", "Infinity is not a JSON number"),
    post(f"{ACT}late", raw("minutes", b"1e400"), "minutes", "invalid", "is not a whole number"),
    post(f"{ACT}late", raw("minutes", b"9" * 5_000), None, "parse_error", "a number has 5,000 digits"),
    post(f"{ACT}start", b'{"version": 1, "version": 2}', None, "parse_error", "'version' occurs twice"),
    post(f"{ACT}late", b'{"minutes": 15, "minutes": 90}', None, "parse_error", "'minutes' occurs twice"),
    post(f"{ACT}start", DEEP, None, "parse_error", "nested too deeply"),
    post(f"{ACT}start", b"\xff", None, "parse_error", "not in UTF-8"),
    post(f"{ACT}start", b"{", None, "parse_error", "is not JSON"),
    post(f"{ACT}start", b"[]", None, "invalid", "a list is not an object: one with version"),
    post(f"{ACT}start", b"7", None, "invalid", "7 is not an object"),
    post(f"{ACT}start", {"minutes": 5}, "minutes", "unknown_field", "version can be sent"),
    post(f"{ACT}start", {"actor": "root", "via": "ops"}, "actor", "unknown_field"),
    post(f"{ACT}start", {"started_at": "2026-01-01T00:00:00Z"}, "started_at", "unknown_field"),
    post(f"{ACT}start", {"\ud800": 1}, "\\ud800", "unknown_field"),
    post(f"{ACT}late", {}, "minutes", "required", "minutes is missing"),
    post(f"{ACT}late", {"minutes": None}, "minutes", "null", "a whole number is needed"),
    post(f"{ACT}late", {"minutes": 4}, "minutes", "min_value", "4 is too small: 5 or more"),
    post(f"{ACT}late", {"minutes": -5}, "minutes", "min_value"),
    post(f"{ACT}late", {"minutes": 241}, "minutes", "max_value", "241 is too large: 240 or less"),
    post(f"{ACT}late", {"minutes": "15"}, "minutes", "invalid"),
    post(f"{ACT}late", {"minutes": [15]}, "minutes", "invalid"),
    post(f"{ACT}on-my-way", {"minutes": 0}, "minutes", "min_value"),
    post(f"{ACT}on-my-way", {"minutes": 2**31}, "minutes", "max_value", "1440 or less"),
    post(f"{ACT}decline", {"note": "a\0b"}, "note", "null_characters_not_allowed", "NUL"),
    post(f"{ACT}decline", {"note": "\ud800"}, "note", "surrogate_characters_not_allowed", "surrogate"),
    post(
        f"{ACT}decline", {"note": FIVE_MB}, "note", "max_length", "has 5,000,000 characters: no more than 200"
    ),
    post(f"{ACT}decline", {"note": 7}, "note", "invalid", "7 is not text"),
    post(f"{ACT}decline", {"note": ["x"]}, "note", "invalid", "a list is not text"),
    post(f"{ACT}start", b"version=1", None, "unsupported_media_type", status=415, content_type="text/csv"),
    Sent("get", f"{ACT}start", None, 405, None, "method_not_allowed"),
    Sent("delete", f"{ACT}confirm", None, 405, None, "method_not_allowed"),
    post(f"/api/assignments/{HUGE}/start", {}, None, "not_found", status=404),
    post("/api/assignments/0/decline", {}, None, "not_found", status=404),
    post(f"{ACT}start", {"version": 2}, None, "stale", "version 2", status=412),
]
TEAM_CALLS = [
    post(TEAMS, {}, "name", "required", "name is missing"),
    post(TEAMS, {"name": " "}, "name", "blank", "text is needed"),
    post(TEAMS, {"name": None}, "name", "null", "text is needed"),
    post(TEAMS, {"name": ["x"]}, "name", "invalid", "a list is not text"),
    post(TEAMS, {"name": "x" * 101}, "name", "max_length", "has 101 characters: no more than 100"),
    post(TEAMS, {"name": FIVE_MB}, "name", "max_length", "'... has 5,000,000 characters"),
    post(TEAMS, {"name": "a\0"}, "name", "null_characters_not_allowed", "'a\\x00'"),
    post(TEAMS, {"name": "\ud800"}, "name", "surrogate_characters_not_allowed", "'\\ud800'"),
    post(TEAMS, {"name": "Other"}, "name", "unique"),
    post(TEAMS, {"name": "\u202e"}, "name", "blank"),
    post(TEAMS, {"name": "\x1b\x07\x9b"}, "name", "blank"),
    *(
        post(TEAMS, {"name": "T", "time_zone": zone}, "time_zone", "unknown_time_zone", "like Europe/Berlin")
        for zone in ("Factory", "../etc", "/etc/passwd", "europe/berlin", "Europe", "posixrules", "right/UTC")
    ),
    post(TEAMS, {"name": "T", "time_zone": ["UTC"]}, "time_zone", "invalid", "a list is not text"),
    *(
        post(
            TEAMS, {"name": "T", "quiet_from": time, "quiet_until": "08:00"}, "quiet_from", "invalid", "23:59"
        )
        for time in (
            "24:00",
            "23:60",
            "7:00",
            "07:00:00",
            7,
            True,
            ["07:00"],
            {"h": 7},
            "\u0660\u0667:00",
            "a\0",
        )
    ),
    post(
        TEAMS, {"name": "T", "quiet_from": "22:00"}, "quiet_until", "required", "quiet_from and quiet_until"
    ),
    post(
        TEAMS, {"name": "T", "quiet_from": "22:00", "quiet_until": "22:00"}, "quiet_until", "invalid", "22:00"
    ),
    post(TEAMS, {"name": "T", "supervisors": "1"}, "supervisors", "not_a_list", "'1' is not a list"),
    post(
        TEAMS, {"name": "T", "supervisors": {"a": 1}}, "supervisors", "not_a_list", "an object is not a list"
    ),
    post(TEAMS, {"name": "T", "supervisors": None}, "supervisors", "null", "a list is needed"),
    post(TEAMS, {"name": "T", "supervisors": [0]}, "supervisors.0", "min_value", "0 is too small"),
    post(TEAMS, {"name": "T", "supervisors": [HUGE]}, "supervisors.0", "max_value", "or less is needed"),
    post(
        TEAMS, {"name": "T", "supervisors": [True]}, "supervisors.0", "invalid", "true is not a whole number"
    ),
    post(TEAMS, {"name": "T", "supervisors": [[1]]}, "supervisors.0", "invalid", "a list is not"),
    post(TEAMS, {"name": "T", "supervisors": [2**63 - 1]}, "supervisors", "unknown", "no person 922"),
    post(TEAMS, {"name": "T", "supervisors": [1] * 101}, "supervisors", "max_length", "no more than 100"),
    post(TEAMS, {"name": "T", "id": 7}, "id", "read_only"),
    post(TEAMS, b'{"name": "A", "name": "B"}', None, "parse_error", "'name' occurs twice"),
    Sent("patch", f"{TEAMS}/{{team}}", {"quiet_from": "22:00"}, 400, "quiet_until", "required"),
    Sent("patch", f"{TEAMS}/{{team}}", {"supervisors": [1, "x"]}, 400, "supervisors.1", "invalid", "'x'"),
    Sent("patch", f"{TEAMS}/{HUGE}", {"name": "A"}, 404, None, "not_found"),
    Sent("delete", f"{TEAMS}/{{team}}", None, 409, None, "in_use", "give them another team"),
    Sent("delete", f"{TEAMS}/{HUGE}", None, 404, None, "not_found"),
    Sent("put", f"{TEAMS}/{{team}}", {"name": "A"}, 405, None, "method_not_allowed"),
    post(PEOPLE, {"name": "P", "team": 987_654_321}, "team", "unknown", "no team 987654321"),
    post(PEOPLE, {"name": "P", "team": ["x"]}, "team", "invalid", "a list is not"),
    post(PEOPLE, {"name": "P", "team": HUGE}, "team", "max_value"),
    post(PEOPLE, {"name": "P", "quiet_from": "24:00"}, "quiet_from", "invalid", "'24:00'"),
    Sent("patch", f"{PEOPLE}/{{person}}", {"time_zone": "../etc"}, 400, "time_zone", "unknown_time_zone"),
    Sent("get", f"{PEOPLE}?team={HUGE}", None, 400, "team", "invalid", "is not a positive whole number"),
    Sent("get", f"{PEOPLE}?team=1&team=2", None, 400, "team", "invalid", "a list is not"),
    Sent("get", f"{PEOPLE}?reference=%00", None, 400, "reference", "null_characters_not_allowed"),
]
RULE_CALLS = [
    *(
        post(
            RULES,
            {**RULE, name: value},
            name,
            "null" if value is None else "invalid_choice",
            " is not one of ",
        )
        for name in ("audience", "condition", "quiet_hours", "when_past")
        for value in ("nonsense", None, 7, ["assignee"], {"a": 1}, "\ud800", "", "x" * 5_000)
    ),
    post(RULES, {**RULE, "trigger": "x"}, "trigger", "invalid", "'x' is not an object: one with type"),
    post(RULES, {**RULE, "trigger": []}, "trigger", "invalid", "a list is not an object"),
    post(RULES, {**RULE, "trigger": None}, "trigger", "null", "an object is needed"),
    post(RULES, {**RULE, "trigger": {}}, "trigger.type", "required"),
    post(
        RULES,
        trigger(type=["before_start"]),
        "trigger.type",
        "invalid_choice",
        "a list is not one of before_start",
    ),
    post(RULES, trigger(type="\ud800"), "trigger.type", "invalid_choice"),
    post(RULES, trigger(type="before_start"), "trigger.minutes", "invalid", "nothing: 1 to 43200 minutes"),
    post(RULES, trigger(type="before_start", minutes=0), "trigger.minutes", "invalid", "1 to 43200 minutes"),
    post(RULES, trigger(type="before_start", minutes=-1), "trigger.minutes", "min_value", "-1 is too small"),
    post(
        RULES,
        trigger(type="before_start", minutes=43_201),
        "trigger.minutes",
        "max_value",
        "43201 is too large",
    ),
    post(RULES, trigger(type="before_start", minutes=HUGE), "trigger.minutes", "max_value"),
    post(RULES, trigger(type="before_start", minutes=True), "trigger.minutes", "invalid", "true is not a"),
    post(RULES, trigger(type="before_start", minutes=[60]), "trigger.minutes", "invalid", "a list is not a"),
    post(
        RULES, trigger(type="before_start", minutes=60, at="18:00"), "trigger.at", "invalid", "no local time"
    ),
    post(
        RULES,
        trigger(type="before_start", minutes=60, colour=1),
        "trigger.colour",
        "unknown_field",
        "minutes",
    ),
    *(
        post(RULES, at(time), "trigger.at", "invalid", " is not a time: one from 00:00 to 23:59")
        for time in (
            "24:00",
            "18",
            "18:00:00",
            "6:00",
            "18:60",
            18,
            True,
            ["18:00"],
            "\u0661\u0668:00",
            "a\0",
            "\ud800",
        )
    ),
    post(RULES, at(None), "trigger.at", "invalid", "a local time is needed"),
    post(RULES, at("18:00", 31), "trigger.days_before", "max_value", "31 is too large: 30 or less"),
    post(RULES, at("18:00", -1), "trigger.days_before", "min_value"),
    post(RULES, at("18:00", 1.0), "trigger.days_before", "invalid", "1.0 is not a whole number"),
    post(RULES, at("18:00", None), "trigger.days_before", "invalid", "0 to 30 days"),
    post(RULES, {**RULE, "scope": "everyone"}, "scope", "invalid", "'everyone' is not an object"),
    post(RULES, scope(), "scope.type", "required"),
    post(RULES, scope(type=["team"]), "scope.type", "invalid_choice", "a list is not one of everyone"),
    post(RULES, scope(type="everyone", value="x"), "scope.value", "invalid", "'x'"),
    post(RULES, scope(type="kind"), "scope.value", "invalid", "a kind of work is needed"),
    post(RULES, scope(type="kind", value="x" * 61), "scope.value", "max_length", "no more than 60"),
    post(RULES, scope(type="kind", value="a\0"), "scope.value", "null_characters_not_allowed"),
    *(
        post(
            RULES,
            scope(type="team", value=value),
            "scope.value",
            "invalid",
            "the id of a known team is needed",
        )
        for value in ("", "x", "0", "-1", "987654321", "9" * 30, "\u0661", "\u00b2", "1.0", "01")
    ),
    post(RULES, scope(type="team", value=1), "scope.value", "invalid", "1 is not text"),
    post(RULES, scope(type="person", value="987654321"), "scope.value", "invalid", "a known person"),
    post(RULES, scope(type="assignment", value="987654321"), "scope.value", "invalid", "a known assignment"),
    post(RULES, {**RULE, "channels": "email"}, "channels", "not_a_list", "'email' is not a list"),
    post(RULES, {**RULE, "channels": [["email"]]}, "channels.0", "invalid", "a list is not text"),
    post(RULES, {**RULE, "enabled": "true"}, "enabled", "invalid", "'true' is neither true nor false"),
    post(RULES, {**RULE, "enabled": None}, "enabled", "null", "true or false is needed"),
    post(RULES, {**RULE, "mandatory": []}, "mandatory", "invalid", "a list is neither"),
    post(RULES, {**RULE, "repeat": 5}, "repeat", "invalid", "5 is not an object: one with every_minutes"),
    post(
        RULES,
        {**RULE, "reason": "x" * 5_000},
        "reason",
        "max_length",
        "has 5,000 characters: no more than 500",
    ),
    post(RULES, {**RULE, "id": 7}, "id", "read_only"),
    post(RULES, {**RULE, "name": FIVE_MB}, "name", "max_length", "'... has 5,000,000 characters"),
    post(RULES, {**RULE, "name": "Rule 0"}, "name", "unique"),
    post(RULES, b'{"name": "A", "name": "B"}', None, "parse_error", "'name' occurs twice in one object"),
    post(RULES, DEEP, None, "parse_error", "nested too deeply"),
    Sent("patch", f"{RULES}/{{rule}}", {"trigger": {"minutes": 5}}, 400, "trigger.type", "required"),
    Sent("patch", f"{RULES}/{{rule}}", {"scope": {"value": "5"}}, 400, "scope.type", "required"),
    Sent("patch", f"{RULES}/{{rule}}", {"trigger": None}, 400, "trigger", "null"),
    Sent("patch", f"{RULES}/{HUGE}", {"name": "x"}, 404, None, "unknown_rule"),
    Sent("delete", f"{RULES}/{HUGE}", None, 404, None, "unknown_rule"),
    Sent("put", f"{RULES}/{{rule}}", RULE, 405, None, "method_not_allowed"),
    Sent("get", PREVIEW, None, 405, None, "method_not_allowed"),
    post(PREVIEW, {"id": 0}, "id", "min_value", "0 is too small"),
    post(PREVIEW, {"id": [1]}, "id", "invalid", "a list is not a whole number"),
    post(PREVIEW, {"id": 2**63 - 1}, None, "unknown_rule", status=404),
    post(PREVIEW, {"rule": 7}, "rule", "invalid", "7 is not an object: one with name"),
    post(PREVIEW, {"rule": trigger(type="before_start")}, "rule.trigger.minutes", "invalid", "1 to 43200"),
    post(PREVIEW, {"rule": scope(type="team", value="01")}, "rule.scope.value", "invalid", "'01'"),
]
LEADS = [
    *(
        post(address, body(leads), "lead_minutes", code, words)
        for address, body in (
            ("/api/assignments", lambda leads: {**WORK, "lead_minutes": leads}),
            (IMPORT, lambda leads: [{**WORK, "lead_minutes": leads}]),
        )
        for leads, code, words in (
            ([], "length", "0 lead times: 1 to 5"),
            ([10, 20, 30, 40, 50, 60], "length", "6 lead times"),
            ([0], "invalid", "0 is out of range"),
            ([HUGE], "invalid", "is out of range: 1 to 5 whole numbers from 1 to 43200"),
            ([30, "x"], "invalid", "'x' is not a whole number"),
            ([[30]], "invalid", "a list is not a whole number"),
            ([True], "invalid", "true is not"),
            ([30.0], "invalid", "30.0 is not"),
            ([None], "invalid", "null is not"),
            ([1440, 30, 35], "too_close", "30 and 35 are too close: at least 10 minutes"),
            ({"a": 30}, "invalid", "an object is not a whole number or a list of them"),
            ("1440;30", "invalid", "'1440;30' is not a whole number or a list of them"),
        )
    ),
    Sent("patch", "/api/assignments/{work}", {"lead_minutes": [30, 30]}, 400, "lead_minutes", "too_close"),
    post(IMPORT, b'[{"lead_minutes": [NaN]}]', None, "unreadable", "NaN is not a JSON number"),
    post(IMPORT, b'[{"title": "A", "title": "B"}]', None, "unreadable", "'title' occurs twice"),
    post(
        IMPORT, [{**WORK, "lead_minutes": [*range(100_000)]}], None, "unreadable", "longer than 262,144 bytes"
    ),
    *(
        post(IMPORT, f"{CSV_HEADER}{leads},\n".encode(), "lead_minutes", code, words, content_type="text/csv")
        for leads, code, words in (
            ("30;x", "invalid", "'x' is not a whole number"),
            ("1440/30", "invalid", "'1440/30' is not a whole number"),
            ("\u0663\u0660", "invalid", "is not a whole number"),
            ("30;30", "too_close", "30 and 30"),
            ("-30", "min_value", "-30 is too small"),
            ("9" * 26, "max_value", "is too large: 43200 or less"),
        )
    ),
    post(IMPORT, f"{CSV_HEADER},Nowhere\n".encode(), "team", "unknown", "'Nowhere'", content_type="text/csv"),
    post(IMPORT, [{**WORK, "team": ["Other"]}], "team", "invalid", "a list is not"),
    post(IMPORT, [{**WORK, "assignee": {"name": "Q", "team": HUGE}}], "assignee.team", "max_value"),
    *(
        post(address, body, "scheduled_start", code)
        for instant, code in (
            ("0001-01-01T00:00:00+14:00", "out_of_range"),
            ("9999-12-31T23:59:59-14:00", "out_of_range"),
            ("2026-03-29T02:30:00", "naive"),
            ("2026-06-16T24:00:01Z", "invalid"),
        )
        for address, body in (
            (f"{ACT}reschedule", {"scheduled_start": instant}),
            (IMPORT, [{**WORK, "scheduled_start": instant}]),
        )
    ),
]
CALLS = [*ACTS, *TEAM_CALLS, *RULE_CALLS, *LEADS]


def everything_stored() -> list[tuple[str, str]]:
    """Every row of the work, the people and the reminders, as text. It is asked after each call: by one statement."""
    tables = [
        model._meta.db_table
        for label in ("assignments", "reminders")
        for model in apps.get_app_config(label).get_models()
    ]
    rows = " UNION ALL ".join(f"SELECT '{table}', {table}::text FROM {table}" for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(f"{rows} ORDER BY 1, 2")
        return cursor.fetchall()


@pytest.fixture
def ids(clock):
    work = AssignmentFactory(soon=True)
    made = rule()
    team = teams.add_team(name="Other")
    Assignment.objects.filter(pk=AssignmentFactory().pk).update(team=team)
    return {"work": work.pk, "team": team.pk, "person": AssigneeFactory().pk, "rule": made.pk}


@pytest.fixture
def program(ids):
    return ApiCaller("read", "write", "ops", raise_request_exception=False)


def refuse(program: ApiCaller, sent: Sent, address: str) -> None:
    """Sends the call, and compares how it is refused."""
    if sent.method == "get":
        refused = program.get(address)
    else:
        body = json.dumps(sent.body) if isinstance(sent.body, (dict, list)) else sent.body
        refused = getattr(program, sent.method)(address, body, content_type=sent.content_type)
    found = refused.json() if refused.status_code >= 400 else {"errors": []}
    assert found.keys() - {"current"} == {"type", "title", "errors"}, (refused.status_code, found)
    first = found["errors"][0]
    assert first.keys() - {"row"} == {"field", "code", "message"}
    assert (refused.status_code, first["field"], first["code"]) == (sent.status, sent.field, sent.code), found
    assert sent.words in first["message"], found
    assert all(len(fault["message"]) <= 503 for fault in found["errors"])
    assert len(refused.content) < 4_000


@pytest.mark.parametrize(
    "calls", [ACTS, TEAM_CALLS, RULE_CALLS, LEADS], ids=["acts", "teams", "rules", "leads"]
)
def test_a_call_that_nobody_should_send_is_refused_in_one_shape(program, ids, calls):
    before = everything_stored()
    for sent in calls:
        refuse(program, sent, sent.address.format(**ids))
        assert everything_stored() == before, sent


def test_there_are_more_than_a_hundred_of_them():
    assert len({(sent.method, sent.address, str(sent.body)) for sent in CALLS}) > 200
