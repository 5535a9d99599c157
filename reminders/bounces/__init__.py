"""What comes back of messages: mails to BOUNCE_ADDRESS, by pipe or from a mailbox, and the reports of mail providers.

Each finds its row by a token of ours, and is one call of `reminders.ledger.delivery_events.record`.
"""
