"""How the ledger names a recipient, and who is behind a name: one function or one SQL fragment for each kind.

assignee:<id>        the person who is assigned
ops:<hash>           a supervisor; a hash, so that no address is stored in the ledger
subscription:<id>    the endpoint of a webhook subscription
(empty)              nobody: nobody is assigned, or the row marks its assignment and writes to nobody
"""

import hashlib

ASSIGNEE = "assignee:"
SUPERVISOR = "ops:"
SUBSCRIPTION = "subscription:"


def assignee_recipient(assignee_id: int | None) -> str:
    """The recipient of an assignment's reminder; '' where nobody is assigned."""
    return "" if assignee_id is None else f"{ASSIGNEE}{assignee_id}"


def assignee_recipient_sql(assignments: str) -> str:
    """The same as an SQL expression; `assignments` is the alias of a row with an `assignee_id`."""
    return f"coalesce('{ASSIGNEE}' || {assignments}.assignee_id, '')"


def assignee_id_of(recipient: str) -> int | None:
    """The person behind `assignee_recipient`; None for any other recipient."""
    return int(recipient.removeprefix(ASSIGNEE)) if recipient.startswith(ASSIGNEE) else None


def supervisor_recipient(address: str) -> str:
    """The recipient of notices to this address of REMINDER_OPS_EMAILS."""
    return SUPERVISOR + hashlib.sha256(address.strip().lower().encode()).hexdigest()[:16]


def is_supervisor(recipient: str) -> bool:
    return recipient.startswith(SUPERVISOR)


def subscription_recipient(subscription_id: int) -> str:
    """The recipient of the events of a webhook subscription."""
    return f"{SUBSCRIPTION}{subscription_id}"


def subscription_id_of(recipient: str) -> int | None:
    """The subscription behind `subscription_recipient`; None for people."""
    return int(recipient.removeprefix(SUBSCRIPTION)) if recipient.startswith(SUBSCRIPTION) else None
