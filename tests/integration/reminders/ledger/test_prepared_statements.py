"""Processes that run while a release after theirs migrates the database: their prepared statements are prepared anew."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection

from assignments import services
from reminders.delivery import deliver, dispatch
from reminders.models import Reminder, State
from tests.factories import AssignmentFactory
from tests.fakes.broker import MemoryBroker

pytestmark = pytest.mark.django_db(transaction=True)

LONGER = ("kind", "rule", "recipient", "channel", "state", "reason", "message_id")
"""Columns of the ledger that the statements of the pipeline return."""


def alter(*, by: int) -> None:
    """The columns become so much longer, as another process does it: the driver must not notice."""
    for name in LONGER:
        length = Reminder._meta.get_field(name).max_length or 0
        statement = f"ALTER TABLE reminders_reminder ALTER {name} TYPE varchar({length + by})"
        done = connection.connection.pgconn.exec_(statement.encode())
        assert done.command_status == b"ALTER TABLE", done.error_message


@pytest.fixture
def _former_columns() -> Iterator[None]:
    yield
    alter(by=0)


def prepared() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement ~ 'reminders_reminder'")
        return int(cursor.fetchone()[0])


@pytest.mark.usefixtures("_former_columns")
def test_work_is_moved_and_reminders_are_sent_while_columns_become_longer(clock, config, channel_of, outbox):
    def a_day() -> None:
        moved, sent = AssignmentFactory(soon=True), AssignmentFactory(soon=True)
        services.reschedule(moved.pk, start=moved.scheduled_start + timedelta(days=2))
        broker = MemoryBroker()
        dispatch.dispatch(config=config, broker=broker)
        deliver.deliver(broker.hints(), config=config, channel=channel_of)
        assert Reminder.objects.get(assignment=sent, kind="REMINDER").state == State.SENT

    for _ in range(5):
        a_day()
    assert prepared() >= 5
    alter(by=1)
    a_day()
    assert len(outbox.messages) == 6
