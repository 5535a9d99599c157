"""Begins rows: decides under their locks and makes those that may be sent SENDING."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from assignments.transactions import atomically
from reminders.conf import ReminderConfig
from reminders.ledger import briefs, counters, digests, rates
from reminders.ledger.chains import goes_on_after
from reminders.ledger.events import OVERDUE, Event, emit_events, record_ended
from reminders.ledger.fragments import (
    HEARD,
    OF_NOTICE,
    OTHER_RULE_BEGUN,
    PLANNED_BY_RULES,
    ROW_AND_PLAN,
    TOLD_DECLINE,
    opted_out,
    rule_is,
    unless_confirmed,
    unless_reached,
)
from reminders.ledger.notices import carry_over, plan_notices
from reminders.ledger.records import Begun, Claim, Ended, Hint, claim_of, ended_row, plan_of, row_of
from reminders.ledger.rule_planning import follow_rules, start_chains
from reminders.ledger.sending import make_sending
from reminders.ledger.sql import Cursor, bigints, fetch, prepared_cursor, run
from reminders.models import NO_CHANNEL, Kind, Reason, State
from reminders.policy import gates
from reminders.policy.briefs import is_brief_key
from reminders.policy.digests import Group, group_of, same_nudge
from reminders.policy.rates import Hold, hold_after
from reminders.policy.recipients import ASSIGNEE
from reminders.policy.rows import Action, Row, Situation
from reminders.policy.rules import DEFAULT, TriggerType

_PICK = f"""
    SELECT {ROW_AND_PLAN}, {{more}}r.kind = 'REMINDER' AND {opted_out("r.rule", "a.assignee_id")} AS opted_out,
           r.kind = 'REMINDER' AND {PLANNED_BY_RULES} AS planned_by_rules,
           (SELECT c.done_up_to FROM reminders_rulechange c WHERE c.finished_at IS NULL) AS rules_followed_up_to,
           (SELECT c.changed_at FROM reminders_rulechange c WHERE c.finished_at IS NULL) AS rules_changed_at
    FROM unnest(%s::bigint[], %s::bigint[]) AS hint(id, ticket)
    JOIN reminders_reminder r ON r.id = hint.id AND r.ticket = hint.ticket AND r.state = 'QUEUED'
    JOIN assignments_assignment a ON a.id = r.assignment_id
    LEFT JOIN assignments_assignee p ON p.id = CASE
        WHEN r.kind = 'CORRECTION' THEN substr(r.recipient, {len(ASSIGNEE) + 1})::bigint ELSE a.assignee_id END
    ORDER BY a.id, r.due_at, r.id
    FOR NO KEY UPDATE OF a, r SKIP LOCKED
"""  # noqa: S608 - our own constants
PICK = _PICK.format(more="")
PICK_RATED = _PICK.format(more=f"{rates.OTHERS} AS others, ")
"""The same where people get only so many reminders."""

# Of most rows nothing of it matters, and to look it up for each of them would take half as long again.
PICK_MORE = f"""
    SELECT r.id, {OF_NOTICE},
           CASE WHEN r.kind = 'CORRECTION' OR (r.kind = 'REMINDER' AND (a.version > 1 OR {PLANNED_BY_RULES}))
                THEN {HEARD.format(assignment="r.assignment_id", recipient="r.recipient")} END AS heard,
           r.kind = 'CORRECTION' AND EXISTS (
                SELECT FROM reminders_reminder n
                WHERE n.assignment_id = r.assignment_id AND n.version = a.version AND n.kind = 'REMINDER'
                  AND n.recipient = r.recipient AND n.state IN ('PLANNED', 'QUEUED') AND a.status = 'SCHEDULED'
                  AND n.next_attempt_at <= statement_timestamp() + %s
                  AND NOT (a.answer = 'CONFIRMED' AND {unless_confirmed("n")})) AS reminded,
           CASE WHEN r.kind = 'REMINDER' AND {PLANNED_BY_RULES} THEN {OTHER_RULE_BEGUN} END AS reminded_at,
           r.kind IN ('REMINDER', 'ESCALATION') AND r.rule <> 'default' AND {unless_confirmed("r")} AS unless_confirmed,
           r.kind = 'REMINDER' AND r.rule <> 'default' AND {rule_is("mandatory", "r.rule")} AS mandatory,
           r.kind = 'REMINDER' AND r.rule <> 'default' AND {rule_is("verified_only", "r.rule")} AS verified_only,
           CASE WHEN r.kind = 'ESCALATION' AND r.rule LIKE 'confirmed_after_all:%%' THEN {TOLD_DECLINE} END
               AS told_otherwise,
           r.kind = 'ESCALATION' AND r.rule LIKE 'brief:%%' AND {unless_reached("r")} AS unless_reached
    FROM reminders_reminder r
    JOIN assignments_assignment a ON a.id = r.assignment_id
    WHERE r.id = ANY(%s::bigint[])
"""  # noqa: S608 - our own constants


def _needs_more(found: Mapping[str, Any]) -> bool:
    """Whether PICK_MORE may say something that matters to this row: not so of a marker, an event, and the reminder of a
    plan that has never changed and that no rule has made."""
    if found["kind"] == Kind.REMINDER:
        return bool(found["plan_version"] > 1 or found["planned_by_rules"] or found["rule"] != DEFAULT)
    return bool(found["kind"] != Kind.EVENT and found["channel"] != NO_CHANNEL)


@dataclass(slots=True)
class _Judged:
    """What the policy says of rows that are locked: which may be sent, by themselves or in one message with others, and
    what is settled without a send.
    """

    claims: list[Claim] = field(default_factory=list)
    groups: dict[Group, list[Claim]] = field(default_factory=dict)
    later: list[Hint] = field(default_factory=list)
    marks: list[tuple[Row, dict[str, Any]]] = field(default_factory=list)
    settled: list[Ended] = field(default_factory=list)
    puts: list[tuple[int, str, str, datetime]] = field(default_factory=list)
    with_events: bool = True
    reminding: dict[tuple[int, str], datetime] = field(default_factory=dict)
    usual: Situation | None = None

    def judge(self, found: dict[str, Any], config: ReminderConfig) -> None:
        row = row_of(found)
        if row.kind is Kind.REMINDER:  # What is being begun is not in the snapshot yet.
            begun = self.reminding.get((row.assignment_id, row.recipient))
            if begun is not None:
                found["reminded_at"] = begun
        plan = plan_of(found)
        verdict = gates.judge(row, plan, self._situation(row, found, config))
        if verdict.action is Action.SEND:
            if row.kind is Kind.REMINDER:
                self.reminding[row.assignment_id, row.recipient] = found["now"]
            joins = bool(found.get("joins")) and found["others"] == rates.OTHERS_ARE_DUE
            self._send(claim_of(row, plan, found), joins=joins)
        elif verdict.action is Action.MARK:
            self.marks.append((row, found))
        else:
            state = verdict.state or State.PLANNED
            reason = verdict.reason.value if verdict.reason else ""
            self.puts.append((row.id, state.value, reason, verdict.until or row.next_attempt_at))
            self.settled.append(ended_row(row, state, reason))

    def _situation(self, row: Row, found: dict[str, Any], config: ReminderConfig) -> Situation:
        """What holds for this row; for most rows of a statement it is the same."""
        until = found.get("window_until")
        hold = self._hold(row, found, config) if found.get("joins") else None
        if (
            found["held_until"] is None
            and until is None
            and hold is None
            and not found.get("unless_confirmed")
        ):
            usual = self.usual
            if usual is None or usual.now != found["now"]:
                usual = self.usual = Situation(
                    now=found["now"], enabled=config.enabled, paused=found["paused"], held={}
                )
            return usual
        return Situation(
            now=found["now"],
            enabled=config.enabled,
            paused=found["paused"],
            held={row.route: found["held_until"]} if found["held_until"] else {},
            windows={(row.recipient, row.channel): until} if until else {},
            unless_confirmed={row.rule_key} if found.get("unless_confirmed") else frozenset(),
            rates={row.recipient: hold} if hold else {},
        )

    def _hold(self, row: Row, found: dict[str, Any], config: ReminderConfig) -> Hold | None:
        """What keeps back this reminder: the messages that its person had, and those over other ways that are begun with it.

        What goes in a message that leaves anyway is not kept back, nor is what is one nudge with one that leaves.
        """
        others = [
            group
            for group, claims in self.groups.items()
            if group.recipient == row.recipient
            and group.digest_id is None
            and not any(same_nudge(claim.row, row) for claim in claims)
        ]
        if any(group.channel == row.channel for group in others):
            return None
        return hold_after([*found["recent"], *[found["now"]] * len(others)], rates.limits_of(config))

    def _send(self, claim: Claim, *, joins: bool) -> None:
        """`joins`: its person has other reminders that are due, with which it may go. Without them it goes by itself at
        once: a message for each person takes as many statements as a whole slice does.
        """
        row = claim.row
        alone = row.kind is Kind.REMINDER and not joins and row.digest_id is None
        if not alone and (group := group_of(row)) is not None:
            self.groups.setdefault(group, []).append(claim)
        elif self.with_events or not row.is_webhook:
            self.claims.append(claim)
        else:
            self.later.append(Hint(row.id, row.ticket))


@atomically
def begin(hints: Sequence[Hint], *, config: ReminderConfig, with_events: bool = True) -> Begun:
    """Decides about each hint's row under its lock, and makes those that may be sent SENDING.

    Rows and assignments are picked SKIP LOCKED: nothing is decided on a snapshot that is older than a lock
    wait. What the policy refuses is settled in the same transaction (docs/state-machine.md#refusals-at-begin).
    A notice to a supervisor takes along what else is due for them. `with_events`: events are begun too, and not left for
    later.
    """
    hints = list(dict.fromkeys(hints))  # A hint that is there twice must not be begun twice.
    judged = _Judged(with_events=with_events)
    with prepared_cursor() as cursor:
        picked = _pick(cursor, hints, judged, config)
        for group in list(judged.groups):
            others = digests.joined_hints(cursor, group, picked, len(judged.groups[group]), config)
            digests.leave(
                cursor, {hint.reminder_id for hint in others} - _pick(cursor, others, judged, config)
            )
        claims = judged.claims
        if claims:
            make_sending(cursor, claims, digest_id=None, config=config)
        for group, together in judged.groups.items():
            claims.append(digests.begin_group(cursor, group, together, config))
        if judged.puts:
            _settle(cursor, judged.puts)
            record_ended(cursor, judged.settled)
            reassigned = [row for row in judged.settled if row.reason == Reason.REASSIGNED]
            carry_over(cursor, reassigned, config)
            if chains := [row.assignment_id for row in judged.settled if goes_on_after(row)]:
                follow_rules(sorted(set(chains)), config=config)
        if judged.marks:
            _mark(cursor, judged.marks, config)
    stale, busy = _stale_and_busy([hint for hint in hints if hint.reminder_id not in picked])
    marked = [ended_row(row, State.MARKED, "") for row, _ in judged.marks]
    return Begun(claims, marked, judged.settled, stale, busy, judged.later)


def _pick(cursor: Cursor, hints: Sequence[Hint], judged: _Judged, config: ReminderConfig) -> set[int]:
    """Locks the rows of these hints and judges them; returns which there were."""
    if not hints:
        return set()
    has_rates = bool(rates.limits_of(config))
    run(cursor, PICK_RATED if has_rates else PICK, _hint_arrays(hints))
    picked = _following_changed_rules(cursor, list(fetch(cursor)), config)
    if has_rates:
        picked = sorted(rates.look_up(cursor, picked), key=_most_urgent_of_a_person)
    _look_up_more(cursor, [found for found in picked if _needs_more(found)], config)
    for found in picked:
        judged.judge(found, config)
    return {found["id"] for found in picked}


def _most_urgent_of_a_person(found: Mapping[str, Any]) -> float:
    """Of the reminders that one person has to wait for, what can wait least is judged first: the others go along."""
    return found["planned_start"].timestamp() if found.get("joins") else 0.0


def _look_up_more(cursor: Cursor, picked: Sequence[dict[str, Any]], config: ReminderConfig) -> None:
    """Adds to these rows, whose locks are held, what PICK_MORE says of them."""
    if not picked:
        return
    run(cursor, PICK_MORE, [config.correction_grace, bigints(found["id"] for found in picked)])
    more = {found["id"]: found for found in fetch(cursor)}
    for found in picked:
        found.update(more[found["id"]])
    told_of = [found for found in picked if is_brief_key(found["kind"], found["rule"])]
    if told_of:
        causes = briefs.causes({found["assignment_id"] for found in told_of}, config=config)
        for found in told_of:
            cause = causes[found["assignment_id"]]
            found["brief_cause"] = cause.value if cause else ""
            found["reached"] = cause is None and found["unless_reached"]


def _following_changed_rules(
    cursor: Cursor, picked: list[dict[str, Any]], config: ReminderConfig
) -> list[dict[str, Any]]:
    """While the ledger still follows a change of rules, no row is begun that the new rules do not ask for."""
    behind = {
        found["assignment_id"]
        for found in picked
        if found["rules_followed_up_to"] is not None
        and found["assignment_id"] > found["rules_followed_up_to"]
    }
    if not behind:
        return picked
    follow_rules(sorted(behind), config=config, rules_changed_at=picked[0]["rules_changed_at"])
    run(
        cursor,
        "SELECT id FROM reminders_reminder WHERE id = ANY(%s::bigint[]) AND state = 'QUEUED'",
        [bigints(found["id"] for found in picked)],
    )
    still = {row[0] for row in cursor.fetchall()}
    return [found for found in picked if found["id"] in still]


def _hint_arrays(hints: Sequence[Hint]) -> list[str]:
    return [bigints(hint.reminder_id for hint in hints), bigints(hint.ticket for hint in hints)]


def _settle(cursor: Cursor, puts: Sequence[tuple[int, str, str, datetime]]) -> None:
    ids, states, reasons, untils = (list(column) for column in zip(*puts, strict=True))
    run(
        cursor,
        """
        UPDATE reminders_reminder r
        SET state = x.state, reason = x.reason, lease_until = NULL, next_attempt_at = x.until,
            closed_at = CASE WHEN x.state = 'PLANNED' THEN NULL ELSE statement_timestamp() END
        FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[]) AS x(id, state, reason, until)
        WHERE r.id = x.id AND r.state = 'QUEUED'
        """,
        [ids, states, reasons, untils],
    )


def _mark(cursor: Cursor, marks: Sequence[tuple[Row, dict[str, Any]]], config: ReminderConfig) -> None:
    """Marks assignments OVERDUE, ends their markers and plans the notices about them, all in one transaction."""
    run(
        cursor,
        """
        UPDATE assignments_assignment SET reminder_status = 'OVERDUE', overdue_at = statement_timestamp()
        WHERE id = ANY(%s) AND status = 'SCHEDULED' AND overdue_at IS NULL
        """,
        [[row.assignment_id for row, _ in marks]],
    )
    counters.write(cursor, counters.Counts({(counters.OVERDUE_MARKED, ""): cursor.rowcount}))
    emit_events(cursor, [Event(OVERDUE, row.assignment_id, source=str(row.id)) for row, _ in marks])
    run(
        cursor,
        """
        UPDATE reminders_reminder SET state = 'MARKED', reason = '', lease_until = NULL,
            closed_at = statement_timestamp()
        WHERE id = ANY(%s) AND state = 'QUEUED'
        """,
        [[row.id for row, _ in marks]],
    )
    told = [row for row, found in marks if row.due_at >= found["known_at"]]
    if told:
        ids = [row.assignment_id for row in told]
        by_rules = start_chains(ids, TriggerType.AFTER_OVERDUE, config=config)
        plan_notices(cursor, [row for row in told if row.assignment_id not in by_rules], config)


def _stale_and_busy(missing: Sequence[Hint]) -> tuple[list[Hint], list[Hint]]:
    """Hints whose row has moved on, and hints whose row somebody held locked just now."""
    if not missing:
        return [], []
    with prepared_cursor() as cursor:
        run(
            cursor,
            """
            SELECT r.id FROM reminders_reminder r
            JOIN unnest(%s::bigint[], %s::bigint[]) AS hint(id, ticket) ON r.id = hint.id AND r.ticket = hint.ticket
            WHERE r.state = 'QUEUED'
            """,
            _hint_arrays(missing),
        )
        waiting = {row[0] for row in cursor.fetchall()}
    stale = [hint for hint in missing if hint.reminder_id not in waiting]
    return stale, [hint for hint in missing if hint.reminder_id in waiting]
