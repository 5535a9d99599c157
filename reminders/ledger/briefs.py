"""Of which work a brief tells, and why: what `policy.briefs` needs, out of the ledger and the addresses of people."""

from collections.abc import Collection, Mapping, Sequence

from django.db import connection

from assignments.contact_point import ContactPoint
from assignments.models import Assignment
from reminders.conf import ReminderConfig
from reminders.ledger.awareness import of_assignments
from reminders.ledger.rule_subjects import read_subjects
from reminders.ledger.rules import enabled_rules
from reminders.models import OptOut, ReminderRule
from reminders.policy import rules as policy_rules
from reminders.policy.awareness import DOES_NOT_KNOW, KnownAddress, Rung, Unreachable
from reminders.policy.awareness import cause_of as address_cause
from reminders.policy.briefs import BriefCause, cause_of
from reminders.policy.ways import is_set_up


def causes(ids: Collection[int], *, config: ReminderConfig) -> dict[int, BriefCause | None]:
    """Why each of these assignments is in a brief; None where its assignee knows, or a message will tell them. Four
    queries at most, however many there are.
    """
    known = of_assignments(ids, config=config)
    doubtful = [pk for pk, one in known.items() if one.rung in DOES_NOT_KNOW]
    person_of = dict(Assignment.objects.filter(pk__in=doubtful).values_list("pk", "assignee"))
    unreachable = address_causes({pk for pk in person_of.values() if pk is not None}, config=config)
    may_be_told = [pk for pk in doubtful if known[pk].rung is Rung.NOT_TOLD]
    out = set(
        OptOut.objects.filter(
            person__in=[person_of[pk] for pk in may_be_told], undone_at__isnull=True
        ).values_list("person", flat=True)
    )
    refused = want_no_reminders([pk for pk in may_be_told if person_of[pk] in out], config)
    return {
        pk: cause_of(
            known.get(pk), unreachable=unreachable.get(person_of.get(pk) or 0), wants_none=pk in refused
        )
        for pk in ids
    }


def rules_unless_reached() -> set[str]:
    """The keys of the rules that tell only of who is not reached (`fragments.unless_reached`)."""
    found = ReminderRule.objects.filter(condition=ReminderRule.Condition.NOT_REACHED)
    return {f"rule:{pk}" for pk in found.values_list("pk", flat=True)}


def address_causes(people: Collection[int], *, config: ReminderConfig) -> Mapping[int, Unreachable | None]:
    """Why each of these people is not reached by messages at all; None where they are."""
    if not people:
        return {}
    points: dict[int, list[KnownAddress]] = {pk: [] for pk in people}
    for point in ContactPoint.objects.filter(person__in=points):
        points[point.person_id].append(
            KnownAddress(
                usable=is_set_up(point.channel, config),
                opted_out=point.opted_out_at is not None,
                failing=point.failing_since is not None,
            )
        )
    return {pk: address_cause(own) for pk, own in points.items()}


def want_no_reminders(ids: Sequence[int], config: ReminderConfig) -> set[int]:
    """Those of these assignments whose assignee has opted out of every rule that would remind them."""
    if not ids:
        return set()
    with connection.cursor() as cursor:
        rules = policy_rules.for_assignee(enabled_rules(cursor))
        subjects = read_subjects(cursor, ids)
    found = set()
    for pk, subject in subjects.items():
        applying = policy_rules.for_assignee(policy_rules.rules_for(subject, rules=rules, lead=config.lead))
        if applying and all(policy_rules.is_opted_out(rule, subject.opted_out) for rule in applying):
            found.add(pk)
    return found
