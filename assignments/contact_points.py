"""Every change of the addresses of people; the first e-mail and SMS addresses are the person's `email` and `phone`.

Each function locks the person, keeps those columns, and sends in its transaction what others depend on: `contact_point_left`
where no message should go to an address any more, `contact_changed` where messages may go to one now.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from assignments.clock import database_now
from assignments.contact_point import ContactChannel, ContactPoint
from assignments.erased_keys import check_address, check_present
from assignments.models import Assignee
from assignments.signals import contact_changed, contact_point_left, supervision_changed
from assignments.team_scope import EVERYTHING, TeamScope
from assignments.transactions import atomically
from assignments.validation import check_text, contact_form
from assignments.wording import quoted

COLUMNS = {ContactChannel.EMAIL: "email", ContactChannel.SMS: "phone"}
"""The column of a person that holds the first address of a channel."""
MOST_POINTS = 20
LONGEST_ADDRESS = 500
CHANGEABLE = frozenset({"address", "order"})
LONGEST_REASON = 200


def points_of(person_id: int) -> list[ContactPoint]:
    """The addresses of a person, in the order in which they are tried."""
    return list(ContactPoint.objects.filter(person=person_id).order_by("order", "id"))


def same_address(channel: str, address: str) -> tuple[str, str]:
    """Equal for two addresses that are one: of a mailbox the case does not matter, in a chat URL it may."""
    return channel, address.lower() if channel == ContactChannel.EMAIL else address


def point_named(person_id: int, channel: str, named: int | None) -> ContactPoint | None:
    """This contact point of the person, or where none is named their first one of the channel."""
    points = ContactPoint.objects.filter(person=person_id)
    points = points.filter(channel=channel) if named is None else points.filter(pk=named)
    return points.order_by("order", "id").first()


def people_at(channel: str, address: str) -> list[Assignee]:
    """Who has this address, in its stored form."""
    points = ContactPoint.objects.filter(channel=channel, address=address)
    return list(Assignee.objects.filter(pk__in=points.values("person")).order_by("pk"))


def stored_address(channel: str, address: str) -> str:
    """The address as it is stored. Raises ValidationError, by field, where no message of the channel could go to it.

    The setting CONTACT_ADDRESSES names the function that knows the addresses of a channel.
    """
    if channel not in ContactChannel.values:
        message = gettext("%(channel)s is not a channel of people: one of %(list)s is needed") % {
            "channel": quoted(channel),
            "list": ", ".join(ContactChannel.values),
        }
        raise ValidationError({"channel": ValidationError(message, code="invalid_choice")})
    check_text("address", address, longest=LONGEST_ADDRESS)
    if channel not in settings.CONTACT_ADDRESSES:
        message = gettext("%(channel)s takes no addresses here: one of %(list)s is needed") % {
            "channel": quoted(channel),
            "list": ", ".join(settings.CONTACT_ADDRESSES),
        }
        raise ValidationError({"channel": ValidationError(message, code="invalid_choice")})
    try:
        return contact_form(channel)(address)
    except ValidationError as refusal:
        message = f"{quoted(address)}: {' '.join(refusal.messages)}"
        raise ValidationError({"address": ValidationError(message, code="invalid")}) from refusal


@atomically
def add_point(
    person_id: int, channel: str, address: str, *, order: int | None = None, scope: TeamScope = EVERYTHING
) -> ContactPoint:
    """Gives a person one more address, as the last that is tried unless `order` says otherwise.

    Raises Assignee.DoesNotExist, PersonErased, or ValidationError by field.
    """
    person = _locked(person_id, scope)
    check_present([person])
    address = stored_address(channel, address)
    check_address(channel, address)
    points = points_of(person_id)
    _check_is_new(points, channel, address)
    if len(points) >= MOST_POINTS:
        message = gettext(
            "this person has %(number)s contact points: no more than %(most_points)s are accepted"
        ) % {"number": len(points), "most_points": MOST_POINTS}
        raise ValidationError({"address": ValidationError(message, code="too_many")})
    now = database_now()
    last = points[-1].order if points else 0
    point = ContactPoint.objects.create(
        person=person,
        channel=channel,
        address=address,
        order=last + 1,
        address_since=now,
        created_at=now,
        updated_at=now,
    )
    if order is not None:
        _move(person, point, order, now)
    _follow(person, now)
    return point


@atomically
def change_point(pk: int, changes: Mapping[str, Any], *, scope: TeamScope = EVERYTHING) -> ContactPoint:
    """Changes `address` or `order`. Another address is neither verified nor opted out, and nothing is known to fail.

    Raises ContactPoint.DoesNotExist, or ValidationError by field.
    """
    point, person = _locked_point(pk, scope)
    if unknown := set(changes) - CHANGEABLE:
        raise ValueError(f"not writable: {sorted(unknown)}")
    now = database_now()
    if "address" in changes:
        address = stored_address(point.channel, changes["address"])
        if address != point.address:
            others = [one for one in points_of(person.pk) if one.pk != pk]
            _check_is_new(others, point.channel, address)
            check_address(point.channel, address)
            _write(
                point,
                now,
                address=address,
                address_since=now,
                verified_at=None,
                opted_out_at=None,
                failing_since=None,
                failing_reason="",
            )
    if changes.get("order") is not None:
        _move(person, point, changes["order"], now)
    _follow(person, now)
    point.refresh_from_db()
    return point


@atomically
def remove_point(pk: int, *, scope: TeamScope = EVERYTHING) -> None:
    """Takes an address from its person. Raises ContactPoint.DoesNotExist."""
    point, person = _locked_point(pk, scope)
    contact_point_left.send(sender=ContactPoint, point=pk, why="removed")
    point.delete()
    _follow(person, database_now())


@atomically
def mark_failing(pk: int, reason: str) -> bool:
    """Notes that messages to this address come back; False where that is known, or the address is gone."""
    return _mark(
        pk,
        lambda point: point.failing_since is None,
        left="failing",
        failing_since=True,
        failing_reason=reason,
    )


@atomically
def mark_working(pk: int) -> bool:
    """Notes that a message to this address has arrived; False where nothing else was known."""
    return _mark(pk, lambda point: point.failing_since is not None, failing_since=None, failing_reason="")


@atomically
def mark_verified(pk: int) -> bool:
    """Notes that the person has answered from this address; it works, then."""
    return _mark(
        pk,
        lambda point: point.verified_at is None,
        verified_at=True,
        failing_since=None,
        failing_reason="",
    )


@atomically
def opt_out(pk: int) -> bool:
    """No message goes to this address any more; False where that is so already."""
    return _mark(pk, lambda point: point.opted_out_at is None, left="opted_out", opted_out_at=True)


@atomically
def opt_in(pk: int) -> bool:
    """Messages go to this address again; False where they do already."""
    return _mark(pk, lambda point: point.opted_out_at is not None, opted_out_at=None)


def _mark(pk: int, holds: Callable[[ContactPoint], bool], *, left: str = "", **values: Any) -> bool:
    """Writes values (True: now) where the condition holds under the lock; whether it did. `left`: why the point is left."""
    try:
        point, person = _locked_point(pk, EVERYTHING)
    except ContactPoint.DoesNotExist:
        return False
    now = database_now()
    if not holds(point):
        return False
    values = {name: now if value is True else value for name, value in values.items()}
    if "failing_reason" in values:
        values["failing_reason"] = values["failing_reason"][:LONGEST_REASON]
    _write(point, now, **values)
    if left:
        contact_point_left.send(sender=ContactPoint, point=pk, why=left)
    else:
        _tell(person)
    return True


def _locked(person_id: int, scope: TeamScope) -> Assignee:
    return Assignee.objects.visible_to(scope).select_for_update(no_key=True).get(pk=person_id)


def _locked_point(pk: int, scope: TeamScope) -> tuple[ContactPoint, Assignee]:
    point = ContactPoint.objects.get(pk=pk)
    try:
        person = _locked(point.person_id, scope)
    except Assignee.DoesNotExist as hidden:
        raise ContactPoint.DoesNotExist(gettext("there is no contact point %(pk)s") % {"pk": pk}) from hidden
    return ContactPoint.objects.get(pk=pk), person


def _check_is_new(points: Sequence[ContactPoint], channel: str, address: str) -> None:
    if same_address(channel, address) in {same_address(one.channel, one.address) for one in points}:
        message = gettext("%(address)s is an address of this person already") % {"address": quoted(address)}
        raise ValidationError({"address": ValidationError(message, code="duplicate")})


def _write(point: ContactPoint, now: datetime, **values: Any) -> None:
    for name, value in {**values, "updated_at": now}.items():
        setattr(point, name, value)
    point.save(update_fields=[*values, "updated_at"])


def _move(person: Assignee, point: ContactPoint, order: int, now: datetime) -> None:
    """Puts a point at this place (1: first) among those of its person; the others keep their order."""
    points = [one for one in points_of(person.pk) if one.pk != point.pk]
    points.insert(max(order, 1) - 1, point)
    _number(points, now)


def _number(points: Sequence[ContactPoint], now: datetime) -> None:
    for place, point in enumerate(points, start=1):
        if point.order != place:
            _write(point, now, order=place)


def settle(person_id: int) -> None:
    """Numbers the addresses of a person anew, and gives their columns the first ones. The person is locked."""
    person, now = Assignee.objects.get(pk=person_id), database_now()
    _number(points_of(person_id), now)
    _follow(person, now)


def _follow(person: Assignee, now: datetime) -> None:
    """Gives the columns of the person the first address of their channel, and tells who depends on it."""
    points = points_of(person.pk)
    changed = {}
    for channel, column in COLUMNS.items():
        first = next((one.address for one in points if one.channel == channel), "")
        if first != getattr(person, column):
            changed[column] = first
    if changed:
        for column, address in changed.items():
            setattr(person, column, address)
        person.updated_at = now
        person.save(update_fields=[*changed, "updated_at"])
    _tell(person)
    if "email" in changed:
        supervision_changed.send(sender=Assignee)


def _tell(person: Assignee) -> None:
    contact_changed.send(sender=Assignee, ids=[person.pk])
