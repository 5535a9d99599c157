"""What operators do with the calendar address of a person or a team, each with its line in the audit trail."""

from collections.abc import Callable

from accounts.reasons import checked_reason
from assignments import calendar_links
from assignments.models import Assignee, Team
from assignments.transactions import atomically
from reminders.ledger.audit import record


@atomically
def renew(owner: Assignee | Team, *, by: str, reason: str) -> None:
    """Makes another address, and ends the former one. Raises ValidationError for the reason."""
    _recorded("renew", calendar_links.renew, owner, by=by, reason=reason)


@atomically
def revoke(owner: Assignee | Team, *, by: str, reason: str) -> None:
    """Ends the address: it answers 404 from now on. Raises ValidationError for the reason."""
    _recorded("revoke", calendar_links.revoke, owner, by=by, reason=reason)


def _recorded(
    verb: str, change: Callable[[Assignee | Team], None], owner: Assignee | Team, *, by: str, reason: str
) -> None:
    reason = checked_reason(reason)
    if isinstance(owner, Team):
        action, selection = f"{verb}_team_calendar_link", {"team": owner.pk, "name": owner.name}
    else:  # names of people are kept out of the trail
        action, selection = f"{verb}_calendar_link", {"person": owner.pk}
    before = _described(owner)
    change(owner)
    record(action, by=by, reason=reason, selection=selection, before=before, after=_described(owner))


def _described(owner: Assignee | Team) -> dict[str, object]:
    return {"number": owner.calendar_number, "revoked": owner.calendar_revoked_at is not None}
