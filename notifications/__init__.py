"""The road: gets a message to a person over a channel. Knows nothing of assignments or reminders."""
