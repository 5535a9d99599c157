"""What operators do with the addresses of people, each with its line in the audit trail. Addresses are masked there."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext

from accounts.reasons import checked_reason
from assignments import contact_points
from assignments.contact_point import ContactChannel, ContactPoint
from assignments.models import Assignee
from assignments.services import Refused
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from notifications.addresses import masked
from reminders.ledger.audit import record


class UnknownPerson(Refused):
    """There is none with this id."""

    code = "unknown_person"


class UnknownContactPoint(Refused):
    """The person has none with this id."""

    code = "unknown_contact_point"


def person_of(person_id: int, *, scope: TeamScope = EVERYTHING) -> Assignee:
    """The person. Raises UnknownPerson where the caller sees none with this id."""
    found = Assignee.objects.visible_to(scope).select_related("team").filter(pk=person_id).first()
    if found is None:
        raise UnknownPerson(gettext("there is no person %(person_id)s") % {"person_id": person_id})
    return found


def point_of(person_id: int, pk: int, *, scope: TeamScope = EVERYTHING) -> ContactPoint:
    """One address of a person. Raises UnknownPerson or UnknownContactPoint."""
    person_of(person_id, scope=scope)
    found = ContactPoint.objects.filter(pk=pk, person=person_id).first()
    if found is None:
        raise UnknownContactPoint(
            gettext("person %(person_id)s has no contact point %(pk)s") % {"person_id": person_id, "pk": pk}
        )
    return found


@atomically
def add(
    person_id: int,
    channel: str,
    address: str,
    *,
    by: str,
    reason: str,
    order: int | None = None,
    scope: TeamScope = EVERYTHING,
) -> ContactPoint:
    """Gives the person one more address. Raises UnknownPerson or ValidationError."""
    reason = checked_reason(reason)
    person_of(person_id, scope=scope)
    added = contact_points.add_point(person_id, channel, address, order=order, scope=scope)
    after = _described(ContactPoint.objects.get(pk=added.pk))
    record("add_contact_point", by=by, reason=reason, selection=_selection(added), after=after)
    return added


@atomically
def move(person_id: int, pk: int, order: int, *, by: str, reason: str, scope: TeamScope = EVERYTHING) -> None:
    """Puts the address at this place, 1 for the first. Raises UnknownPerson or UnknownContactPoint."""
    reason = checked_reason(reason)
    point = point_of(person_id, pk, scope=scope)
    _recorded(
        "move_contact_point",
        point,
        lambda: contact_points.change_point(pk, {"order": order}, scope=scope),
        by=by,
        reason=reason,
    )


@atomically
def remove(person_id: int, pk: int, *, by: str, reason: str, scope: TeamScope = EVERYTHING) -> None:
    """Takes the address from the person. Raises UnknownPerson or UnknownContactPoint."""
    reason = checked_reason(reason)
    point = point_of(person_id, pk, scope=scope)
    selection, before = _selection(point), _described(point)
    record("remove_contact_point", by=by, reason=reason, selection=selection, before=before)
    contact_points.remove_point(pk, scope=scope)


@atomically
def opt_in(person_id: int, pk: int, *, by: str, reason: str, scope: TeamScope = EVERYTHING) -> None:
    """Undoes an opt-out: messages go there again. Raises UnknownPerson or UnknownContactPoint."""
    reason = checked_reason(reason)
    point = point_of(person_id, pk, scope=scope)
    _recorded("opt_in_contact_point", point, lambda: contact_points.opt_in(pk), by=by, reason=reason)


@atomically
def mark_working(person_id: int, pk: int, *, by: str, reason: str, scope: TeamScope = EVERYTHING) -> None:
    """Says that messages to the address do not come back any more. Raises UnknownPerson or UnknownContactPoint."""
    reason = checked_reason(reason)
    point = point_of(person_id, pk, scope=scope)
    _recorded(
        "mark_contact_point_working", point, lambda: contact_points.mark_working(pk), by=by, reason=reason
    )


def _recorded(action: str, point: ContactPoint, call: Callable[[], object], *, by: str, reason: str) -> None:
    before, selection = _described(point), _selection(point)
    call()
    after = _described(ContactPoint.objects.get(pk=point.pk))
    record(action, by=by, reason=reason, selection=selection, before=before, after=after)


def _selection(point: ContactPoint) -> dict[str, object]:
    return {"person": point.person_id, "contact_point": point.pk}


def _described(point: ContactPoint) -> dict[str, Any]:
    is_url = point.channel == ContactChannel.CHAT
    return {
        "channel": point.channel,
        "address": point.shown_address if is_url else masked(point.address),
        "order": point.order,
        **{
            name: instant.isoformat() if (instant := getattr(point, name)) else None
            for name in ("verified_at", "opted_out_at", "failing_since")
        },
    }
