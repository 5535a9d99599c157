"""The Ops pages with a great deal of work: what each costs the web process and PostgreSQL."""

import http.client
import time
from urllib.parse import urlsplit

from benchmarks import cpu
from benchmarks.stage import Figures, Link, Options, bench_stack, one, settle

PEOPLE = 50_000
ASKED = 5
"""How often each page is asked for: the quickest counts, of CPU the mean."""

# One piece of work every 30 seconds around now; every tenth is nobody's, and that of today is of 200 people.
FILL = """
    INSERT INTO assignments_assignee (name, email, phone, time_zone, language, reference)
    SELECT 'Person ' || i, 'user' || i || '@example.test', '+4930' || (5550000 + i), 'Europe/Berlin', 'en', 'P-' || i
    FROM generate_series(1, %(people)s) i;
    INSERT INTO assignments_contactpoint (person_id, channel, address, "order")
    SELECT id, channel, CASE channel WHEN 'email' THEN email ELSE phone END, place
    FROM assignments_assignee, (VALUES ('email', 1), ('sms', 2)) AS point (channel, place);
    INSERT INTO assignments_assignment (title, kind, location, notes, status, scheduled_start, version, reminder_status,
        lead_minutes, assignee_id)
    SELECT 'Job ' || i, (ARRAY['repair', 'visit', 'check'])[i %% 3 + 1], 'Hall ' || i %% 40, '',
           CASE WHEN i <= %(n)s / 2 THEN 'COMPLETED' ELSE 'SCHEDULED' END,
           now() + (i - %(n)s / 2) * interval '30 seconds', 1,
           CASE WHEN i <= %(n)s / 2 THEN 'SENT' ELSE 'NONE' END, CASE WHEN i %% 1000 = 0 THEN 600 END,
           CASE WHEN i %% 10 = 0 THEN NULL
                ELSE (SELECT min(id) FROM assignments_assignee)
                     + i %% CASE WHEN abs(i - %(n)s / 2) < 2880 THEN 200 ELSE %(people)s END END
    FROM generate_series(1, %(n)s) i;
    INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start, due_at,
        next_attempt_at, state, sent_at, closed_at, message_id, attempts, ambiguous, reason)
    SELECT id, 1, 'REMINDER', 'default', coalesce('assignee:' || assignee_id, ''), 'email', scheduled_start,
           scheduled_start - interval '30 minutes', scheduled_start - interval '30 minutes',
           CASE WHEN status = 'COMPLETED' THEN 'SENT' ELSE 'PLANNED' END,
           CASE WHEN status = 'COMPLETED' THEN scheduled_start END,
           CASE WHEN status = 'COMPLETED' THEN scheduled_start END, '', 1, 0, ''
    FROM assignments_assignment
    WHERE scheduled_start BETWEEN now() - interval '34 days' AND now() + interval '2 hours';
    INSERT INTO reminders_audit (actor, action, reason, selection, before, after, at)
    SELECT 'olga', 'cancel', 'reason ' || i, '{}', '{}', '{}', now() - i * interval '1 minute'
    FROM generate_series(1, 100000) i
"""
TABLES = (
    "assignments_assignment",
    "assignments_assignee",
    "assignments_contactpoint",
    "reminders_reminder",
    "reminders_audit",
)
TRIGGERED = ("assignments_assignee", "assignments_contactpoint")
SIGN_IN = """
from accounts import roles
from tests.logins import signed_in, staff
print(signed_in(staff("bench", roles.OPERATORS)).cookies["sessionid"].value)
"""
PAGES = {
    "overview": "/ops/",
    "live": "/ops/live",
    "board": "/ops/board",
    "boardWeek": "/ops/board?show=everybody&hours=168",
    "day": "/ops/day",
    "week": "/ops/day?days=7",
    "forecast": "/ops/forecast",
    "simulator": "/ops/simulator",
    "simulated": "/ops/simulator?now=1",
    "work": "/ops/assignments",
    "workPage": "/ops/assignments?when=any&page=100",
    "workRare": "/ops/assignments?q=Job+77777",
    "workOfPerson": "/ops/assignments?q=Person+777",
    "workMost": "/ops/assignments?q=Job",
    "workLetter": "/ops/assignments?q=a",
    "workPeople": "/ops/assignments?q=Person",
    "workNothing": "/ops/assignments?q=nothing+like",
    "findNothing": "/ops/find?q=nothing+like",
    "findPerson": "/ops/find?q=Person+777",
    "findPhone": "/ops/find?q=5550777",
    "findMost": "/ops/find?q=Job",
    "findLetter": "/ops/find?q=a",
    "people": "/ops/people",
    "peopleLetter": "/ops/people?q=a",
    "peopleUnreachable": "/ops/people?reach=unreachable",
    "person": "/ops/people/{person}",
    "reminders": "/ops/reminders",
    "remindersMost": "/ops/reminders?show=all&q=Job",
    "remindersLetter": "/ops/reminders?show=all&q=a",
    "remindersRare": "/ops/reminders?show=all&q=Job+77777",
    "assignment": "/ops/assignments/{work}",
    "audit": "/ops/audit",
    "queue": "/ops/queue",
}


def fill(link: Link, n: int) -> None:
    """`n` assignments, PEOPLE people with two addresses each, and the ledger of the last 34 days."""
    trigrams = one(link, "SELECT pg_get_indexdef('assignment_trigram_idx'::regclass)")
    # Built at once afterwards: row by row it takes a minute. So do triggers that keep what is written here in one statement.
    link.execute("DROP INDEX assignment_trigram_idx")
    for table in TRIGGERED:
        link.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
    for statement in FILL.split(";\n"):
        link.execute(statement.encode(), {"n": n, "people": PEOPLE})
    link.execute(trigrams.encode())
    for table in TRIGGERED:
        link.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())
    settle(link, TABLES)


def pages(options: Options) -> Figures:
    """Milliseconds of each page with `n` assignments: on the clock, and of CPU in the web process and in PostgreSQL."""
    with bench_stack(options) as (stack, link):
        fill(link, options.n)
        cookie = stack.python(SIGN_IN).strip()
        child, address = stack.web()
        return asked(address, cookie, child.pid, link)


def asked(address: str, cookie: str, pid: int, link: Link) -> Figures:
    """What the pages of the web process `pid` at this address cost."""
    where, found = urlsplit(address), Figures()
    person = one(link, "SELECT min(id) + 77 FROM assignments_assignee")
    work = one(link, "SELECT id FROM assignments_assignment WHERE scheduled_start > now() LIMIT 1")
    for name, path in PAGES.items():
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        used, quickest = (cpu.group(pid), cpu.postgres(link)), float("inf")
        for _ in range(ASKED):
            began = time.perf_counter()
            line.request(
                "GET", path.format(person=person, work=work), headers={"Cookie": f"sessionid={cookie}"}
            )
            answer = line.getresponse()
            answer.read()
            quickest = min(quickest, time.perf_counter() - began)
            assert answer.status in (200, 302), f"{path}: {answer.status}"
        line.close()
        found[f"{name}Ms"] = round(quickest * 1000)
        found[f"{name}WebMs"] = round((cpu.group(pid) - used[0]) / ASKED * 1000)
        found[f"{name}PostgresMs"] = round((cpu.postgres(link) - used[1]) / ASKED * 1000)
    return found
