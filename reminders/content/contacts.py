"""How a recipient of the ledger becomes a contact that a channel can write to."""

from assignments.models import Assignee
from notifications.message import Contact
from reminders.conf import ReminderConfig
from reminders.content import webhooks
from reminders.policy import recipients


def contact_for(recipient: str, person: Contact, config: ReminderConfig) -> Contact | None:
    """Who is written to: the assignee, who is `person`, a supervisor, Ops, or a program. None where nobody is assigned,
    the supervisor has been removed, the address is no longer on the list, or the program's subscription has ended."""
    person_id = recipients.person_id_of(recipient)
    if person_id is not None:
        return _supervisor(person_id)
    if recipients.is_ops(recipient):
        for address in config.ops_emails:
            if recipients.ops_recipient(address) == recipient:
                return Contact(name="", email=address, time_zone=person.time_zone)
        return None
    subscription_id = recipients.subscription_id_of(recipient)
    if subscription_id is not None:
        return webhooks.active_contact(subscription_id)
    return person if recipient else None


def _supervisor(person_id: int) -> Contact | None:
    found = Assignee.objects.filter(pk=person_id).first()
    return None if found is None else contact_of(found)


def contact_of(person: Assignee) -> Contact:
    """A person, as a channel needs to know them."""
    return Contact(
        name=person.name,
        email=person.email,
        phone=person.phone,
        language=person.language,
        time_zone=person.time_zone,
    )
