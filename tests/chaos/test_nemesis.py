"""Everything at once, by a seed: faults come and go for a minute, and then all promises must hold."""

import random
import signal
from collections.abc import Callable

import pytest

from tests.chaos.system import EVERYBODY, System, now, pause

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]
SMTP = ("drop", "hang", "reset")


def kill_a_worker(system: System, chance: random.Random) -> None:
    system.kill(chance.choice(["worker", "worker2"]))


def kill_the_scanner(system: System, chance: random.Random) -> None:
    system.kill("scanner")


def kill_beat(system: System, chance: random.Random) -> None:
    system.kill("beat")


def empty_redis(system: System, chance: random.Random) -> None:
    with system.redis as client:
        client.flushall()


def cut_redis(system: System, chance: random.Random) -> None:
    chance.choice([system.to_redis.refuse, system.to_redis.black_hole, system.to_redis.reset])()


def cut_the_database(system: System, chance: random.Random) -> None:
    chance.choice([system.to_database.refuse, system.to_database.reset, system.to_database.mute])()


def cut_mail(system: System, chance: random.Random) -> None:
    chance.choice([system.to_mail.refuse, system.to_mail.black_hole, system.to_mail.reset])()


def spoil_mail(system: System, chance: random.Random) -> None:
    step = chance.choice(["mail", "rcpt", "data", "content", "dot"])
    system.mail(
        step=step, action=chance.choice(SMTP), accept=chance.random() < 0.5, times=chance.randrange(1, 4)
    )


def end_sessions(system: System, chance: random.Random) -> None:
    system.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database()"
    )


def spoil_the_endpoint(system: System, chance: random.Random) -> None:
    system.hooks.stop_at = chance.choice(["request", "answer", "silence", "drip"])


def freeze_redis(system: System, chance: random.Random) -> None:
    system.valkey.process.send_signal(signal.SIGSTOP)
    pause(chance.uniform(0.5, 2))
    system.valkey.process.send_signal(signal.SIGCONT)


FAULTS: tuple[Callable[[System, random.Random], None], ...] = (
    kill_a_worker,
    kill_the_scanner,
    kill_beat,
    empty_redis,
    cut_redis,
    cut_the_database,
    cut_mail,
    spoil_mail,
    end_sessions,
    freeze_redis,
    spoil_the_endpoint,
)


def test_a_seeded_nemesis(system, report, pytestconfig):
    seed = pytestconfig.getoption("--chaos-seed")
    seconds = 120 if pytestconfig.getoption("--chaos") == "full" else 60
    print(f"the nemesis' seed is {seed}: --chaos-seed={seed} does the same again")
    chance = random.Random(seed)
    system.subscribe("reminder.sent", "reminder.failed")
    planted = 0
    over = now().timestamp() + seconds
    while now().timestamp() < over:
        planted += len(system.plant(30, name=f"nemesis-{planted}"))
        chance.choice(FAULTS)(system, chance)
        pause(chance.uniform(0.5, 3))
        if chance.random() < 0.6:
            system.heal()
            system.crew(*EVERYBODY)
    since = now()
    planted += len(system.plant(30, name="at-last"))
    system.heal()
    system.crew(*EVERYBODY)
    system.settle(within=150)
    evidence = system.holds()
    ends = {row["state"] for row in evidence.rows}
    assert ends <= {"SENT", "UNKNOWN"}
    assert len(evidence.assignments) == planted
    assert system.leaks() == []
    report(f"nemesis, {seconds} s, seed {seed}, {planted} reminders", system, since)
