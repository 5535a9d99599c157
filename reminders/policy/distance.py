"""How far apart the reminders of several rules are."""

from datetime import timedelta

MIN_DISTANCE = timedelta(minutes=10)
"""Two reminders to one person about one assignment are never closer together; the earlier one is sent."""
