"""Delivers a message to a person or an endpoint over a channel. Knows nothing of assignments or reminders."""
