"""Whether a person or a team has a calendar address, and which: every change of it."""

from django.db.models import F

from assignments.clock import database_now
from assignments.erased_keys import check_present
from assignments.models import Assignee, Team
from assignments.transactions import atomically


@atomically
def renew(owner: Assignee | Team) -> None:
    """Gives the person or team another address; the former one works no longer. Raises PersonErased."""
    if isinstance(owner, Assignee):
        check_present([owner])
    _change(owner, revoked=False)


@atomically
def revoke(owner: Assignee | Team) -> None:
    """Takes the address away, until it is renewed."""
    _change(owner, revoked=True)


def _change(owner: Assignee | Team, *, revoked: bool) -> None:
    values = {
        "calendar_number": F("calendar_number") + 1,
        "calendar_revoked_at": database_now() if revoked else None,
    }
    # By its own type, which the type checker cannot follow through a union of managers.
    if isinstance(owner, Team):
        Team.objects.filter(pk=owner.pk).update(**values)
    else:
        Assignee.objects.filter(pk=owner.pk).update(**values)
    owner.refresh_from_db(fields=list(values))
