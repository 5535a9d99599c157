"""A worker dies in the middle of a message with many reminders to one person, and whatever it was, each arrives."""

import json

import pytest

from tests.chaos.system import EVERYBODY, System
from tests.stack import until

ROWS = 40
PLANT = """
import json
from datetime import timedelta
from django.utils import timezone
from assignments import people, services
from assignments.services import NewAssignment
person = people.add_assignee(name="Ada", email="ada@example.test").pk
start = timezone.now() + timedelta(minutes=10)
made = services.create_many(
    [NewAssignment(title=f"Burst {n}", scheduled_start=start, assignee_id=person) for n in range(40)])
print(json.dumps([a.pk for a in made]))
"""


@pytest.mark.timeout(300)  # What is repeated may wait for the rate of its person, a minute.
@pytest.mark.parametrize(
    "point",
    ["begin after commit", pytest.param("send after 250", marks=pytest.mark.chaos)],
)
def test_a_worker_is_killed_in_the_middle_of_a_digest(system: System, point, tmp_path):
    system.kill("worker", "worker2")
    file = tmp_path / "doom"
    child = system.start("worker", DOOM=point, DOOM_WHO="group", DOOM_FILE=str(file), DOOM_COUNT="1")
    assert len(json.loads(system.run(PLANT))) == ROWS
    until(lambda: child.process.poll() is not None, within=30, what="the whole worker is dead")
    system.crew(*EVERYBODY)
    evidence = system.holds(killed=1)
    messages = {row["message_id"] for row in evidence.rows if row["kind"] == "REMINDER"}
    assert system.sent() == ROWS
    assert len(messages) <= 2
    assert len(evidence.mails) <= len(messages) + 1
    listed = {line for mail in evidence.mails for line in mail["text"].splitlines()}
    assert {f"Burst {n}" for n in range(ROWS)} - listed == set()
