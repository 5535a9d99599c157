"""What other applications can listen to. `account_changed` is sent inside the transaction of the change."""

from django.dispatch import Signal

account_changed = Signal()
"""Somebody changed who may do what, or signed in, or failed to. Arguments: `actor` (a name), `action` ("create_token",
"revoke_token", "limit_user", "sign_in", "fail_sign_in", "add_second_factor", "remove_second_factor",
"renew_recovery_codes", "reset_second_factors", "end_sessions", "change_password", "add_person", "connect_person",
"change_role"), `reason`, `before` and `after` (JSON objects without secrets, empty if there is nothing)."""

SIGN_IN_FAILURES = (
    "credentials",
    "second_factor",
    "passkey",
    "provider",
    "not_admitted",
    "token",
    "limited",
    "busy",
)
"""Why somebody was not let in: wrong name or password, wrong code of a second factor, a passkey that is not valid, a sign-in
at the OpenID provider that went wrong, nobody who may sign in here, a token that is not valid, too many failures before, too
many sign-ins at this moment."""

sign_in_failed = Signal()
"""Somebody was not let in. Arguments: `reason`, one of SIGN_IN_FAILURES, and `number`: how often since the last signal."""
