"""What a scan says in the log: each line of it carries the scan's number."""

import logging
from datetime import timedelta

import pytest

from reminders import lifecycle
from reminders.models import Reminder
from tests.conftest import NOON
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db


def test_each_line_of_a_scan_carries_its_number(clock, config, caplog):
    caplog.set_level(logging.INFO)
    AssignmentFactory.create_batch(2)
    Reminder.objects.all().delete()
    clock.set(NOON + timedelta(hours=3))
    done = lifecycle.scan(trigger="cli", config=config)
    lines = [record for record in caplog.records if record.name == "reminders.lifecycle"]
    assert [line.getMessage() for line in lines] == ["Reminder job skipped"] * 2 + ["Scan finished"]
    assert {line.scan_id for line in lines} == {done.scan_id}
    assert [line.reason for line in lines[:2]] == ["too_late"] * 2
