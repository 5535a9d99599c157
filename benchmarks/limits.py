"""How fast it could be at all: the same rows changed by bare SQL, the same mails sent by bare sockets.

Nothing is decided, composed or logged here. What the system loses against this is what it does besides.
"""

import multiprocessing
import socket
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier

import psycopg

from benchmarks import cpu
from benchmarks.modes import SCAN
from benchmarks.stage import Figures, Meter, Options, bench_stack, in_process, one, seed, settle
from tests.stack import Stack

CHUNK = 100
BEGIN = """
    UPDATE reminders_reminder SET state = 'SENDING', ticket = ticket + 1, attempts = attempts + 1,
        begun_at = statement_timestamp(), lease_until = statement_timestamp() + interval '25 s'
    WHERE id BETWEEN %s AND %s
"""
FINISH = """
    WITH landed AS (
        UPDATE reminders_reminder SET state = 'SENT', lease_until = NULL, sent_at = statement_timestamp(),
            closed_at = statement_timestamp(), message_id = 'a-message-id-of-a-usual-length@example.test'
        WHERE id BETWEEN %s AND %s RETURNING id, assignment_id, ticket, attempts, begun_at
    ),
    noted AS (
        INSERT INTO reminders_attempt (reminder_id, number, ticket, started_at, finished_at, outcome, code, detail)
        SELECT id, attempts, ticket, begun_at, statement_timestamp(), 'accepted', '250', '' FROM landed
    ),
    rolled AS (
        UPDATE assignments_assignment a SET reminder_status = 'SENT' FROM landed WHERE a.id = landed.assignment_id
    )
    INSERT INTO reminders_counter AS c (name, labels, slot, value)
    SELECT 'reminder_sent_total', 'status=SCHEDULED', %s, count(*) FROM landed
    ON CONFLICT (name, labels, slot) DO UPDATE SET value = c.value + excluded.value
"""
MAIL = (
    b"Subject: Reminder\r\nMessage-ID: <%d@example.test>\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    + b"A line of a mail as it usually is, with a few words in it.\r\n" * 50
    + b".\r\n"
)


def limit(options: Options) -> Figures:
    """Begin, finish, roll-up and counters as bare set-based SQL; with `--channel smtp` bare SMTP sends instead."""
    with bench_stack(options) as (stack, link):
        seed(link, options.n, first=60, last=1440)
        in_process(stack, SCAN)
        settle(link, ["reminders_reminder"])
        body = _mails if options.channel == "smtp" else _rows
        barrier = multiprocessing.Barrier(options.concurrency + 1)
        share = options.n // options.concurrency
        crew = [
            multiprocessing.Process(target=body, args=(stack, number, share, barrier))
            for number in range(options.concurrency)
        ]
        for member in crew:
            member.start()
        meter = Meter(stack, link, [])
        before = time.time()
        own = [_seconds(member.pid) for member in crew]
        barrier.wait()
        barrier.wait()
        seconds = time.time() - before
        own = [_seconds(member.pid) - was for member, was in zip(crew, own, strict=True)]
        barrier.wait()
        for member in crew:
            member.join()
        used = meter.per_thousand(options.n)
        if options.channel != "smtp":
            assert one(link, "SELECT count(*) FROM reminders_reminder WHERE state = 'SENT'") == options.n
        used["cpuSPer1000"]["worker"] = round(sum(own) / options.n * 1000, 3)
        return {
            "perSec": round(share * options.concurrency / seconds),
            "cpuSPer1000": used["cpuSPer1000"],
            "cpuTotal": round(sum(used["cpuSPer1000"].values()), 3),
            "ms": round(seconds * 1000),
        }


def _seconds(pid: int | None) -> float:
    assert pid is not None
    return cpu.process(pid)


def _in_step(barrier: Barrier, work: Callable[[], None]) -> None:
    """Does the work between the first and the second wait of all."""
    barrier.wait()
    work()
    barrier.wait()
    barrier.wait()


def _rows(stack: Stack, number: int, share: int, barrier: Barrier) -> None:
    address = stack.database_url.replace("postgres://", "postgresql://", 1)
    with psycopg.connect(address) as link:
        first = int(one(link, "SELECT min(id) FROM reminders_reminder")) + number * share
        link.commit()

        def work() -> None:
            for low in range(first, first + share, CHUNK):
                high = min(low + CHUNK, first + share) - 1
                link.execute(BEGIN.encode(), (low, high))
                link.commit()
                link.execute(FINISH.encode(), (low, high, number))
                link.commit()

        _in_step(barrier, work)


def _mails(stack: Stack, number: int, share: int, barrier: Barrier) -> None:
    with socket.create_connection(("127.0.0.1", stack.mail_port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.recv(4096)
        line.sendall(b"EHLO bench\r\n")
        line.recv(4096)

        def answers(count: int) -> None:
            read = b""
            while read.count(b"\r\n") < count:
                read += line.recv(4096)

        def work() -> None:
            for i in range(share):
                line.sendall(b"MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
                answers(3)
                line.sendall(MAIL % (number * share + i))
                answers(1)

        _in_step(barrier, work)
