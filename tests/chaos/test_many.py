"""Too many of everybody, a beat that is gone, a clock that jumps, changes that race, rows that poison."""

import os
import signal
import threading
import urllib.request

import pytest

from reminders.delivery.failover import LOOK_SECONDS
from tests.chaos.system import EVERYBODY, LEASE, QUIET, now, pause
from tests.stack import until

long = pytest.mark.chaos

RACE = """
import json, random, sys, threading
from datetime import timedelta
from django.db import connection
from django.utils import timezone
from assignments import acts, people, services, teams
from assignments.history import Actor
from assignments.models import Assignment
owner = dict(Assignment.objects.values_list("pk", "assignee_id"))
order = json.load(sys.stdin)
chance = random.Random(order["seed"])
ids = order["ids"]; chance.shuffle(ids)
other = people.add_assignee(name="Other", email="other@example.test").pk
chief = people.add_assignee(name="Chief", email="chief@example.test").pk
Assignment.objects.filter(pk__in=ids).update(team=teams.add_team(name="All", supervisors=[chief]).pk)
done = {"moved": [], "cancelled": [], "reassigned": [], "declined": [], "started": []}
def change(share):
    for pk, what in share:
        if what == "moved":
            services.reschedule(pk, start=timezone.now() + timedelta(minutes=20))
        elif what == "cancelled":
            services.cancel(pk)
        elif what == "declined":
            acts.decline(pk, actor=Actor.assignee(owner[pk]))
        elif what == "started":
            acts.start(pk, actor=Actor.assignee(owner[pk]))
        else:
            services.reassign(pk, assignee_id=other)
        done[what].append(pk)
    connection.close()
work = [(pk, chance.choice(list(done))) for pk in ids]
crew = [threading.Thread(target=change, args=(work[i::4],)) for i in range(4)]
[t.start() for t in crew]; [t.join() for t in crew]
print(json.dumps(done))
"""


@long
def test_two_beats_four_scanners_and_rescans_by_everybody(system, report, pytestconfig):
    """More of them changes throughput, never outcomes: nothing twice, nothing flagged."""
    seconds = 60 if pytestconfig.getoption("--chaos") == "full" else 20
    token = system.stack.manage("create_api_token", "chaos-many", "--scopes", "ops").stdout.strip()
    system.crew("scanner2", "scanner3", "scanner4", "beat2")
    since = now()
    over = threading.Event()
    refusals: list[int] = []

    def rescan() -> None:
        while not over.wait(0.3):
            asked = urllib.request.Request(
                system.web + "/api/admin/reminders/rescan",
                b"{}",
                {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )
            try:
                urllib.request.urlopen(asked, timeout=30).close()
            except urllib.error.HTTPError as refused:
                refusals.append(refused.code)

    asking = threading.Thread(target=rescan)
    asking.start()
    planted = 0
    until_then = now().timestamp() + seconds
    while now().timestamp() < until_then:
        system.plant(40, name=f"many-{planted}")
        planted += 40
        system.stack.manage("rescan_reminders")
    over.set()
    asking.join()
    assert set(refusals) <= {409, 429}
    evidence = system.holds()
    assert system.sent() == planted
    assert set(evidence.accepted.values()) == {1}
    assert {row["ambiguous"] for row in evidence.rows} == {0}
    report(f"two beats, four scanners, rescans for {seconds} s", system, since)
    system.kill("scanner2", "scanner3", "scanner4", "beat2")


def test_a_beat_that_stands_still_does_not_stop_the_reminders(system, report):
    """Whoever drives scans and dispatch: while beat is silent, somebody else does."""
    os.killpg(system.children["beat"].pid, signal.SIGSTOP)
    since = now()
    try:
        system.plant(20)
        until(lambda: system.sent() == 20, within=75, what="the reminders go out without beat")
    finally:
        os.killpg(system.children["beat"].pid, signal.SIGCONT)
    system.holds()
    report("beat suspended", system, since)


@long
def test_without_any_scanner_the_workers_do_it(system, report):
    pause(LOOK_SECONDS + 2)  # no worker still steps in for the beat of the test before
    system.kill("scanner")
    since = now()
    system.plant(20)
    until(lambda: system.sent() == 20, within=75, what="the reminders go out without a scanner")
    system.holds()
    report("no scanner at all", system, since)


@long
def test_a_beat_that_is_killed_every_three_seconds(system, report):
    since = now()
    for number in range(5):
        system.plant(10, name=f"beat-{number}")
        system.kill("beat")
        system.crew("beat")
        pause(3)
    system.holds()
    assert system.sent() == 50
    report("beat killed every 3 s", system, since)


@long
@pytest.mark.parametrize(
    "fault",
    [
        "DELETE FROM django_celery_beat_periodictask WHERE task LIKE 'reminders.%'",
        "UPDATE django_celery_beat_periodictask SET last_run_at = now() + interval '1 day'",
    ],
    ids=["deleted", "last_run_at tomorrow"],
)
def test_beat_entries_that_went_wrong_are_right_after_its_start(system, fault, report):
    system.kill("beat")
    system.query(fault)
    system.crew("beat")
    since = now()
    system.plant(20)
    system.holds()
    assert system.sent() == 20
    report("beat entries " + ("deleted" if "DELETE" in fault else "run last tomorrow"), system, since)


@long
@pytest.mark.parametrize(
    "change",
    ["enabled = false", "one_off = true", "expires = '2020-01-01', expire_seconds = NULL", "kwargs = '{broken'"],
    ids=["disabled by nobody", "one-off", "expired", "broken kwargs"],
)  # fmt: skip
def test_entries_that_are_altered_while_beat_runs_heal_by_themselves(system, change, report):
    system.query(f"UPDATE django_celery_beat_periodictask SET {change} WHERE task LIKE 'reminders.%'")
    system.query("UPDATE django_celery_beat_periodictasks SET last_update = now()")
    since = now()
    system.plant(20)
    system.holds()
    assert system.sent() == 20
    enabled = "SELECT bool_and(enabled) FROM django_celery_beat_periodictask WHERE task LIKE 'reminders.%'"
    until(lambda: system.one(enabled), within=30, what="the entries are as the settings want them")
    report("beat entries altered", system, since)


SWITCHED_OFF = """
    INSERT INTO reminders_audit (actor, action, reason, selection, before, after)
    SELECT 'ada', 'switch_off_schedule', 'a test', jsonb_build_object('task', task), '{}', '{}'
    FROM unnest(ARRAY['reminders.scan', 'reminders.dispatch']) AS task;
    UPDATE django_celery_beat_periodictask SET enabled = false WHERE task LIKE 'reminders.%';
    UPDATE django_celery_beat_periodictasks SET last_update = now()
"""
"""In one transaction, as the switch does it: what is recorded without being so is corrected by whoever looks."""


@long
def test_entries_that_an_operator_switched_off_stay_off(system):
    """A decision, not a fault: nothing goes out, and the doctor names it."""
    system.kill("beat")
    system.query(SWITCHED_OFF)
    system.crew("beat")
    pause(LOOK_SECONDS + 2)  # no worker still steps in because of the test before
    system.plant(5)
    pause(2 * LEASE)
    assert system.sent() == 0
    said = system.stack.manage("reminders_doctor", check=False)
    assert said.returncode == 1
    assert "beat entr" in (said.stdout + said.stderr).lower()
    system.kill("beat")
    system.query("UPDATE django_celery_beat_periodictask SET enabled = true")
    system.crew("beat")
    system.holds()
    assert system.sent() == 5


CLAIMED = "SELECT count(*) FROM reminders_reminder WHERE state IN ('QUEUED', 'SENDING')"
SHIFTED = """
    CREATE SCHEMA IF NOT EXISTS shifted;
    CREATE TABLE IF NOT EXISTS shifted.clock (ahead interval NOT NULL);
    TRUNCATE shifted.clock;
    INSERT INTO shifted.clock VALUES ('0');
    CREATE OR REPLACE FUNCTION shifted.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
        AS 'SELECT pg_catalog.statement_timestamp() + ahead FROM shifted.clock';
    GRANT ALL ON SCHEMA shifted TO PUBLIC
"""


@long
def test_a_database_clock_that_jumps_two_hours_ahead_and_back(system):
    """What falls due by the jump goes out once; a lease that then lies two hours ahead counts as over."""
    for statement in SHIFTED.split(";\n"):
        system.query(statement)
    name = system.one("SELECT current_database()")
    system.query(f'ALTER DATABASE "{name}" SET search_path = shifted, pg_catalog, public')
    everybody = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = %s"
    try:
        system.query(everybody, [name])
        system.plant(100, start=140 * 60)
        system.mail(step="dot", action="tarpit", pause=0.01, accept=True)
        system.query("UPDATE shifted.clock SET ahead = '2 hours'")
        until(
            lambda: system.sent() >= 10, within=60, what="what is due by the new clock goes out", every=0.01
        )
        system.query("UPDATE shifted.clock SET ahead = '0'")
        system.mail()
        # By the clock of today most are not due any more; they come when it is time.
        until(lambda: system.one(CLAIMED) == 0, within=QUIET, what="claims from the future are taken back")
        system.query("UPDATE shifted.clock SET ahead = '2 hours'")
        evidence = system.holds(same_clock=False)
        assert system.sent() == 100
        assert set(evidence.accepted.values()) <= {1, 2}
    finally:
        system.query(f'ALTER DATABASE "{name}" RESET search_path')
        system.query(everybody, [name])


@long
@pytest.mark.timeout(300)  # Who was reminded already hears of a change a minute later.
def test_five_hundred_changes_race_with_the_send(system, report):
    """The new version goes out once, what is cancelled, declined or started never begins after that commit."""
    system.mail(step="dot", action="tarpit", pause=0.002, accept=True)
    ids = system.plant(500)
    since = now()
    import json

    done = json.loads(system.run(RACE, {"ids": ids, "seed": 20261124}))
    assert sum(map(len, done.values())) == 500
    system.mail()
    evidence = system.holds()
    over = {*done["cancelled"], *done["declined"], *done["started"]}
    reminders = [row for row in evidence.rows if row["kind"] == "REMINDER" and row["assignment_id"] in over]
    assert not [row for row in reminders if row["closed_at"] is None]
    assert len(evidence.acts) == len(done["declined"]) + len(done["started"])
    told = {row["rule"]: row["state"] for row in evidence.rows if row["kind"] == "ESCALATION"}
    assert told == {f"declined:{act['id']}": "SENT" for act in evidence.acts if act["act"] == "decline"}
    for pk in done["moved"] + done["reassigned"]:
        assert evidence.current[pk]["state"] in ("SENT", "SKIPPED"), evidence.current[pk]
    report("500 changes racing with the send", system, since)


@long
@pytest.mark.parametrize("point", ["os._exit in a channel", "endless loop in a channel"])
def test_a_row_that_kills_its_channel_harms_itself_alone(system, haste, point, tmp_path, report):
    system.kill("worker", "worker2")
    victim = "job-7@example.test"
    doom = {"DOOM": point, "DOOM_RECIPIENT": victim, "DOOM_FILE": str(tmp_path / "doom")}
    workers = [system.start("worker", **doom), system.start("worker", **doom)]
    system.plant(200)
    since = now()
    system.settle(within=120)
    evidence = system.holds()
    assert system.sent() == 199
    (poisoned,) = [row for row in evidence.rows if row["state"] != "SENT"]
    assert poisoned["email"] == victim
    assert (poisoned["state"], poisoned["reason"]) in {("UNKNOWN", "ambiguous"), ("FAILED", "internal")}
    report(point, system, since)
    for worker in workers:
        worker.kill()
    system.crew(*EVERYBODY)


@long
def test_a_text_that_cannot_be_written_ends_its_own_row(system, tmp_path, report):
    """FAILED(template) for that person; the others are reminded."""
    system.kill("worker", "worker2")
    doom = {
        "DOOM": "broken template",
        "DOOM_RECIPIENT": "job-3@example.test",
        "DOOM_FILE": str(tmp_path / "doom"),
    }
    worker = system.start("worker", **doom)
    system.plant(20)
    since = now()
    evidence = system.holds()
    (broken,) = [row for row in evidence.rows if row["state"] != "SENT"]
    assert (broken["state"], broken["reason"]) == ("FAILED", "template")
    report("a template that breaks for one person", system, since)
    worker.kill()


@long
def test_people_with_a_zone_and_a_language_that_do_not_exist_are_reminded_all_the_same(system, report):
    system.kill("worker", "worker2")
    system.plant(10)
    system.query(
        "UPDATE assignments_assignee SET time_zone = 'Nowhere/Here', language = 'xx' WHERE id % 2 = 0"
    )
    since = now()
    system.crew(*EVERYBODY)
    system.holds()
    assert system.sent() == 10
    report("rows with a zone and a language that do not exist", system, since)
