"""What supervisors and Ops would be told by rules: of what is so now, and, if nobody answers, that nobody has.

Where it is asked what comes if nobody starts any work, also that it is overdue, by rules or by the built-in notice.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from django.db import connection

from assignments.models import Assignee, Assignment, Status
from assignments.team_scope import TeamScope
from reminders.conf import MAX_LEAD, NOTIFY_WINDOW, ReminderConfig
from reminders.insight.chain_forecast import ChainedWork, foresee_steps, read_chained
from reminders.insight.forecast import Forecast
from reminders.insight.rule_simulation import RulesTried
from reminders.insight.simulator.prospects import CHUNK, SimulatedMessage
from reminders.ledger import briefs
from reminders.ledger.notices import ops_recipients
from reminders.models import Kind
from reminders.policy import chains, recipients
from reminders.policy import rules as policy_rules
from reminders.policy.rows import SEND
from reminders.policy.rules import Rule, TriggerType
from reminders.policy.ways import first_way


def notices(
    until: datetime, config: ReminderConfig, scope: TeamScope, tried: RulesTried, *, if_not_started: bool
) -> Iterator[SimulatedMessage]:
    """Every step that comes until then, for the work in the scope."""
    rules = chains.for_others(tried.rules)
    if not config.enabled or not (rules or if_not_started):
        return
    work = Assignment.objects.visible_to(scope).filter(
        status=Status.SCHEDULED, scheduled_start__lt=until + MAX_LEAD
    )
    found = work.order_by("pk").iterator(CHUNK)
    while page := list(islice(found, CHUNK)):
        with connection.cursor() as cursor:
            chained = read_chained(cursor, [one.pk for one in page], config)
        people = _people(chained)
        told_of = _in_a_brief(rules, list(chained), config)
        for assignment in page:
            if (one := chained.get(assignment.pk)) is not None:
                found_of = _of_work(assignment, one, tried, people, config, if_not_started=if_not_started)
                yield from (
                    each for rule, each in found_of if not (rule and rule.unless_reached) or one.id in told_of
                )


def _of_work(
    assignment: Assignment,
    chained: ChainedWork,
    tried: RulesTried,
    people: Mapping[str, Assignee],
    config: ReminderConfig,
    *,
    if_not_started: bool,
) -> Iterator[tuple[Rule | None, SimulatedMessage]]:
    """Each message with the rule that makes it."""
    applying = policy_rules.rules_for(chained.work.subject, rules=tried.rules, lead=config.lead)

    def prospect(recipient: str, due_at: datetime, kind: Kind, row_id: int | None = None) -> SimulatedMessage:
        return SimulatedMessage(
            assignment=assignment,
            person=people.get(recipient),
            recipient=recipient,
            channel=first_way(people[recipient].way if recipient in people else "", config),
            foreseen=Forecast(SEND, max(due_at, chained.work.now)),
            row_id=row_id,
            kind=kind,
            useful_until=due_at + NOTIFY_WINDOW,
        )

    for one in foresee_steps(chained, applying, config=config, if_overdue=if_not_started):
        yield one.rule, prospect(one.recipient, one.due_at, Kind.ESCALATION, one.row_id)
    if not if_not_started or chained.work.is_overdue:
        return
    if not chains.replaces_built_in(applying, TriggerType.AFTER_OVERDUE):
        told = [one.recipient for one in chained.supervisors] or ops_recipients(config)
        for recipient in told:
            yield None, prospect(recipient, chained.work.overdue_base + config.overdue, Kind.OVERDUE)


def _in_a_brief(rules: Sequence[Rule], ids: Sequence[int], config: ReminderConfig) -> set[int]:
    """Those of these assignments of which a rule tells that tells only of who is not reached, as things are now."""
    if not any(rule.unless_reached for rule in rules):
        return set()
    return {pk for pk, cause in briefs.causes(ids, config=config).items() if cause is not None}


def _people(chained: Mapping[int, ChainedWork]) -> dict[str, Assignee]:
    """The supervisors of this work, by how the ledger calls them."""
    told: Sequence[str] = [person.recipient for one in chained.values() for person in one.supervisors]
    ids = {pk for name in told if (pk := recipients.person_id_of(name)) is not None}
    return {recipients.person_recipient(person.pk): person for person in Assignee.objects.filter(pk__in=ids)}
