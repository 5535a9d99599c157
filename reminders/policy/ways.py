"""How the ledger names the way of a message: the channel, and after a colon the contact point, where it is not the person's
first address of that channel: "email", "sms", "email:42"."""

from reminders.conf import ReminderConfig

NO_WAY = "none"
"""The way of who has opted out of all their addresses."""

NEXT_NEEDS = 30
"""Seconds that must be left of a message's use for another way to be tried."""


def channel_name(way: str) -> str:
    """The channel that carries messages of this way: what breakers, paces and metrics know."""
    return way.partition(":")[0] if ":" in way else way


def contact_point_of(way: str) -> int | None:
    """The contact point that the way names; None for the first address of its channel."""
    _, colon, point = way.partition(":")
    return int(point) if colon else None


def point_channel(way: str) -> str:
    """The channel of people (`ContactChannel`) whose addresses messages of this way go to."""
    name = channel_name(way)
    return name if name in ("sms", "chat") else "email"


def carrier_of(channel: str, config: ReminderConfig) -> str:
    """The channel that carries messages to addresses of this channel of people (`ContactChannel`): to e-mail addresses it is
    REMINDER_CHANNEL. `ledger.fragments.carrier_sql` is the same rule."""
    return config.channel if channel == "email" else channel


def is_set_up(channel: str, config: ReminderConfig) -> bool:
    """Whether messages reach addresses of this channel of people here; `ledger.fragments.is_set_up_sql` is the same rule."""
    return channel == "email" or channel in config.further_channels


def first_way(way: str, config: ReminderConfig) -> str:
    """The way that messages go first to a person with this `Assignee.way`; `ledger.fragments.way_sql` is the same rule.

    Ways over a channel that is not set up are left out; REMINDER_CHANNEL carries what goes to e-mail addresses.
    """
    name, colon, point = way.partition(":")
    return carrier_of(name, config) + colon + point if is_set_up(name, config) else config.channel
