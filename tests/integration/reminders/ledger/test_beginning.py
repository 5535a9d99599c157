"""What begin and finish ask of the database: little for a reminder of a plan that has never changed, however large the
ledger is."""

from datetime import timedelta

import pytest
from django.db import connection

from assignments import services
from reminders.ledger import beginning, claims, finishing, sending
from reminders.ledger.records import Hint
from reminders.models import Reminder
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(asked_by) -> list[str]:
    """The statements of begin, without those about hints that are stale."""
    return asked_by(beginning)


def claimed(config) -> list[Hint]:
    return [row.hint for row in claims.claim(config, room=100, ahead=timedelta()) or []]


def test_nothing_more_is_looked_up_for_reminders_of_plans_that_have_never_changed(clock, config, asked):
    AssignmentFactory.create_batch(3, soon=True)
    assert len(beginning.begin(claimed(config), config=config).claims) == 3
    assert asked == [beginning.PICK_RATED]


def test_of_a_changed_plan_it_is_looked_up_what_the_person_has_heard(clock, config, asked):
    AssignmentFactory(soon=True)
    moved = AssignmentFactory(soon=True)
    services.reschedule(moved.pk, start=moved.scheduled_start - timedelta(minutes=5))
    begun = beginning.begin(claimed(config), config=config)
    assert {claim.row.assignment_id: claim.row.version for claim in begun.claims}[moved.pk] == 2
    assert asked == [beginning.PICK_RATED, beginning.PICK_MORE]


@pytest.mark.parametrize(
    ("statement", "params"),
    [
        (sending.MAKE_SENDING, [timedelta(seconds=25), None, '{"1": null, "2": null}', "{1,2}"]),
        (
            finishing.FINISH,
            {
                **dict.fromkeys(("ids", "tickets", "numbers"), "{1,2}"),
                "outcomes": "{0,0}",
                "ended": "{2026-11-24T10:00:00+00:00,2026-11-24T10:00:00+00:00}",
                "message_ids": "{a,b}",
                "current": "{t,t}",
                "common": '[{"o": 0}]',
            },
        ),
    ],
)
def test_rows_are_found_by_their_ids_though_nothing_is_known_of_a_ledger_that_has_grown(
    clock, config, statement, params
):
    """The statistics are those of a small ledger; a join alone would read all of it for each slice."""
    with connection.cursor() as cursor:
        # New files: the dead rows of other tests count in what PostgreSQL knows of the table and its indexes.
        cursor.execute("TRUNCATE assignments_assignment, reminders_reminder CASCADE")
    AssignmentFactory.create_batch(2, soon=True)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE reminders_reminder")
    work = AssignmentFactory()
    planned = Reminder.objects.filter(assignment=work).values()[0]
    del planned["id"]
    Reminder.objects.bulk_create(
        Reminder(**{**planned, "rule": f"rule:{number}"}) for number in range(1_000, 2_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement, params)
        plan = [line for (line,) in cursor.fetchall()]
    assert [line for line in plan if "Seq Scan on reminders_reminder" in line] == []
