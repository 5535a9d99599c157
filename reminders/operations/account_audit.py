"""Writes changes of API tokens to the audit trail: the receiver of the signal of `accounts`."""

from collections.abc import Mapping

from reminders.ledger.audit import record


def on_account_changed(
    *,
    actor: str,
    action: str,
    reason: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
    **_: object,
) -> None:
    """In the transaction of the change, so that neither exists without the other."""
    record(action, by=actor, reason=reason, before=before, after=after)
