"""What a message to a supervisor says of the work that it is about: values for the templates."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from assignments.direction import isolated
from reminders.content import links
from reminders.content.dates import local_time, time_line
from reminders.ledger.records import Digest, Facts
from reminders.models import Kind
from reminders.policy import chains
from reminders.policy.digests import MOST_LISTED
from reminders.policy.escalation import EscalationTrigger, trigger_of
from reminders.policy.rows import Row

OVERDUE = EscalationTrigger.OVERDUE.value
SUBJECTS = tuple(trigger.value for trigger in EscalationTrigger)
"""What a notice may be about, in the order in which a message counts them."""

NOT_DONE = (EscalationTrigger.UNANSWERED.value, OVERDUE, EscalationTrigger.BRIEF.value)
"""What nobody did; the other notices are about what the assignee has said."""


def subject_of(row: Row) -> str:
    """What this notice is about, one of SUBJECTS."""
    return trigger_of(row.rule).value if row.kind is Kind.ESCALATION else OVERDUE


def notice_values(row: Row, facts: Facts, *, zone: str, language: str, now: datetime) -> dict[str, str]:
    """Who, what, since when, and where to act: `is_<subject>` says what it is about. Instants are shown in this zone."""
    subject = subject_of(row)
    is_act = subject not in NOT_DONE
    expected = facts.expected_start if is_act else None
    number = chains.number_of(row.rule) if row.kind is Kind.ESCALATION else 0
    return {
        f"is_{subject}": "yes",
        **({f"because_{facts.brief_cause}": "yes"} if facts.brief_cause else {}),
        "title": isolated(" ".join(facts.title.split())),
        "name": isolated(facts.assignee_name),
        "phone": facts.assignee_phone,
        "tel": links.tel_url(facts.assignee_phone),
        "location": isolated(facts.location),
        "map": links.map_url(facts.location),
        "reference": isolated(facts.reference),
        "note": isolated(facts.answer_note) if is_act else "",
        "time_line": time_line(facts.start, facts.end, zone, language, now=now),
        "expected": time_line(expected, None, zone, language, now=now) if expected else "",
        "expected_short": local_time(expected, zone, language, long=False) if expected else "",
        "since": time_line(_since(row, facts), None, zone, language, now=now),
        "repeat": str(number) if number else "",
        "ops": links.ops_url(row.assignment_id),
        "reassign": links.reassign_url(row.assignment_id) if facts.assignee_name else "",
    }


def _since(row: Row, facts: Facts) -> datetime:
    """Since when it is so. A step of a rule tells it later than it became so."""
    if not chains.is_step(row.rule):
        return row.due_at
    found = {EscalationTrigger.OVERDUE: facts.overdue_at, EscalationTrigger.DECLINED: facts.answered_at}.get(
        trigger_of(row.rule)
    )
    return found or row.due_at


def counts(rows: Sequence[Row]) -> dict[str, str]:
    """How many notices of a message are about what; `mixed` where not all are about overdue work."""
    found = Counter(map(subject_of, rows))
    values = {subject: str(found[subject]) for subject in SUBJECTS if found[subject]}
    return {**values, "mixed": "yes" if set(found) - {OVERDUE} else ""}


def notices_listed(
    digest: Digest, *, language: str, now: datetime
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """What a supervisor reads of each notice, and of all of them."""
    entries = [
        notice_values(row, facts, zone=facts.assignee_zone, language=language, now=now)
        for row, facts in digest.entries[:MOST_LISTED]
    ]
    return entries, {
        "waiting": str(digest.waiting) if digest.waiting else "",
        "list": links.overdue_list_url(),
        **counts([row for row, _ in digest.entries]),
    }
