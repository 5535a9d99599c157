"""Moving work: what becomes of its end."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from assignments import services
from tests.conftest import NOON
from tests.factories import AssignmentFactory

pytestmark = pytest.mark.django_db


def test_a_move_given_in_local_time_over_a_change_of_clocks_keeps_the_duration():
    """In Berlin the night of 2026-10-25 has an hour more."""
    work = AssignmentFactory(scheduled_start=NOON, scheduled_end=NOON + timedelta(hours=5))
    start = datetime(2026, 10, 24, 23, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    services.reschedule(work.pk, start=start)
    work.refresh_from_db()
    assert (work.scheduled_start, work.scheduled_end - work.scheduled_start) == (start, timedelta(hours=5))
