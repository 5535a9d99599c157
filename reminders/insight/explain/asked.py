"""One assignment with its rows, at one moment, and what becomes of each: what `explain` puts together."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from django.utils.translation import gettext

from assignments.models import Act, Assignee, Assignment
from assignments.team_scope import EVERYTHING, TeamScope
from notifications.message import Contact
from reminders.conf import ReminderConfig
from reminders.delivery import beat_schedule
from reminders.insight import forecast, pace_outlook, rate_outlook
from reminders.insight.explain.answer import GateResult, Outlook
from reminders.insight.explain.chains import chains_of_work
from reminders.insight.explain.history import fate, joined
from reminders.insight.explain.inputs import (
    can_reach,
    contact_of,
    facts_of,
    news_of,
    others_in_message,
    situation_of,
    supervisors_of,
    told_decline,
)
from reminders.insight.explain.prospects import OUTLOOK, Prospect, condition, in_turn, unless_stopped
from reminders.insight.explain.rules import rules_of_work
from reminders.insight.explain.ways import Ways, way_words
from reminders.insight.explain.wording import change_words, held_by_rate, moment, now_words, words
from reminders.insight.forecast import Forecast
from reminders.insight.foremost import foremost, foremost_way
from reminders.insight.pace_outlook import Turn
from reminders.insight.recipient_names import former_names, named_and_numbered, numbered, supervisor_name
from reminders.ledger import briefs
from reminders.models import Kind, Pause, Reason, Reminder, State
from reminders.policy import gates as policy_gates
from reminders.policy import recipients
from reminders.policy import rows as policy_rows
from reminders.policy import rules as policy_rules
from reminders.policy.briefs import is_brief
from reminders.policy.departures import Waiting
from reminders.policy.escalation import is_withdrawal
from reminders.policy.gates import Gate
from reminders.policy.rows import Action, Row, Situation
from reminders.policy.rules import DEFAULT, Occurrence
from reminders.policy.ways import channel_name

STILL_OPEN = (Outlook.COMING, Outlook.SENDING, Outlook.WAITS)

LONG_DUE = 60.0
"""Seconds after which something that is due should have been sent."""


class Asked:
    """One assignment with its rows, at one moment."""

    def __init__(
        self,
        assignment: Assignment,
        rows: list[Reminder],
        acts: list[Act],
        pause: Pause | None,
        config: ReminderConfig,
        scope: TeamScope = EVERYTHING,
    ) -> None:
        self.assignment = assignment
        self.rows = rows
        self.others = others_in_message(rows)
        self.acts = acts
        self.pause = pause
        self.situation = situation_of(pause, config)
        self.paces = pace_outlook.outlook(
            now=self.situation.now, config=config, opens_at=pause.until if pause else None
        )
        self.config = config
        self.supervisors = supervisors_of(assignment)
        self.work = facts_of(assignment, supervisors=self.supervisors)
        self.ways = Ways(rows, self.work.recipient, config)
        self.person = contact_of(assignment.assignee)
        self.dispatch_stop = beat_schedule.stopped_by(beat_schedule.DISPATCH)
        self.rules = rules_of_work(assignment, rows, config)
        self.chains = chains_of_work(assignment, config)
        self.rate_holds = rate_outlook.holds_of_rows(
            [self.work.recipient], now=self.situation.now, config=config
        )
        named = (*(row.recipient for row in rows), *(act.actor for act in acts))
        self.former = former_names(
            {*named} - {self.work.recipient, *self.supervisors}, Assignee.objects.visible_to(scope)
        )
        self.by_rule = self._answers_by_rule()

    def answer(self) -> Prospect:
        """The reminder that matters first: the one that an operator asked for at once while it is open, else the plan's."""
        planned, now = self.planned(), self.asked_now()
        if now is None:
            return planned
        if now.closed_at is None:
            one = self.row_answer(now)
            return replace(one, summary=f"{now_words(now)} {one.summary}")
        was_sent = now.state == State.SENT and planned.outlook not in STILL_OPEN
        told = gettext("%(summary)s. Besides, the one %(now_words)s %(summary2)s") % {
            "summary": planned.summary,
            "now_words": now_words(now),
            "summary2": self.row_answer(now).summary,
        }
        return replace(planned, outlook=Outlook.SENT if was_sent else planned.outlook, summary=told)

    def asked_now(self) -> Reminder | None:
        """The row of the present version that an operator asked for last, over the way that it goes."""
        own = [
            row
            for row in self.rows
            if row.version == self.assignment.version and policy_rules.is_now(row.rule)
        ]
        last = max(own, key=lambda row: row.pk, default=None)
        return None if last is None else foremost_way(row for row in own if row.rule == last.rule)

    def planned(self) -> Prospect:
        """The reminder of the present plan: what becomes of its row, or of the one that a scan will plan."""
        if self.by_rule:
            return self._next_by_rule()
        row = self.current(Kind.REMINDER)
        if row is not None:
            return self.row_answer(row)
        return self._planned_later()

    def _planned_later(self, occurrence: Occurrence | None = None) -> Prospect:
        stop = beat_schedule.stopped_by(beat_schedule.SCAN) or self.dispatch_stop
        return unless_stopped(self._unplanned(occurrence), stop)

    def _answers_by_rule(self) -> dict[str, Prospect]:
        """What becomes of the reminder of each rule, in the order in which they are due; empty for the built-in one."""
        if self.rules is None:
            return {}
        own = [
            row
            for row in self.rows
            if row.version == self.assignment.version
            and row.kind == Kind.REMINDER
            and not policy_rules.is_now(row.rule)
        ]
        rows = {
            rule: foremost_way(row for row in own if row.rule == rule) for rule in {row.rule for row in own}
        }
        due = {found.rule: found.due_at for found in self.rules.occurrences}
        due.update((rule, row.due_at) for rule, row in rows.items())
        answers = {}
        for rule in sorted(due, key=lambda one: (due[one], one)):
            found = self.rules.of_key(rule)
            if rule in rows:
                answers[rule] = self.row_answer(rows[rule])
            elif found is not None and (found.due_at > self.situation.now or not self.rules.is_behind(found)):
                answers[rule] = self._planned_later(found)
        return answers

    def _next_by_rule(self) -> Prospect:
        return foremost(
            list(self.by_rule.values()),
            is_open=lambda one: one.outlook in STILL_OPEN,
            was_sent=lambda one: one.outlook is Outlook.SENT,
        )

    def row_answer(self, row: Reminder) -> Prospect:
        """What becomes of a row, or became of it, after what was tried for the same message before."""
        return replace(answer := self._row_answer(row), summary=self.ways.trail(row) + answer.summary)

    def _row_answer(self, row: Reminder) -> Prospect:
        if row.closed_at is not None:
            reason = Reason(row.reason) if row.reason else None
            summary = fate(row, self.others_with(row), self.ways.by_row(row))
            return Prospect(OUTLOOK[State(row.state)], None, summary, reason=reason)
        stop = self.dispatch_stop if row.state == State.PLANNED else None
        return unless_stopped(self.prospect(row), stop)

    def _unplanned(self, occurrence: Occurrence | None = None) -> Prospect:
        """What becomes of work that has no row yet, or none of this rule."""
        gates = list(
            forecast.planning_gates(self.work, self.situation, config=self.config, occurrence=occurrence)
        )
        foreseen = forecast.forecast_assignment(
            self.work, self.situation, config=self.config, occurrence=occurrence
        )
        conditions = self._in_words(gates)
        failed = next((gate.consequence for gate in gates if not gate.passed), None)
        why = words(foreseen.verdict.reason)
        if foreseen.verdict.action is Action.DROP:
            return Prospect(
                Outlook.NOT_SENT, None, gettext("is not planned: %(why)s") % {"why": why}, conditions
            )
        if foreseen.at is None:
            return Prospect(
                Outlook.WAITS,
                None,
                gettext("waits: %(why)s") % {"why": why},
                conditions,
                foreseen.verdict.reason,
            )
        if foreseen.verdict.action is Action.END:
            summary = gettext("will not be sent: %(why)s") % {"why": why}
            return Prospect(Outlook.NOT_SENT, foreseen.at, summary, conditions, foreseen.verdict.reason)
        rule = DEFAULT if occurrence is None else occurrence.rule
        way = self.ways.first(self.work.recipient, self.work.way, rule)
        reach = self._reach(self.work.recipient, way, rule)
        if not reach.passed:
            return self._unreachable(foreseen, [*conditions, reach])
        planned = forecast.planned_row(
            self.work, now=self.situation.now, config=self.config, occurrence=occurrence
        )
        turn = self._turn(planned, foreseen.at)
        if turn is not None and turn.is_late(foreseen.at):
            return in_turn(turn, conditions, planned.not_after)
        by = self.ways.by(self.work.recipient, way)
        summary = gettext("will be sent%(by)s at %(at)s") % {"by": by, "at": moment(foreseen.at)}
        if failed is None:
            summary += gettext(", once the next scan has planned it")
        elif failed.until is not None:
            what = gettext("the start") if occurrence is None else gettext("that")
            summary += gettext(
                "; it is planned from %(until)s on, when %(what)s comes within the look-ahead"
            ) % {"until": moment(failed.until), "what": what}
        summary += self.ways.then_of_planned(self.work.recipient, way, rule, self.situation)
        return Prospect(Outlook.COMING, foreseen.at, summary, conditions)

    def name_of(self, recipient: str) -> str:
        """A recipient as people know it; never an address."""
        if not recipient:
            return gettext("nobody")
        if recipients.is_ops(recipient):
            return gettext("Ops")
        if recipient in self.supervisors:
            return supervisor_name(self.supervisors[recipient], recipient)
        if (subscription_id := recipients.subscription_id_of(recipient)) is not None:
            return gettext("the program of subscription %(subscription_id)s") % {
                "subscription_id": subscription_id
            }
        if recipient == self.work.recipient and self.assignment.assignee is not None:
            return named_and_numbered(self.assignment.assignee.name, recipient)
        return self.former.get(recipient) or numbered(recipient)

    def current(self, kind: Kind) -> Reminder | None:
        """The row of the present version that tells the assignee, or that marks the assignment."""
        own = [row for row in self.rows if row.version == self.assignment.version and row.kind == kind]
        to_assignee = [
            row
            for row in own
            if not recipients.is_supervisor(row.recipient) and not policy_rules.is_now(row.rule)
        ]
        if not to_assignee:
            return None
        return foremost_way(row for row in to_assignee if row.recipient == to_assignee[0].recipient)

    def prospect(self, row: Reminder) -> Prospect:
        """What becomes of an open row."""
        believed = policy_rows.from_model(row)
        plan = self.work.plan_for(row.rule)
        situation = self._situation_of(row)
        if believed.is_correction or (self.rules is not None and believed.kind is Kind.REMINDER):
            plan = replace(plan, news=news_of(row, self.rows, self.assignment, self.config, self.situation))
        if is_withdrawal(believed.kind, believed.rule):
            plan = replace(plan, told_otherwise=told_decline(row, self.rows))
        if is_brief(believed) and believed.rule_key in briefs.rules_unless_reached():
            cause = briefs.causes([row.assignment_id], config=self.config)[row.assignment_id]
            plan = replace(plan, reached=cause is None)
        does = (
            gettext("will mark the assignment OVERDUE")
            if believed.is_marker
            else gettext("will be sent%(by_row)s") % {"by_row": self.ways.by_row(row)}
        )
        conditions = self._in_words(policy_gates.evaluate_gates(believed, plan, situation))
        if not believed.is_marker:
            conditions.append(self._reach(row.recipient, row.channel, row.rule))
        if believed.state is State.SENDING:
            over = gettext(
                "; if no answer is recorded by %(lease_until)s, nobody can know whether it arrived"
            ) % {"lease_until": moment(row.lease_until)}
            by = self.ways.by_row(row)
            return Prospect(
                Outlook.SENDING,
                None,
                gettext("is being sent%(by)s right now%(over)s") % {"by": by, "over": over},
            )
        foreseen = forecast.forecast_row(believed, plan, situation)
        verdict, at = foreseen.verdict, foreseen.at
        if at is None:
            summary = gettext("waits: %(reason)s") % {"reason": words(verdict.reason)}
            if row.next_attempt_at > self.situation.now:
                summary = gettext("is due at %(next_attempt_at)s and %(summary)s") % {
                    "next_attempt_at": moment(row.next_attempt_at),
                    "summary": summary,
                }
            if row.not_after:
                summary += gettext("; after %(not_after)s it is of no use any more") % {
                    "not_after": moment(row.not_after)
                }
            return Prospect(Outlook.WAITS, None, summary, conditions, verdict.reason)
        if verdict.action is Action.END:
            outlook = Outlook.UNKNOWN if verdict.state is State.UNKNOWN else Outlook.NOT_SENT
            summary = gettext("will not be sent: %(reason)s") % {"reason": words(verdict.reason)}
            return Prospect(outlook, at, summary, conditions, verdict.reason)
        if verdict.action is Action.SEND and not conditions[-1].passed:
            return self._unreachable(foreseen, conditions, self.ways.then(row, at, self.situation))
        turn = self._turn(believed, at) if verdict.action is Action.SEND else None
        if turn is not None and turn.is_late(at):
            return in_turn(turn, conditions, believed.not_after)
        summary = gettext("%(does)s at %(at)s%(joined)s") % {
            "does": does,
            "at": moment(at),
            "joined": joined(self.others_with(row)),
        }
        wait = policy_gates.judge(believed, plan, situation).reason
        held = wait if wait in (Reason.PAUSED, Reason.CHANNEL_HELD, Reason.TO_BE_JOINED) else None
        now = self.situation.now
        if at <= now:
            summary = gettext("%(does)s now%(joined)s: every condition is met") % {
                "does": does,
                "joined": joined(self.others_with(row)),
            }
            waited = (self.situation.now - max(row.due_at, row.planned_at)).total_seconds()
            if waited > LONG_DUE and not row.attempts:
                summary += gettext("; it has been due for %(waited)s minutes") % {
                    "waited": f"{waited / 60:.0f}"
                }
        elif row.pk in self.rate_holds:
            summary += (
                f", {held_by_rate(self.rate_holds[row.pk], since=max(now, row.due_at), until=at, now=now)}"
            )
        elif held is not None:
            summary += gettext("; until then %(held)s") % {"held": words(held)}
        elif row.attempts:
            summary += gettext(", for attempt %(attempts)s") % {"attempts": row.attempts + 1}
        if news := change_words(plan.news):
            summary += f": {news}"
        if verdict.action is Action.SEND:
            summary += self.ways.then(row, at, self.situation)
        return Prospect(Outlook.COMING, at, summary, conditions, held)

    def _situation_of(self, row: Reminder) -> Situation:
        """What holds for this row: the rate of its person keeps back each of their reminders for another time."""
        hold = self.rate_holds.get(row.pk)
        return replace(self.situation, rates={row.recipient: hold}) if hold else self.situation

    def _turn(self, row: Row, at: datetime) -> Turn | None:
        """Its turn where its channel accepts only so many messages a minute; None where it does not, or has begun."""
        if row.state is not State.PLANNED:
            return None
        message = Waiting(
            id=row.id,
            at=row.next_attempt_at if row.id else at,
            not_after=row.not_after,
            urgent=row.kind is Kind.REMINDER,
        )
        return self.paces.turn(message, channel_name(row.channel))

    def _in_words(self, gates: Iterable[Gate]) -> list[GateResult]:
        return [condition(gate, pause=self.pause, situation=self.situation) for gate in gates]

    def _contact_of(self, recipient: str) -> Contact:
        """The person behind a row: who is assigned, or for a correction perhaps who was."""
        assignee_id = recipients.assignee_id_of(recipient)
        if assignee_id is None or assignee_id == self.assignment.assignee_id:
            return self.person
        return contact_of(Assignee.objects.filter(pk=assignee_id).first())

    def _reach(self, recipient: str, channel: str, rule: str) -> GateResult:
        to = self.name_of(recipient)
        person, verified_only = self._contact_of(recipient), self.ways.is_verified_only(rule)
        if can_reach(recipient, channel, person, self.config, verified_only=verified_only):
            return GateResult(
                gettext("can be reached"),
                True,
                gettext("%(to)s, by %(way_words)s") % {"to": to, "way_words": way_words(channel)},
            )
        kind = gettext("verified address") if verified_only else gettext("address")
        seen = (
            gettext("%(to)s has no %(kind)s for %(way_words)s")
            % {"to": to, "kind": kind, "way_words": way_words(channel)}
            if recipient
            else gettext("nobody is assigned")
        )
        return GateResult(
            gettext("can be reached"),
            False,
            seen,
            gettext("ends as FAILED: %(no_contact)s") % {"no_contact": words(Reason.NO_CONTACT)},
        )

    def _unreachable(self, foreseen: Forecast, conditions: Sequence[GateResult], then: str = "") -> Prospect:
        summary = gettext("will fail at %(at)s: %(no_contact)s%(then)s") % {
            "at": moment(foreseen.at),
            "no_contact": words(Reason.NO_CONTACT),
            "then": then,
        }
        return Prospect(Outlook.FAILED, foreseen.at, summary, conditions, Reason.NO_CONTACT)

    def others_with(self, row: Reminder) -> int:
        """How many other notices are in the message that holds this one."""
        return self.others.get(row.digest_id, 0) if row.digest_id is not None else 0
