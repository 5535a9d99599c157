"""What other applications can listen to. `account_changed` is sent inside the transaction of the change."""

from django.dispatch import Signal

account_changed = Signal()
"""Somebody changed who may do what. Arguments: `actor` (a name), `action` ("create_token", "revoke_token",
"limit_user"), `reason`,
`before` and `after` (JSON objects without secrets, empty if there is nothing)."""

SIGN_IN_FAILURES = ("credentials", "token", "limited", "busy")
"""Why somebody was not let in: wrong name or password, a token that is not valid, too many failures before, too many
sign-ins at this moment."""

sign_in_failed = Signal()
"""Somebody was not let in. Arguments: `reason`, one of SIGN_IN_FAILURES, and `number`: how often since the last signal."""
