"""What a scan finds, what it costs, and that SQL and policy say the same about a plan that no longer holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assignments import services, teams
from assignments.models import Assignment, Status
from reminders.conf import ReminderConfig
from reminders.delivery import scan
from reminders.ledger import notified, planning, replanning, scans
from reminders.models import Kind, Reason, Reminder, RuleSchedule
from reminders.policy import gates, recipients, rows
from reminders.policy.rows import Plan
from tests.conftest import NOON
from tests.depth import examples
from tests.factories import AssigneeFactory, AssignmentFactory
from tests.plans import explained, nodes_of
from tests.rule_factory import rule

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
MANY = examples(100_000) * 10


def test_a_long_lead_is_planned_before_it_is_due(clock, config):
    assignment = AssignmentFactory(scheduled_start=NOON + timedelta(days=7), lead_minutes=7 * 1440 - 3)
    row = Reminder.objects.get(assignment=assignment)
    assert row.due_at == NOON + 3 * MINUTE


def test_new_work_is_planned_as_a_changed_plan_would_be(clock, config):
    """Though nothing looks there for what could be void, rolled up or corrected."""
    supervisor = AssigneeFactory()
    team = teams.add_team(name="North", supervisors=[supervisor.pk])
    rule(minutes=45)
    rule(audience="supervisors", trigger="after_overdue", minutes=20)
    now = [AssignmentFactory(**{trait: True}) for trait in ("soon", "far", "past", "unassigned")]
    now += [AssignmentFactory(lead_minutes=[90, 15], team_id=team.pk)]

    def stored() -> list[list[dict[str, Any]]]:
        return [list(table.objects.order_by("pk").values()) for table in (Assignment, Reminder, RuleSchedule)]

    before = stored()
    assert len(before[1]) > len(now)
    assert replanning.replan([work.pk for work in now], config) == []
    assert stored() == before


def test_a_changed_lead_moves_what_nobody_has_begun(clock, config):
    assignment = AssignmentFactory()
    longer = ReminderConfig(channel="memory", lead=45 * MINUTE, overdue=20 * MINUTE)
    assert scan.scan(trigger="cli", config=longer).counts.retimed == 1
    row = Reminder.objects.get(assignment=assignment, kind=Kind.REMINDER)
    assert row.due_at == row.next_attempt_at == assignment.scheduled_start - 45 * MINUTE
    assert row.not_after == assignment.scheduled_start + 20 * MINUTE
    assert scan.scan(trigger="cli", config=longer).counts.retimed == 0


@pytest.mark.parametrize(
    ("minutes", "lead", "late_after"),
    [
        (-60, 120, -60),  # due an hour before the change: it is late from the change on
        (-60, 45, -45),  # due later, by the new lead
        (-10, 120, -30),  # it was due by the lead before, and late already
        (-60, 20, -20),  # a shorter lead
    ],
)
def test_a_raised_lead_makes_no_reminder_late_that_comes_earlier_than_before(
    clock, config, minutes, lead, late_after
):
    assignment = AssignmentFactory(scheduled_start=NOON + timedelta(hours=1))
    clock.set(assignment.scheduled_start + minutes * MINUTE)
    assert replanning.retime(replace(config, lead=lead * MINUTE)) == 1
    row = Reminder.objects.get(assignment=assignment, kind=Kind.REMINDER)
    assert row.due_at == assignment.scheduled_start - lead * MINUTE
    assert max(row.due_at, row.planned_at) == assignment.scheduled_start + late_after * MINUTE


def test_another_overdue_time_does_not_hide_that_a_reminder_is_late(clock, config):
    assignment = AssignmentFactory(scheduled_start=NOON + timedelta(hours=1))
    clock.set(assignment.scheduled_start - 10 * MINUTE)
    assert replanning.retime(replace(config, overdue=20 * MINUTE)) == 1
    row = Reminder.objects.get(assignment=assignment, kind=Kind.REMINDER)
    assert row.planned_at == NOON


def test_an_outage_longer_than_the_look_ahead_ends_nothing_silently(clock, config):
    assignment = AssignmentFactory(far=True)
    clock.set(assignment.scheduled_start + timedelta(hours=9))
    counts = scan.scan(trigger="cli", config=config).counts
    assert (counts.skipped, counts.markers, counts.unaccounted) == (1, 1, 0)
    assert Reminder.objects.get(assignment=assignment, kind=Kind.REMINDER).reason == Reason.TOO_LATE


def test_a_preview_counts_what_a_scan_would_do_and_writes_nothing(clock, config):
    AssignmentFactory.create_batch(3)
    Reminder.objects.all().delete()
    assert scan.preview_scan(config=config).counts.planned == 3
    assert not Reminder.objects.exists()


def test_a_scan_that_died_is_no_obstacle_for_long(clock, config):
    dead = scans.open_scan(trigger="cli", by="")
    assert scan.scan(trigger="cli", config=config).scan_id == dead.scan_id
    clock.advance(timedelta(seconds=31))
    later = scan.scan(trigger="cli", config=config)
    assert later.scan_id != dead.scan_id
    assert later.counts is not None


@pytest.mark.parametrize(
    ("zone", "wall"),
    [
        ("America/New_York", datetime(2026, 3, 8, 3, 15)),
        ("America/New_York", datetime(2026, 11, 1, 1, 30)),
        ("Australia/Lord_Howe", datetime(2026, 10, 4, 2, 45)),
        ("Australia/Lord_Howe", datetime(2026, 4, 5, 1, 45)),
        ("Pacific/Apia", datetime(2011, 12, 31, 0, 10)),
    ],
)
@pytest.mark.parametrize("fold", [0, 1])
def test_a_reminder_is_due_half_an_hour_of_real_time_before_the_start(clock, zone, wall, fold):
    start = wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)
    clock.set(start - timedelta(hours=1))
    assignment = AssignmentFactory(scheduled_start=start)
    row = Reminder.objects.get(assignment=assignment, kind=Kind.REMINDER)
    assert start - row.due_at == timedelta(minutes=30)


def planning_params(config: ReminderConfig) -> dict[str, Any]:
    return {
        "lead": config.lead,
        "lookahead": config.lookahead,
        "poll": config.poll,
        "overdue": config.overdue,
        "channel": "email",
        "further_channels": ["sms"],
        "limit": planning.BATCH,
        "scan_id": 1,
        **planning.FIRST_PAGE,
    }


def test_a_page_looks_its_assignments_up_though_statistics_still_call_the_ledger_empty():
    """What the first great import finds: a ledger that was analyzed when it was empty and has just been filled."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE assignments_assignment, assignments_act, assignments_changerecord, reminders_reminder,"
            " reminders_attempt, reminders_ruleschedule, reminders_rulechange, reminders_reminderrule"
        )
        cursor.execute("ANALYZE reminders_reminder")
        cursor.execute(
            """
            INSERT INTO assignments_assignment (title, kind, location, notes, status, scheduled_start, version,
                reminder_status)
            SELECT 'Job', '', '', '', 'SCHEDULED', now() + interval '1 hour', 1, 'NONE'
            FROM generate_series(1, 6000)
            """
        )
        cursor.execute("ANALYZE assignments_assignment")
    config = ReminderConfig()
    within = dict(planning.FIRST_PAGE)
    assert planning.plan_reminders(config, planning.SCOPE_DEFAULT_LEAD, within).planned == planning.BATCH
    statement = planning.PLAN_REMINDERS.format(scope=planning.SCOPE_DEFAULT_LEAD)
    nodes = nodes_of(explained(statement, planning_params(config)))
    assert sum(n.get("Rows Removed by Join Filter", 0) for n in nodes) == 0
    assert not [
        n for n in nodes if n.get("Relation Name") == "reminders_reminder" and "Seq" in n["Node Type"]
    ]


@pytest.mark.timeout(300)
def test_a_scan_of_a_million_assignments_with_none_due_reads_a_few_pages():
    """90 % history (a tenth of it forgotten and OVERDUE), 10 % in the months to come; with the same bounds for a third."""
    with connection.cursor() as cursor:
        # Files of its own: what other tests rolled back must not stand in the way.
        cursor.execute(
            "TRUNCATE assignments_assignment, assignments_act, assignments_changerecord, reminders_reminder,"
            " reminders_attempt, reminders_ruleschedule, reminders_rulechange, reminders_reminderrule"
        )
        cursor.execute(
            """
            INSERT INTO assignments_assignment (title, kind, location, notes, status, scheduled_start, version,
                reminder_status, overdue_at)
            SELECT 'Job', '', '', '', CASE WHEN i %% 10 < 8 THEN 'COMPLETED' ELSE 'SCHEDULED' END,
                   CASE WHEN i %% 10 < 9 THEN now() - interval '1 day' - i * interval '7 seconds'
                        ELSE now() + interval '1 day' + i * interval '7 seconds' END,
                   1, CASE WHEN i %% 10 = 8 THEN 'OVERDUE' ELSE 'NONE' END,
                   CASE WHEN i %% 10 = 8 THEN now() END
            FROM generate_series(1, %s) i
            """,
            [MANY],
        )
        cursor.execute("ANALYZE assignments_assignment")
    params = planning_params(ReminderConfig())
    statements = [
        planning.PLAN_REMINDERS.format(scope=planning.SCOPE_DEFAULT_LEAD),
        planning.PLAN_REMINDERS.format(scope=planning.SCOPE_OWN_LEAD),
        planning.PLAN_MARKERS.format(scope=planning.SCOPE_PAGE),
        planning.UNACCOUNTED,
        notified.NOT_ROLLED_UP.format(scope="a.scheduled_start <= statement_timestamp() + %(lookahead)s"),
    ]
    for statement in statements:
        nodes = nodes_of(explained(statement, params))
        on_table = [n for n in nodes if n.get("Relation Name") == "assignments_assignment"]
        assert {n["Node Type"] for n in on_table} <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
        assert blocks(nodes) < 50

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reminders_rulechange (id, revision, changed_at, done_up_to, done)"
            " VALUES (1, 1, now(), 0, 0) ON CONFLICT DO NOTHING"
        )
        cursor.execute("UPDATE reminders_rulechange SET finished_at = now()")
    fetched_by_a_scan()  # it is the first to look at the tables, and it writes down the lead
    without_rules, fetched_without = blocks_of_a_scan(), fetched_by_a_scan()
    with connection.cursor() as cursor:
        cursor.execute(TEN_RULES)
        cursor.execute(SCHEDULES)
        assert cursor.rowcount == MANY // 10
        blocks_of_a_scan()  # also while statistics still call the table of schedules empty
        cursor.execute("ANALYZE reminders_ruleschedule")
    with_rules = blocks_of_a_scan()
    # One descent of one index, whatever the number of rules.
    assert with_rules - without_rules <= 2, (with_rules, without_rules)
    assert with_rules <= 17
    fetched_by_a_scan()
    assert fetched_by_a_scan() <= 1.1 * fetched_without


def fetched_by_a_scan() -> int:
    """How many blocks PostgreSQL fetches for a whole scan: its record and the planning of its statements included."""
    statement = (
        "SELECT sum(pg_stat_get_xact_blocks_fetched(oid)) FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        before = int(cursor.fetchone()[0])
        assert scan.scan(trigger="cli", config=ReminderConfig()).counts == scan.ScanCounts()
        cursor.execute(statement)
        return int(cursor.fetchone()[0]) - before


def blocks_of_a_scan() -> int:
    """How many blocks all statements of a scan read that finds nothing to do; none of them reads all schedules."""
    config = ReminderConfig()
    with CaptureQueriesContext(connection) as asked:
        seen = scan.preview_scan(config=config)
    assert seen == scan.ScanPreview(scan.ScanCounts(), complete=True)
    statements = [query["sql"].replace("%", "%%") for query in asked]
    plans = [
        nodes_of(explained(statement, {}))
        for statement in statements
        if statement.lstrip().split(maxsplit=1)[0].upper() in {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}
    ]
    schedules = RuleSchedule.objects.exists()
    for node in (node for nodes in plans for node in nodes if schedules and "Relation Name" in node):
        assert (node["Relation Name"], node["Node Type"]) != ("reminders_ruleschedule", "Seq Scan")
    return sum(blocks(nodes) for nodes in plans)


def blocks(nodes: list[dict[str, Any]]) -> int:
    """How many blocks a statement has read."""
    return int(nodes[0]["Shared Hit Blocks"] + nodes[0]["Shared Read Blocks"])


TEN_RULES = """
    INSERT INTO reminders_reminderrule (name, enabled, audience, trigger, minutes, condition, scope, scope_value,
        quiet_hours, when_past)
    SELECT 'Rule ' || i, TRUE, 'assignee', 'before_start', i * 60, 'always', 'everyone', '', 'ignore', 'send'
    FROM generate_series(1, 10) i
"""
SCHEDULES = """
    INSERT INTO reminders_ruleschedule (assignment_id, known_at, planned_start, recipient, next_at)
    SELECT id, known_at, scheduled_start, '', scheduled_start - interval '10 hours' FROM assignments_assignment
    WHERE status = 'SCHEDULED' AND overdue_at IS NULL
"""


rows_and_plans = st.tuples(
    st.sampled_from(["as planned", "moved", "moved back", "reassigned", "unassigned", "lead", "reset"]),
    st.sampled_from(list(Status)),
    st.booleans(),
    st.sampled_from(["", "CONFIRMED", "DECLINED"]),
)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows_and_plans)
def test_sql_and_policy_agree_about_a_plan_that_no_longer_holds(case):
    """The change is written behind the services' back, so that only a scan's voiding can find it."""
    change, status, ambiguous, answer = case
    Reminder.objects.all().delete()
    Assignment.objects.all().delete()
    start = ledger_now() + timedelta(hours=1)
    assignment = AssignmentFactory(scheduled_start=start)
    other = AssigneeFactory()
    Reminder.objects.filter(assignment=assignment).update(ambiguous=int(ambiguous), attempts=int(ambiguous))
    changes: dict[str, object] = {
        "as planned": {},
        "moved": {"scheduled_start": start + MINUTE, "version": 2},
        "moved back": {"version": 3},
        "reassigned": {"assignee_id": other.pk, "version": 2},
        "unassigned": {"assignee_id": None, "version": 2},
        "lead": {"lead_minutes": 5, "version": 2},
        "reset": {"version": 2},
    }[change]
    answered = {"answer": answer, "answered_at": start} if answer else {}
    Assignment.objects.filter(pk=assignment.pk).update(status=status, **answered, **changes)
    assignment.refresh_from_db()
    row = Reminder.objects.get(assignment=assignment, kind=Kind.REMINDER)
    believed = rows.from_model(row)
    plan = Plan(
        version=assignment.version,
        status=Status(assignment.status),
        scheduled_start=assignment.scheduled_start,
        recipient=recipients.assignee_recipient(assignment.assignee_id),
        declined=answer == "DECLINED",
    )
    why = gates.void_reason(believed, plan)
    ended = {e.reminder_id: (e.state, e.reason) for e in replanning.void()}
    if why is None:
        assert row.pk not in ended
    else:
        verdict = gates.end_verdict(believed, why)
        assert ended[row.pk] == (verdict.state.value, verdict.reason.value)


def ledger_now() -> datetime:
    from assignments.clock import database_now

    return database_now()


def test_services_refuse_a_naive_start():
    with pytest.raises(Exception, match="has no offset"):
        services.create(services.NewAssignment(title="x", scheduled_start=datetime(2026, 6, 15, 12)))
