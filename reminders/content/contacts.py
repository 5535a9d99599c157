"""How a recipient of the ledger becomes a contact that a channel can write to."""

from notifications.message import Contact
from reminders.conf import ReminderConfig
from reminders.content import webhooks
from reminders.policy import recipients


def contact_for(recipient: str, person: Contact, config: ReminderConfig) -> Contact | None:
    """Who is written to: the assignee, who is `person`, a supervisor, or a program. None where nobody is assigned, the
    supervisor is no longer on the list, or the program's subscription has ended."""
    if recipient.startswith("ops:"):
        for address in config.ops_emails:
            if recipients.supervisor_recipient(address) == recipient:
                return Contact(name="", email=address, time_zone=person.time_zone)
        return None
    subscription_id = recipients.subscription_id_of(recipient)
    if subscription_id is not None:
        return webhooks.active_contact(subscription_id)
    return person if recipient else None
