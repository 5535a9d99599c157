"""An SMS gateway that remembers what it was given."""

from notifications.channels.memory.channel import MemoryChannel
from notifications.message import Contact


class MemorySms(MemoryChannel):
    """Takes what goes to a telephone number."""

    def address(self, contact: Contact) -> str | None:
        return contact.phone or None
