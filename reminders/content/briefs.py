"""What a brief says: the work whose assignees are not reached, by cause, and how much other work there is."""

from collections.abc import Sequence
from datetime import datetime

from reminders.content import links, notices
from reminders.ledger.records import Claim, Digest, Facts
from reminders.policy.briefs import CAUSES, is_brief
from reminders.policy.digests import MOST_LISTED
from reminders.policy.rows import Row

ORDER = {cause.value: place for place, cause in enumerate(CAUSES)}


def as_digest(claim: Claim) -> Digest | None:
    """The message of this claim, where all that it holds is a brief, also where that is one row; None for any other."""
    if claim.digest is not None:
        return claim.digest if all(is_brief(row) for row, _ in claim.digest.entries) else None
    if not is_brief(claim.row):
        return None
    return Digest(lead=claim.row, entries=((claim.row, claim.facts),), members=(), waiting=0)


def listed(
    entries: Sequence[tuple[Row, Facts]], *, language: str, now: datetime
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """What a supervisor reads of each assignment whose assignee is not reached, by cause and start, and of all."""
    unreached = sorted(
        ((row, facts) for row, facts in entries if facts.brief_cause),
        key=lambda one: (ORDER[one[1].brief_cause], one[1].start, one[0].id),
    )
    values, last = [], ""
    for row, facts in unreached[:MOST_LISTED]:
        entry = notices.notice_values(row, facts, zone=facts.assignee_zone, language=language, now=now)
        values.append({**entry, "first": "yes" if facts.brief_cause != last else ""})
        last = facts.brief_cause
    reached, more = len(entries) - len(unreached), len(unreached) - len(values)
    return values, {
        "number": str(len(unreached)) if unreached else "",
        "reached": str(reached) if reached else "",
        "more": str(more) if more else "",
        "list": links.board_url(),
    }
