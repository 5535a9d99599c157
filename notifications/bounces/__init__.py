"""What comes back by mail after a message was accepted: reads bounces, complaints and auto-replies, and where they arrive.

Pure but for `mailbox`, and independent of reminders: whoever reads gets tokens (`notifications.channels.email.verp`) and
decides what they stand for.
"""
