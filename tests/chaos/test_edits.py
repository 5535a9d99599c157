"""Plans that change ten times a second while processes are killed: what each person was told last is what is planned."""

import random
import threading

import pytest

from tests.chaos.system import EVERYBODY, System, now, pause
from tests.stack import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

EDITS = """
import json, random, sys, time
from collections import Counter
from datetime import timedelta
from django.utils import timezone
from assignments import people, services
from assignments.models import Assignment
order = json.load(sys.stdin)
chance, over = random.Random(order["seed"]), time.monotonic() + order["seconds"]
owner = dict(Assignment.objects.filter(pk__in=order["ids"]).values_list("pk", "assignee_id"))
other = people.add_assignee(name="Other", email="other@example.test").pk
start = timezone.now() + timedelta(minutes=100)
done = Counter()
while time.monotonic() < over:
    pk, began = chance.choice(order["ids"]), time.monotonic()
    work = Assignment.objects.get(pk=pk)
    if work.status == "CANCELLED":
        services.reinstate(pk)
        what = "reinstated"
    else:
        what = chance.choice(["moved", "moved", "place", "title", "back and forth", "given", "cancelled"])
    if what == "moved":
        services.reschedule(pk, start=start + timedelta(minutes=chance.randrange(6)))
    elif what == "place":
        services.change(pk, {"location": f"Hall {chance.randrange(4)}"})
    elif what == "title":
        services.change(pk, {"title": f"Pump {chance.randrange(4)}"})
    elif what == "back and forth":
        services.reschedule(pk, start=work.scheduled_start + timedelta(hours=1))
        services.reschedule(pk, start=work.scheduled_start)
    elif what == "given":
        services.reassign(pk, assignee_id=owner[pk] if work.assignee_id == other else other)
    elif what == "cancelled":
        services.cancel(pk)
    done[what] += 1
    time.sleep(max(0, began + 0.1 - time.monotonic()))  # the pace of the edits
print(json.dumps(done))
"""

MOVE = """
import json, sys
import django; django.setup()
from datetime import timedelta
from django.utils import timezone
from assignments import services
order = json.load(sys.stdin)
services.reschedule(order["id"], start=timezone.now() + timedelta(minutes=100))
"""


TEXTS = """
import json, sys
from reminders.content.message_templates.starters import starter
from reminders.content.message_templates.variables import TextForm
from reminders.models import MessageTemplate
from reminders.operations.message_templates import restore_version, save_template
words = json.load(sys.stdin)
for kind in ("reminder", "correction"):
    text = starter(kind, TextForm.MAIL)
    place = {"kind": kind, "channel": "email", "language": "en", "team_id": None}
    if words:
        save_template(**place, subject=f"{words} {text.subject}", body=text.body, by="chaos")
    else:
        restore_version(MessageTemplate.objects.get(kind=kind).pk, 1, by="chaos")
"""
"""Saves what reminders and corrections say, or puts the first version of it into force again."""


def test_all_is_quiet_only_once_a_correction_has_left_that_waits_for_its_change_to_be_taken_back(
    system: System,
):
    (moved,) = system.plant(1, name="moved")
    until(lambda: system.sent() == 1, within=60, what="they were told of the first plan")
    system.run(MOVE, {"id": moved})
    evidence = system.holds()
    assert [row["state"] for row in evidence.rows if row["kind"] == "CORRECTION"] == ["SENT"]


def test_ten_edits_a_second_while_processes_are_killed(system: System, report, pytestconfig):
    seed = pytestconfig.getoption("--chaos-seed")
    chance = random.Random(seed)
    system.run(TEXTS, "First:")
    ids = system.plant(12, name="edited")
    until(lambda: system.sent() >= len(ids), within=60, what="everybody was told of the first plan")
    found: list[str] = []
    since = now()
    order = {"seed": seed, "seconds": 60, "ids": ids}
    planner = threading.Thread(target=lambda: found.append(system.run(EDITS, order)))
    planner.start()
    kills = 0
    texts = {20: "Second:", 40: ""}
    while planner.is_alive():
        system.kill(chance.choice(["worker", "worker2", "scanner", "beat"]))
        kills += 1
        pause(chance.uniform(0.5, 2))
        system.crew(*EVERYBODY)
        pause(chance.uniform(1, 3))
        for second in [one for one in texts if (now() - since).total_seconds() > one]:
            system.run(TEXTS, texts.pop(second))
    planner.join()
    system.settle(within=150)
    evidence = system.holds()
    corrections = [row for row in evidence.rows if row["kind"] == "CORRECTION"]
    assert {row["state"] for row in corrections} >= {"SENT", "SKIPPED"}
    # The text in force was another one twice meanwhile, and mails were made of each of them (I23).
    numbers = {version["id"]: version["number"] for version in evidence.text_versions}
    used = {numbers[pk] for one in evidence.attempts if (pk := one["template_version"]) is not None}
    assert used == {1, 2, 3}
    assert {one["template_fault"] for one in evidence.attempts} == {""}
    assert kills >= 5
    report(f"edits for 60 s, seed {seed}, {found[0].strip()}, {kills} kills", system, since)
