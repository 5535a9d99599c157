"""Several lead times of an assignment: how they are given, checked, stored, shown and followed."""

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from assignments import services
from assignments.imports.csv_rows import read_csv
from assignments.imports.json_rows import read_json
from assignments.imports.writer import import_rows
from assignments.leads import checked_leads
from assignments.models import Assignment
from reminders.delivery import scan
from reminders.models import Kind, Reminder, RuleSchedule, State
from tests.conftest import NOON
from tests.factories import AssignmentFactory
from tests.fakes.api_caller import ApiCaller

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def rows(assignment: Assignment) -> list[tuple[str, Any, str, str]]:
    assignment.refresh_from_db()
    found = Reminder.objects.filter(assignment=assignment, version=assignment.version, kind=Kind.REMINDER)
    return [(row.rule, row.due_at, row.state, row.reason) for row in found.order_by("due_at")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "a list has 0 lead times: 1 to 5 whole numbers from 1 to 43200 are needed"),
        ([10, 20, 30, 40, 50, 60], "has 6 lead times: 1 to 5 whole numbers from 1 to 43200 are needed"),
        ([30, 39], "30 and 39 are too close: at least 10 minutes between them are needed"),
        ([30, 30], "30 and 30 are too close: at least 10 minutes between them are needed"),
        ([30, 0], "0 is out of range: 1 to 5 whole numbers from 1 to 43200 are needed"),
        ([43_201], "43201 is out of range: 1 to 5 whole numbers from 1 to 43200 are needed"),
        ([30, "60"], "'60' is not a whole number: 1 to 5 whole numbers from 1 to 43200 are needed"),
        ([30, True], "true is not a whole number: 1 to 5 whole numbers from 1 to 43200 are needed"),
        ([30, 60.0], "60.0 is not a whole number: 1 to 5 whole numbers from 1 to 43200 are needed"),
        ([30, [60]], "a list is not a whole number: 1 to 5 whole numbers from 1 to 43200 are needed"),
        ([30, None], "null is not a whole number: 1 to 5 whole numbers from 1 to 43200 are needed"),
    ],
)
def test_lead_times_that_are_not_accepted_together_are_refused_by_name(given, said):
    with pytest.raises(ValidationError) as refused:
        checked_leads(given)
    assert refused.value.messages[0].endswith(said)
    with pytest.raises(ValidationError) as refused:
        AssignmentFactory(lead_minutes=given)
    assert list(refused.value.message_dict) == ["lead_minutes"]


def test_the_shortest_is_the_built_in_rule_and_the_others_have_numbers(clock, config):
    work = AssignmentFactory(scheduled_start=NOON + 3 * DAY, lead_minutes=[30, 2880, 1440])
    assert (work.lead_minutes, work.further_lead_minutes) == (30, "1440 2880")
    assert RuleSchedule.objects.get().next_at == NOON + DAY
    for instant in (NOON + DAY, NOON + 2 * DAY, NOON + 3 * DAY - 30 * MINUTE):
        clock.set(instant - MINUTE)
        assert scan.scan(trigger="cli", config=config).counts.unaccounted == 0
    assert [(rule, due) for rule, due, *_ in rows(work)] == [
        ("default:3", NOON + DAY),
        ("default:2", NOON + 2 * DAY),
        ("default", NOON + 3 * DAY - 30 * MINUTE),
    ]


def test_a_list_of_one_is_a_number(clock):
    work = AssignmentFactory(lead_minutes=[45])
    assert (work.lead_minutes, work.further_lead_minutes) == (45, "")
    assert not RuleSchedule.objects.exists()


def sent(work: Assignment, rule: str) -> None:
    """As finishing does it, when the row is due."""
    row = Reminder.objects.get(assignment=work, version=work.version, rule=rule)
    at = row.due_at
    Reminder.objects.filter(pk=row.pk).update(
        state=State.SENT, attempts=1, begun_at=at, sent_at=at, closed_at=at
    )


def test_a_further_lead_reminds_though_the_single_one_has_reminded_already(clock):
    """The key `default` goes to another lead by the change: what counts is how long before the start was reminded."""
    work = AssignmentFactory(scheduled_start=NOON + 2 * 60 * MINUTE, lead_minutes=110)
    sent(work, "default")
    clock.set(NOON + 20 * MINUTE)
    services.change(work.pk, {"lead_minutes": [110, 30]})
    assert rows(work) == [
        ("default:2", NOON + 10 * MINUTE, State.SKIPPED, "already_told"),
        ("default", NOON + 90 * MINUTE, State.PLANNED, ""),
    ]


def test_another_list_keeps_what_has_reminded_and_one_number_is_as_before(clock):
    work = AssignmentFactory(scheduled_start=NOON + 2 * 60 * MINUTE, lead_minutes=[110, 30])
    sent(work, "default:2")
    clock.set(NOON + 20 * MINUTE)
    services.change(work.pk, {"lead_minutes": [110, 60, 30]})
    assert [(rule, reason) for rule, _, _, reason in rows(work)] == [
        ("default:3", "already_told"),
        ("default:2", ""),
        ("default", ""),
    ]
    services.change(work.pk, {"lead_minutes": 30})
    assert rows(work) == [("default", NOON + 90 * MINUTE, State.PLANNED, "")]
    work.refresh_from_db()
    assert work.further_lead_minutes == ""


def test_the_same_leads_in_another_order_are_no_change(clock):
    work = AssignmentFactory(lead_minutes=[60, 30])
    services.change(work.pk, {"lead_minutes": [30, 60]})
    work.refresh_from_db()
    assert work.version == 1
    before = services.etag(work)
    services.change(work.pk, {"lead_minutes": [30, 70]})
    work.refresh_from_db()
    assert work.version == 2
    assert services.etag(work) != before


ROWS = [
    {"reference": "A", "title": "a", "scheduled_start": "2026-06-18T12:00:00Z", "lead_minutes": [1440, 30]},
    {"reference": "B", "title": "b", "scheduled_start": "2026-06-18T12:00:00Z", "lead_minutes": 45},
    {"reference": "C", "title": "c", "scheduled_start": "2026-06-18T12:00:00Z", "lead_minutes": None},
]
TABLE = (
    "reference,title,scheduled_start,lead_minutes\n"
    "A,a,2026-06-18T12:00:00Z,1440 30\nB,b,2026-06-18T12:00:00Z,45\nC,c,2026-06-18T12:00:00Z,\n"
)


def stored() -> list[tuple[Any, ...]]:
    return list(
        Assignment.objects.order_by("reference").values_list(
            "reference", "lead_minutes", "further_lead_minutes", "version"
        )
    )


@pytest.mark.parametrize(
    "source",
    [
        lambda: read_json(io.BytesIO(json.dumps(ROWS).encode())),
        lambda: read_csv(io.BytesIO(TABLE.encode())),
        lambda: read_csv(io.BytesIO(TABLE.replace("1440 30", '"30, 1440"').encode())),
    ],
)
def test_files_hold_several_and_are_taken_twice_without_a_change(clock, source):
    assert import_rows(list(source())).created == 3
    assert import_rows(list(source())).unchanged == 3
    assert stored() == [("A", 30, "1440", 1), ("B", 45, "", 1), ("C", None, "", 1)]
    Assignment.objects.filter(reference="B").update(title="other")
    services.change(Assignment.objects.get(reference="A").pk, {"lead_minutes": [60, 200, 600]})
    assert import_rows(list(source())).updated == 2
    assert stored() == [("A", 30, "1440", 3), ("B", 45, "", 1), ("C", None, "", 1)]


def test_a_bad_list_in_a_file_is_named(clock):
    read = list(read_csv(io.BytesIO(TABLE.replace("1440 30", "1440 x").encode())))
    assert [(error.row, error.field, error.code) for error in read[0]] == [(2, "lead_minutes", "invalid")]


@pytest.fixture
def api(clock):
    return ApiCaller("read", "write")


def test_the_api_takes_and_shows_a_number_null_or_a_list(api):
    made = api.post("/api/assignments", {**ROWS[0], "lead_minutes": [30, 1440]})
    assert made.status_code == 201
    assert made.json()["lead_minutes"] == [1440, 30]
    one = f"/api/assignments/{made.json()['id']}"
    for given in (45, None, [60, 50], 30):
        assert api.patch(one, {"lead_minutes": given}).json()["lead_minutes"] == given
        assert api.get(one).json()["lead_minutes"] == given
    refused = api.patch(one, {"lead_minutes": [30, 35]})
    assert refused.status_code == 400
    assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [
        ("lead_minutes", "too_close")
    ]


def test_exports_are_imported_as_they_are(api):
    import_rows(list(read_json(io.BytesIO(json.dumps(ROWS).encode()))))
    for kind, read in (("json", read_json), ("csv", read_csv)):
        answer = api.get(f"/api/assignments/export?format={kind}")
        body = b"".join(answer.streaming_content)
        given = list(read(io.BytesIO(body)))
        assert [one for one in given if isinstance(one, list)] == []
        assert import_rows(given).unchanged == 3
    assert '"lead_minutes": [1440, 30]' in json.dumps(
        json.loads(b"".join(api.get("/api/assignments/export?format=json").streaming_content))
    )
