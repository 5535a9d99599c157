"""What counts as already notified, and the roll-up `reminder_status` that follows from it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import (
    BooleanField,
    Exists,
    Expression,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, Concat

from assignments.models import Assignment
from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger.events import record_ended
from reminders.ledger.fragments import AS_ENDED, PLAN_NOTIFIED
from reminders.ledger.planning import SCOPE_IDS
from reminders.ledger.records import Ended, Finished
from reminders.ledger.sql import Cursor, fetch, run
from reminders.models import Kind, OptOut, Reason, Reminder, ReminderRule, State
from reminders.policy.recipients import ASSIGNEE, assignee_id_of, assignee_recipient_sql
from reminders.policy.rules import DEFAULT
from reminders.policy.timing import overdue_base_sql

NOT_ROLLED_UP = f"""
    SELECT a.id FROM assignments_assignment a
    WHERE a.status = 'SCHEDULED' AND a.overdue_at IS NULL AND a.reminder_status = 'NONE' AND {{scope}}
      AND {PLAN_NOTIFIED}
    ORDER BY a.id FOR NO KEY UPDATE
"""  # noqa: S608 - our own constants


def plan_notified() -> Exists:
    """Whether the ledger says that the current plan of an assignment was notified (`fragments.PLAN_NOTIFIED`)."""
    current = Reminder.objects.filter(
        assignment=OuterRef("pk"), version=OuterRef("version"), kind=Kind.REMINDER
    )
    notified = Q(state=State.SENT) | Q(reason__in=(Reason.ALREADY_TOLD, Reason.IMPORTED))
    return Exists(current.filter(notified))


def with_start_notified(
    assignments: QuerySet[Assignment],
    *,
    recipient: str | None = None,
    start: Combinable | Expression | None = None,
) -> QuerySet[Assignment]:
    """Adds what the facts of an assignment need. `opted_out_rules`: those of which its assignee wants no reminders and that
    are not mandatory. `start_notified`: whether the reminder of the rule `default` has stated this start, after any reset,
    and nothing begun later may have said otherwise (`fragments.notified_sql`); None where no message was begun.

    With `recipient` it is asked of that person, as if the work were theirs; with `start` of that start, as if it were the
    planned one.
    """
    wanted = OuterRef("scheduled_start")
    if start is not None:
        assignments, wanted = assignments.annotate(asked_start=start), OuterRef("asked_start")
    ever = datetime(1970, 1, 1, tzinfo=UTC)
    same = Q(
        kind=Kind.REMINDER,
        state=State.SENT,
        planned_start=wanted,
        sent_at__gt=Coalesce(OuterRef("reset_at"), Value(ever)),
    )
    contradicts = ~Q(planned_start=wanted) | Q(**{"announced__-1__theirs": False})
    last = (
        _to_assignee(recipient)
        .filter(
            Q(kind=Kind.REMINDER, rule=DEFAULT)
            | Q(Q(kind=Kind.REMINDER) & ~Q(planned_start=wanted))
            | Q(Q(kind=Kind.CORRECTION) & contradicts),
            Q(state__in=(State.SENT, State.SENDING, State.UNKNOWN)) | Q(ambiguous__gt=0),
            begun_at__isnull=False,
        )
        .order_by("-begun_at")
        .annotate(same=ExpressionWrapper(same, output_field=BooleanField()))
    )
    person = OuterRef("assignee_id") if recipient is None else assignee_id_of(recipient)
    return assignments.annotate(
        start_notified=Subquery(last.values("same")[:1]),
        opted_out_rules=ArraySubquery(_opted_out_of(person).values("rule")),
    )


def _opted_out_of(person: OuterRef | int | None) -> QuerySet[OptOut]:
    """The opt-outs that `fragments.opted_out` goes by."""
    of_rule = Concat(Value("rule:"), Cast("pk", TextField()), output_field=TextField())
    mandatory = ReminderRule.objects.annotate(key=of_rule).filter(key=OuterRef("rule"), mandatory=True)
    return OptOut.objects.filter(~Exists(mandatory), person=person, undone_at=None)


def opted_out_rules(person_id: int | None) -> list[str]:
    """The rules of which this person wants no reminders, and that are not mandatory."""
    return [] if person_id is None else list(_opted_out_of(person_id).values_list("rule", flat=True))


def may_know_start() -> Exists:
    """Whether the assignee may ever have been notified of the present start: a message of it was sent, may have been
    sent, or was sent by the former system. For previews; it decides nothing.
    """
    heard = Q(state__in=(State.SENT, State.UNKNOWN)) | Q(reason=Reason.IMPORTED)
    to_assignee = _to_assignee().filter(kind__in=(Kind.REMINDER, Kind.CORRECTION))
    return Exists(to_assignee.filter(heard, planned_start=OuterRef("scheduled_start")))


def _to_assignee(recipient: str | None = None) -> QuerySet[Reminder]:
    assigned = Concat(Value(ASSIGNEE), Cast(OuterRef("assignee_id"), TextField()))
    return Reminder.objects.filter(
        assignment=OuterRef("pk"), recipient=assigned if recipient is None else recipient
    )


@atomically
def sync_roll_up(config: ReminderConfig, ids: Sequence[int] | None = None) -> int:
    """Sets the roll-up to SENT where the ledger says that the current plan was notified; returns how many."""
    scope = "a.scheduled_start <= statement_timestamp() + %(lookahead)s" if ids is None else SCOPE_IDS
    with connection.cursor() as cursor:
        run(
            cursor,
            NOT_ROLLED_UP.format(scope=scope),
            {"lookahead": config.lookahead, "ids": list(ids or [])},
        )
        notified = [row[0] for row in cursor.fetchall()]
        if notified:
            run(
                cursor,
                "UPDATE assignments_assignment SET reminder_status = 'SENT'"
                " WHERE id = ANY(%s) AND status = 'SCHEDULED' AND overdue_at IS NULL",
                [notified],
            )
        return len(notified)


CLOSE_IMPORTED = f"""
    UPDATE reminders_reminder r
    SET state = 'SKIPPED', reason = 'imported', lease_until = NULL, closed_at = statement_timestamp()
    FROM assignments_assignment a
    WHERE a.id = ANY(%(ids)s) AND r.assignment_id = a.id AND r.version = a.version AND r.kind = 'REMINDER'
      AND r.closed_at IS NULL AND r.state IN ('PLANNED', 'QUEUED') AND r.ambiguous = 0
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constant


INSERT_IMPORTED = f"""
    INSERT INTO reminders_reminder AS r (assignment_id, version, kind, rule, recipient, channel, planned_start,
        planned_at, due_at, not_after, next_attempt_at, state, reason, closed_at)
    SELECT a.id, a.version, 'REMINDER', 'default',
           {assignee_recipient_sql("a")}, %(channel)s,
           a.scheduled_start, statement_timestamp(), due.at, {overdue_base_sql("a")} + %(overdue)s, due.at,
           'SKIPPED', 'imported', statement_timestamp()
    FROM assignments_assignment a,
         LATERAL (SELECT a.scheduled_start - coalesce(make_interval(mins => a.lead_minutes), %(lead)s) AS at) due
    WHERE a.id = ANY(%(ids)s)
      AND NOT EXISTS (SELECT 1 FROM reminders_reminder known
                      WHERE known.assignment_id = a.id AND known.version = a.version AND known.kind = 'REMINDER'
                      OFFSET 0)
    ON CONFLICT DO NOTHING
    RETURNING {AS_ENDED}
"""  # noqa: S608 - our own constants


@atomically
def record_as_notified(ids: Sequence[int], config: ReminderConfig) -> list[Ended]:
    """Records that another system has notified the present plan of these assignments, as at a cut-over.

    What was to be sent of it is not sent any more; the roll-up is SENT. The assignments' rows are locked by the caller.
    """
    within = {"ids": list(ids), "lead": config.lead, "overdue": config.overdue, "channel": config.channel}
    ended = []
    with connection.cursor() as cursor:
        for statement in (CLOSE_IMPORTED, INSERT_IMPORTED):
            run(cursor, statement, within)
            ended += [Ended(**row) for row in fetch(cursor)]
        run(
            cursor,
            "UPDATE assignments_assignment SET reminder_status = 'SENT'"
            " WHERE id = ANY(%(ids)s) AND reminder_status = 'NONE'",
            within,
        )
        record_ended(cursor, ended)
    return ended


def skip_already_notified(
    cursor: Cursor, landed: Sequence[Finished], versions: Mapping[int, int]
) -> list[Ended]:
    """A plan that changed during a send, yet has the start that was just sent, is not sent again to this person.

    `versions` are the assignments' present versions by id. Returns the rows of the new plan that end for it.
    """
    outdated = [
        end
        for end in landed
        if end.transition.state is State.SENT
        and end.claim.row.kind is Kind.REMINDER
        and versions.get(end.claim.row.assignment_id) != end.claim.row.version
    ]
    if not outdated:
        return []
    run(
        cursor,
        f"""
        UPDATE reminders_reminder r
        SET state = 'SKIPPED', reason = 'already_told', lease_until = NULL, closed_at = statement_timestamp()
        FROM reminders_reminder sent JOIN assignments_assignment a ON a.id = sent.assignment_id
        WHERE sent.id = ANY(%s) AND r.assignment_id = sent.assignment_id AND r.version = a.version
          AND r.kind = 'REMINDER' AND r.state IN ('PLANNED', 'QUEUED') AND r.ambiguous = 0
          AND r.recipient = sent.recipient AND r.planned_start = sent.planned_start
          AND CASE WHEN starts_with(r.rule, 'default') AND a.further_lead_minutes <> ''
                   -- Which of several leads has which key changes with them.
                   THEN starts_with(sent.rule, 'default') AND r.due_at = sent.due_at
                   ELSE r.rule = sent.rule END
          AND (a.renudge_at IS NULL OR sent.sent_at > a.renudge_at)
        RETURNING {AS_ENDED}
        """,  # noqa: S608 - our own constant
        [[end.claim.row.id for end in outdated]],
    )
    ended = [Ended(**row) for row in fetch(cursor)]
    if ended:
        record_ended(cursor, ended)
        run(
            cursor,
            "UPDATE assignments_assignment SET reminder_status = 'SENT'"
            " WHERE id = ANY(%s) AND reminder_status = 'NONE'",
            [[row.assignment_id for row in ended]],
        )
    return ended
