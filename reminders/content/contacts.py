"""How a recipient of the ledger becomes a contact that a channel can write to."""

from dataclasses import replace

from assignments.contact_point import ContactChannel
from assignments.contact_points import point_named
from assignments.models import Assignee
from notifications.message import Contact
from reminders.conf import ReminderConfig
from reminders.content import webhooks
from reminders.policy import recipients, ways


def contact_for(
    recipient: str, person: Contact, config: ReminderConfig, *, way: str, verified_only: bool = False
) -> Contact | None:
    """Who is written to, by this way: the assignee, who is `person`, a supervisor, Ops, or a program. None where nobody is
    assigned, the supervisor has been removed, the address is no longer on the list, or the program's subscription has ended;
    and of an assignee, where it goes to addresses alone that they have verified (`fragments.may_go_to`).
    """
    assignee_id = recipients.assignee_id_of(recipient)
    if assignee_id is not None:
        return _by(way, person, assignee_id, verified_only=verified_only)
    person_id = recipients.person_id_of(recipient)
    if person_id is not None:
        supervisor = Assignee.objects.filter(pk=person_id).first()
        return None if supervisor is None else _by(way, contact_of(supervisor), person_id)
    if recipients.is_ops(recipient):
        for address in config.ops_emails:
            if recipients.ops_recipient(address) == recipient:
                return Contact(name="", email=address, time_zone=person.time_zone, language="")
        return None
    subscription_id = recipients.subscription_id_of(recipient)
    return None if subscription_id is None else webhooks.active_contact(subscription_id)


def contact_of(person: Assignee) -> Contact:
    """A person, as a channel needs to know them."""
    return Contact(
        name=person.name,
        email=person.email,
        phone=person.phone,
        language=person.language,
        time_zone=person.time_zone,
    )


def _by(way: str, person: Contact, person_id: int, *, verified_only: bool = False) -> Contact | None:
    """The person with the address that the way names; None where it is theirs no more, or they have opted out of it.

    The first e-mail address and the first number are known without asking: they are columns of the person.
    """
    named = ways.contact_point_of(way)
    if named is None and way != ContactChannel.CHAT and not verified_only:
        return person
    point = point_named(person_id, ways.point_channel(way), named)
    if point is None or point.opted_out_at is not None or (verified_only and point.verified_at is None):
        return None
    match ContactChannel(point.channel):
        case ContactChannel.EMAIL:
            return replace(person, email=point.address)
        case ContactChannel.SMS:
            return replace(person, phone=point.address)
        case ContactChannel.CHAT:
            return replace(person, chat=point.address)
