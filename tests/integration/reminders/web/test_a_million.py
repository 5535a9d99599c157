"""With a million assignments and a hundred thousand ledger rows: what figures and pages read of them.

Where nobody waits for it (`tests.depth`); in every run with a quarter of the assignments, and the same bounds.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assignments.team_scope import EVERYTHING, TeamScope
from reminders.insight import awareness, figure_queries, starting_soon, statistics
from tests.depth import examples
from tests.factories import AssigneeFactory
from tests.plans import explained

pytestmark = pytest.mark.django_db

ROWS = examples(1_000_000)
NOW = ROWS // 20_000 * 10_000
"""The number of the assignment that starts now: half of them are over."""
MILLION = """
    INSERT INTO assignments_assignment (title, kind, location, notes, status, scheduled_start, version,
        reminder_status, overdue_at, lead_minutes, answer, answered_at, assignee_id)
    SELECT 'Job ' || n, '', '', '',
           CASE WHEN n < %(now)s THEN 'COMPLETED' ELSE 'SCHEDULED' END,
           statement_timestamp() + (n - %(now)s) * interval '30 seconds',
           1, CASE WHEN n < %(now)s OR (n <= %(now)s + 200 AND n %% 2 = 0) THEN 'SENT' ELSE 'NONE' END, NULL,
           CASE WHEN n %% 1000 = 0 THEN 600 END,
           CASE WHEN declined THEN 'DECLINED' ELSE '' END, CASE WHEN declined THEN statement_timestamp() END,
           CASE WHEN n BETWEEN %(now)s - 1000 AND %(now)s + 2000 THEN %(person)s END
    FROM generate_series(1, %(rows)s) AS n,
         LATERAL (SELECT n BETWEEN %(now)s AND %(now)s + 200 AND n %% 10 = 0) AS answered (declined)
"""
LEDGER = """
    INSERT INTO reminders_reminder (assignment_id, version, kind, rule, recipient, channel, planned_start,
        due_at, next_attempt_at, state, sent_at, closed_at, message_id, attempts, ambiguous, reason)
    SELECT id, 1, 'REMINDER', 'default', coalesce('assignee:' || assignee_id, ''), 'email',
           scheduled_start, scheduled_start - interval '30 minutes', scheduled_start - interval '30 minutes',
           CASE WHEN status = 'COMPLETED' THEN 'SENT' ELSE 'PLANNED' END,
           CASE WHEN status = 'COMPLETED' THEN scheduled_start END,
           CASE WHEN status = 'COMPLETED' THEN scheduled_start END, '', 1, (id % 5000 = 0)::int, ''
    FROM assignments_assignment
    WHERE scheduled_start BETWEEN statement_timestamp() - interval '34 days' AND statement_timestamp() + interval '2 hours'
"""


@pytest.fixture
def crowd():
    """Assignments, one every 30 seconds for a year or its third, those around now of one person; a hundred thousand ledger
    rows."""
    with connection.cursor() as cursor:
        # New files for the tables, which the rollback throws away with all that was in them.
        # The small tables too: other tests leave dead rows in them, which would count as blocks read.
        cursor.execute(
            "TRUNCATE assignments_assignment, reminders_reminder, reminders_process, reminders_figures, reminders_scanrun,"
            " reminders_channelhold, reminders_channelpace, reminders_digestwindow, reminders_pause, reminders_subscription,"
            " reminders_counter, django_celery_beat_periodictask, django_session, auth_user, auth_group"
            " RESTART IDENTITY CASCADE"
        )
        # Built at once afterwards: row by row it takes a minute.
        cursor.execute("SELECT pg_get_indexdef('assignment_trigram_idx'::regclass)")
        (trigrams,) = cursor.fetchone()
        cursor.execute("DROP INDEX assignment_trigram_idx")
        cursor.execute(MILLION, {"rows": ROWS, "now": NOW, "person": AssigneeFactory().pk})
        cursor.execute(LEDGER)
        # Here, and not at the end, where the pages' own statement timeout would bound these checks.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(trigrams)
        cursor.execute("SELECT count(*) FROM reminders_reminder")
        assert 90_000 < cursor.fetchone()[0] < 110_000
        cursor.execute("ANALYZE assignments_assignment")
        cursor.execute("ANALYZE reminders_reminder")


def scans(plan: dict) -> list[tuple[str, str]]:
    """(kind of node, table) of every node that reads one of the two big tables."""
    found = [scan for child in plan.get("Plans", []) for scan in scans(child)]
    if plan.get("Relation Name") in ("assignments_assignment", "reminders_reminder"):
        found.append((plan["Node Type"], plan["Relation Name"]))
    return found


def blocks(plan: dict) -> int:
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def look_at_figures(config) -> None:
    with statistics.bounded(), connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now = cursor.fetchone()[0]
        plans = {
            question.statement: explained(question.statement, question.params)
            for question in figure_queries.questions(now, config)
        }
        with CaptureQueriesContext(connection) as asked:
            soon = starting_soon.counts(now=now, config=config, scope=EVERYTHING)
            starting_soon.counts(now=now, config=config, scope=TeamScope(frozenset([1])))
        plans |= {one["sql"]: explained(one["sql"]) for one in asked}
    assert soon == {"declined": 21, "unanswered": 80}
    for statement, plan in plans.items():
        assert [scan for scan in scans(plan) if scan[0] == "Seq Scan"] == [], statement
    assert len(plans) == 17
    knows = plans.pop(awareness.COUNTS)  # Asks the ledger of each of the 240 within two hours.
    assert blocks(knows) < 240 * 10
    assert sum(map(blocks, plans.values())) < 1_000  # of some 25,000 pages


PAGES = {
    "/ops/": 100,
    "/ops/live": 100,
    "/ops/board?hours=2": 5_000,
    "/ops/forecast": 25_000,
    "/ops/board?show=everybody": 20_000,
    "/api/board?show=unaware": 20_000,
    "/ops/assignments": 1_000,
    "/ops/assignments?status=SCHEDULED&reminder_status=NONE": 1_000,
    "/ops/assignments?show=overdue": 1_000,
    "/ops/assignments?show=declined": 1_000,
    "/ops/assignments?show=declined_soon": 1_000,
    "/ops/assignments?show=unanswered_soon": 1_000,
    "/api/assignments?starting_soon=declined": 1_000,
    "/api/assignments?starting_soon=unanswered": 1_000,
    "/ops/assignments?when=past": 1_000,
    "/ops/assignments?q=Job+22222": 3_000,
    "/ops/assignments?q=nothing+like+it": 1_000,
    "/ops/assignments?show=overdue&q=Job+5": 1_000,
    "/ops/find?q=Job+22222": 4_000,
    "/ops/find?q=nothing+like+it": 1_000,
    "/ops/people?q=nothing": 1_000,
    "/ops/reminders?q=nothing+like+it": 1_000,
    "/ops/reminders": 1_000,
    "/ops/reminders?show=due": 1_000,
    "/ops/reminders?show=failed": 1_000,
    "/ops/reminders?show=duplicates": 1_000,
    "/ops/reminders?show=bounced": 1_000,
    f"/ops/assignments/{NOW + 10}": 100,
    "/ops/audit": 100,
    "/ops/day": 15_000,  # 2,880 assignments, four blocks for the state of each
}
"""Each page, and the blocks of 8 KB that all its queries together may touch, without that for the reader's permissions: it
reads two for each permission, whatever there is of work."""


@pytest.mark.timeout(300)
def test_no_figure_and_no_page_reads_a_whole_table(crowd, config, operator):
    look_at_figures(config)
    operator.get("/ops/")  # Counts the figures for everybody.
    for address, most in PAGES.items():
        with CaptureQueriesContext(connection) as asked:
            assert operator.get(address).status_code == 200
        plans = {
            one["sql"]: explained(one["sql"])
            for one in asked
            if one["sql"].lstrip().startswith("SELECT") and "set_config" not in one["sql"]
        }
        for sql, plan in plans.items():
            assert [scan for scan in scans(plan) if scan[0] == "Seq Scan"] == [], (address, sql)
        touched = {sql[:120]: blocks(plan) for sql, plan in plans.items() if "auth_permission" not in sql}
        assert sum(touched.values()) < most, (address, touched)
