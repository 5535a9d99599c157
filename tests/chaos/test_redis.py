"""Redis is disposable: emptied, killed, stalled, full, read-only, locked, half-open, and full of garbage."""

import contextlib
import json
import pickle
import signal
import time
import urllib.request
from collections.abc import Callable

import pytest
import redis

from tests.chaos import checker
from tests.chaos.system import EVERYBODY, System, now, pause
from tests.stack import until

pytestmark = pytest.mark.chaos
SLOW = {"step": "dot", "action": "tarpit", "pause": 0.005, "accept": True}
"""Each mail takes some 60 ms, so that there is time for faults."""
HALF_OPEN_AT_MOST = 30.0
"""Seconds within which a half-open connection is noticed, and what waits for it is sent."""
CONSUMERS = 3
"""Two workers and a scanner: each has one connection on which it waits for messages."""


def consumers(system: System) -> int:
    """How many processes wait for messages now, as the server says.

    A worker with its hands full does not log that it connects anew: it lets go of a connection that was closed meanwhile,
    and makes another once it takes messages again.
    """
    with system.redis as client:
        return sum(one["cmd"] == "brpop" for one in client.client_list())


def test_emptied_every_second_under_load(system, report):
    system.mail(**SLOW)
    system.plant(400)
    since = now()
    for _ in range(8):
        with system.redis as client:
            client.flushall()
        pause(1)
    evidence = system.holds()
    assert len(evidence.rows) == system.sent() == 400
    report("FLUSHALL every second for 8 s", system, since)


def test_killed_and_back_empty_after_12_seconds(system, report):
    """Of workers that have lost their connection before: what a first loss leaves behind must not spoil the second."""
    until(lambda: consumers(system) == CONSUMERS, within=60, what="everybody waits for messages")
    with system.redis as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    until(lambda: consumers(system) == CONSUMERS, within=60, what="everybody has connected anew")
    system.mail(**SLOW)
    system.plant(200)
    until(lambda: system.sent() >= 20, within=30, what="the drain is under way", every=0.01)
    system.valkey.kill()
    system.plant(100, name="meanwhile")
    pause(12)
    system.valkey.start()
    since = now()
    system.holds()
    assert system.sent() == 300
    done = report("Redis killed, back empty after 12 s", system, since)
    assert done.most <= 30


def test_its_connections_are_ended_again_and_again(system, report):
    system.mail(**SLOW)
    system.plant(700)
    for _ in range(6):
        with system.redis as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        pause(1)
    since = now()
    system.holds()
    assert system.sent() == 700
    report("CLIENT KILL every second for 6 s", system, since)


def test_stalled_for_20_seconds_while_programs_make_assignments(system, report):
    token = system.stack.manage(
        "create_api_token", f"chaos-{time.time()}", "--scopes", "write"
    ).stdout.strip()
    system.valkey.process.send_signal(signal.SIGSTOP)
    took = []
    for n in range(60):
        body = {
            "title": f"stalled {n}",
            "scheduled_start": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600)),
            "assignee": {"name": f"S{n}", "email": f"stalled-{n}@example.test"},
        }
        asked = urllib.request.Request(
            system.web + "/api/assignments",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        began = time.monotonic()
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert answer.status == 201
        took.append(time.monotonic() - began)
        pause(0.3)
    system.valkey.process.send_signal(signal.SIGCONT)
    since = now()
    # What hangs on a stalled Redis hangs for ever or for its time-out of 5 s: nothing near a second is slowness.
    assert sorted(took)[int(len(took) * 0.99) - 1] < 1.0
    system.holds()
    assert system.sent() == 60
    report("Redis stalled for 20 s", system, since)


def full(client: "redis.Redis") -> Callable[[], object]:
    client.config_set("maxmemory", 1)
    return lambda: client.config_set("maxmemory", 0)


def read_only(client: "redis.Redis") -> Callable[[], object]:
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: client.execute_command("REPLICAOF", "NO", "ONE")


def locked(client: "redis.Redis") -> Callable[[], object]:
    usual = client.config_get("requirepass")["requirepass"]
    client.config_set("requirepass", "another-password")
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    return lambda: client.config_set("requirepass", usual)


@pytest.mark.parametrize("fault", [full, read_only, locked], ids=["OOM", "READONLY", "NOAUTH"])
def test_it_takes_nothing(system, fault, report):
    with system.redis as client:
        undo = fault(client)
        system.plant(50)
        pause(8)
        undo()
    since = now()
    system.holds()
    assert system.sent() == 50
    report(f"Redis answers {fault.__name__} for 8 s", system, since)


def test_half_open_connections_are_noticed(system, report):
    system.to_redis.half_open()
    since = now()
    system.plant(50)
    system.holds()
    assert system.sent() == 50
    done = report("half-open connections to Redis", system, since)
    assert done.most <= HALF_OPEN_AT_MOST


def test_with_default_socket_options_a_half_open_connection_is_not_noticed_in_time(system):
    """The negative control: what the test above proves is the doing of our settings."""
    system.kill("worker", "worker2")
    naive = system.start("worker", DOOM="default socket options")
    until(lambda: naive.says("ready."), within=30, what="the naive worker is ready")
    system.to_redis.half_open()
    system.plant(20)
    pause(HALF_OPEN_AT_MOST + 1)
    assert system.sent() == 0
    naive.kill()
    system.crew(*EVERYBODY)
    system.holds()
    assert system.sent() == 20


def message(task: str, kwargs: object, *, content_type: str = "application/json", body: bytes = b"") -> bytes:
    """A message as kombu writes it into the queue."""
    import base64
    import uuid

    number = str(uuid.uuid4())
    content = body or json.dumps([[], kwargs, {}]).encode()
    return json.dumps(
        {
            "body": base64.b64encode(content).decode(),
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": number, "root_id": number, "parent_id": None},
            "properties": {
                "correlation_id": number,
                "delivery_mode": 2,
                "delivery_tag": number,
                "delivery_info": {"exchange": "", "routing_key": "reminders"},
                "priority": 0,
                "body_encoding": "base64",
            },
        }
    ).encode()


def test_garbage_in_the_queue_harms_nobody(system, report):
    deliver = "reminders.deliver"
    garbage = [
        message(deliver, {}, body=b"\x80\x04not json"),
        message(deliver, {}, content_type="application/x-python-serialize", body=pickle.dumps([[], {}, {}])),
        message("no.such.task", {}),
        message(deliver, {"hints": "nonsense"}),
        message(deliver, {"hints": [["a", "b"], [1]]}),
        message(deliver, {"strange": 1}),
        message(deliver, {"hints": [[10**30, 1]]}),
        message(deliver, {"hints": [[-5, -5]]}),
        message(deliver, {"hints": [[i, 1] for i in range(300_000)]}),
        b"not even an envelope",
        b"{}",
        b"[1, 2, 3]",
    ]
    for place, piece in enumerate(garbage):
        with system.redis as client:
            client.lpush("reminders", piece)
        system.plant(2, name=f"after-{place}")
    since = now()
    system.holds()
    assert system.sent() == 2 * len(garbage)
    report("garbage in the queue", system, since)


def test_a_storm_of_duplicate_hints_sends_nothing_twice(system, report, pytestconfig):
    number = 100_000 if pytestconfig.getoption("--chaos") == "full" else 10_000
    system.mail(**SLOW)
    system.plant(100)
    until(lambda: system.sent() >= 10, within=30, what="the drain is under way", every=0.01)
    hints = [list(row) for row in system.query("SELECT id, ticket FROM reminders_reminder")]
    since = now()
    with system.redis as client, contextlib.closing(client.pipeline(transaction=False)) as pipeline:
        for start in range(0, number, 100):
            chunk = [hints[(start + i) % len(hints)] for i in range(100)]
            pipeline.lpush("reminders", message("reminders.deliver", {"hints": chunk}))
        pipeline.execute()
    system.mail()
    evidence = system.holds()
    assert set(evidence.accepted.values()) == {1}
    assert system.sent() == 100
    report(f"{number:,} duplicate hints", system, since)


def test_the_checker_finds_a_worker_that_believes_any_ticket(system):
    """The sabotage of a real guard: without the ticket the storm above sends twice, and the checker says so.

    Without the rate for a person, which would stop the second message too.
    """
    system.kill("worker", "worker2")
    naive = system.start("worker", DOOM="begin believes any ticket", REMINDER_RATE_PER_MINUTE="0")
    system.plant(20)
    system.settle()
    hints = [list(row) for row in system.query("SELECT id, ticket FROM reminders_reminder")]
    with system.redis as client:
        client.lpush("reminders", message("reminders.deliver", {"hints": hints}))
    until(lambda: len(system.stack.mails()) >= 40, within=30, what="everything is sent twice")
    assert any(line.startswith("I2") for line in checker.broken(system.evidence()))
    naive.kill()
