"""Everything overdue at once, with two supervisors, while a few people's reminders fall due."""

from statistics import median

from benchmarks.stage import LIMIT, Figures, Options, bench_stack, in_process, one, seed
from tests.stack import until

SUPERVISORS = 2
PEOPLE = (20, 25, 30, 35, 45, 55)
"""Seconds from now at which the reminders of people fall due."""
RULES = {
    "REMINDER_OPS_EMAILS": ",".join(f"chief{n}@example.test" for n in range(SUPERVISORS)),
    "REMINDER_LEASE_SECONDS": "25",
    "REMINDER_QUEUE_LIMIT": "10000",
    "REMINDER_POLL_INTERVAL_MS": "10000",
}
# All but the last few were to start half an hour ago; of those the reminders fall due one after the other.
OVERDUE = """
    UPDATE assignments_assignment
    SET known_at = now() - interval '1 day', scheduled_start = now() - interval '30 minutes'
    WHERE id <= (SELECT max(id) - {people} FROM assignments_assignment)
"""
SCAN = """
from reminders import conf
from reminders.delivery import scan
scan.scan(trigger="cli", config=conf.current())
print("{}")
"""
NOTICES = "SELECT count(*) FROM reminders_reminder WHERE recipient LIKE 'ops:%' AND state = 'SENT'"
SENT = "SELECT count(*) FROM reminders_reminder WHERE kind = 'REMINDER' AND state = 'SENT'"
LATE = """
    SELECT extract(epoch FROM sent_at - due_at)::float8 FROM reminders_reminder
    WHERE kind = 'REMINDER' AND state = 'SENT'
"""
MAILS = """
    SELECT recipient, count(DISTINCT message_id), max(sent_at) - min(planned_at) FROM reminders_reminder
    WHERE recipient LIKE 'ops:%' AND state = 'SENT' GROUP BY recipient
"""
LARGEST = """
    SELECT max(rows) FROM (SELECT count(*) AS rows FROM reminders_reminder
                           WHERE digest_id IS NOT NULL GROUP BY digest_id) digests
"""


def flood(options: Options) -> Figures:
    """How late people's reminders are while `n` assignments become overdue, and how many mails each supervisor gets."""
    with bench_stack(options, RULES) as (stack, link):
        seed(link, options.n, first=3600, last=3600)
        for number, seconds in enumerate(PEOPLE):
            link.execute(
                "UPDATE assignments_assignment SET scheduled_start = now() + make_interval(secs => %s)"
                " WHERE id = (SELECT max(id) - %s FROM assignments_assignment)",
                [1800 + seconds, number],
            )
        link.execute(OVERDUE.format(people=len(PEOPLE)).encode())
        in_process(stack, SCAN)
        [stack.worker(concurrency=options.concurrency) for _ in range(options.workers)]
        stack.scanner()
        stack.beat()
        wanted = (options.n - len(PEOPLE)) * SUPERVISORS
        until(lambda: one(link, NOTICES) >= wanted, within=4 * LIMIT, what="supervisors know", every=0.2)
        until(lambda: one(link, SENT) == len(PEOPLE), within=LIMIT, what="people are reminded", every=0.2)
        late = sorted(float(row[0]) for row in link.execute(LATE.encode()))
        mails = link.execute(MAILS.encode()).fetchall()
        return {
            "peopleLateP50S": round(median(late), 2),
            "peopleLateMaxS": round(late[-1], 2),
            "mailsEach": max(row[1] for row in mails),
            "largest": one(link, LARGEST),
            "allToldS": round(max(row[2].total_seconds() for row in mails), 1),
        }
