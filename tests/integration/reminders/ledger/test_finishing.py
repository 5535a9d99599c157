"""Recording how sends ended, many of them at once."""

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from assignments.models import Assignment
from reminders.delivery import deliver, dispatch
from reminders.ledger import beginning, counters, finishing, leases
from reminders.models import Counter, Kind, Reminder, State
from tests.factories import NOON, AssignmentFactory
from tests.fakes.broker import MemoryBroker
from tests.plans import explained, nodes_of

pytestmark = pytest.mark.django_db

MANY = 100
TYPES = {
    "ids": "bigint[]",
    "tickets": "bigint[]",
    "numbers": "int[]",
    "outcomes": "int[]",
    "ended": "timestamptz[]",
    "message_ids": "text[]",
    "current": "boolean[]",
    "common": "json",
}


def nodes_of_generic_plan(statement: str, params: dict[str, str]) -> list[dict[str, Any]]:
    """The nodes of the plan that a prepared statement gets for whatever parameters, run once, flat."""
    places = {name: f"${number}" for number, name in enumerate(TYPES, 1)}
    text = re.sub(r"%\((\w+)\)s", lambda found: places[found[1]], statement)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE asked ({', '.join(TYPES.values())}) AS {text}")
        values = ", ".join(["%s"] * len(TYPES))
        plan = explained(f"EXECUTE asked({values})", [params[name] for name in TYPES])
        cursor.execute("DEALLOCATE asked")
    return nodes_of(plan)


@pytest.mark.parametrize(
    "known", [{"reltuples": -1, "relpages": 0}, {"reltuples": 0, "relpages": 1}], ids=str
)
@pytest.mark.parametrize("table", ["reminders_reminder", "assignments_assignment"])
def test_many_ends_are_not_compared_each_with_every_other(clock, config, table, known):
    """Also where PostgreSQL knows nothing yet of tables that have just been filled, as after a scan with much to plan."""
    AssignmentFactory.create_batch(MANY, soon=True)
    rows = Reminder.objects.filter(kind=Kind.REMINDER).order_by("id")
    rows.update(state=State.SENDING, ticket=1, attempts=1, begun_at=NOON, lease_until=NOON)
    ids = list(rows.values_list("id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET reltuples = %(reltuples)s, relpages = %(relpages)s WHERE relname = %(table)s",
            {**known, "table": table},
        )
    common = {"o": 0, "state": "SENT", "reason": "", "retry_at": None, "counted": 0, "doubt": 0}
    common |= {"begun_at": NOON.isoformat(), "outcome": "accepted", "code": "250", "detail": ""}
    common |= {"template_version": None, "template_fault": ""}

    def of_each(value: object) -> str:
        return "{" + ",".join([str(value)] * MANY) + "}"

    nodes = nodes_of_generic_plan(
        finishing.FINISH,
        {
            "ids": "{" + ",".join(map(str, ids)) + "}",
            "tickets": of_each(1),
            "numbers": of_each(1),
            "outcomes": of_each(0),
            "ended": of_each(f'"{NOON.isoformat()}"'),
            "message_ids": of_each("a@b"),
            "current": of_each("t"),
            "common": json.dumps([common]),
        },
    )
    assert rows.filter(state=State.SENT).count() == MANY
    assert Assignment.objects.filter(reminder_status="SENT").count() == MANY
    compared = sum(node.get("Rows Removed by Join Filter", 0) * node["Actual Loops"] for node in nodes)
    assert compared < MANY
    assert max(node["Actual Loops"] for node in nodes) <= MANY


def test_of_a_slice_what_has_landed_and_what_was_recorded_before_are_told_apart(clock, config, channel_of):
    """One row has lost its ticket, and the attempt of another was recorded as unknowable before its late answer."""
    AssignmentFactory.create_batch(3, soon=True)
    broker = MemoryBroker()
    dispatch.dispatch(config=config, broker=broker)
    begun = beginning.begin(broker.hints(), config=config)
    ends = deliver._send_all(begun.claims, config, channel_of)
    lost, late, usual = [end.claim.row.id for end in ends]
    Reminder.objects.filter(pk=late).update(lease_until=NOON)
    assert [row.reminder_id for row in leases.reap(config).ambiguous_rows] == [late]
    Reminder.objects.filter(pk=lost).update(ticket=F("ticket") + 1)
    landed = finishing.finish(ends, config=config).landed
    assert [end.claim.row.id for end in landed] == [late, usual]
    states = dict(Reminder.objects.values_list("pk", "state"))
    assert states == {lost: State.SENDING, late: State.SENT, usual: State.SENT}
    counted = Counter.objects.filter(name=counters.ATTEMPTS, value__gt=0).values_list("labels", "value")
    assert {labels.rpartition("=")[2]: value for labels, value in counted} == {"accepted": 1, "unknowable": 1}
