"""What other applications can listen to. Signals are sent inside the transaction of the change."""

from django.dispatch import Signal

account_changed = Signal()
"""Somebody changed who may do what. Arguments: `actor` (a name), `action` ("create_token", "revoke_token"), `reason`,
`before` and `after` (JSON objects without secrets, empty if there is nothing)."""
