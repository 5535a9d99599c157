"""How the ledger names a recipient: one function and one SQL fragment for each kind."""

import hashlib


def assignee_recipient(assignee_id: int | None) -> str:
    """How the ledger names the person who is reminded; '' for nobody."""
    return "" if assignee_id is None else f"assignee:{assignee_id}"


def assignee_id_of(recipient: str) -> int | None:
    """The person whom `assignee_recipient` has named; None for any other recipient."""
    kind, _, name = recipient.partition(":")
    return int(name) if kind == "assignee" else None


def supervisor_recipient(address: str) -> str:
    """How the ledger names a supervisor: a hash, so that no address stands in it."""
    return "ops:" + hashlib.sha256(address.strip().lower().encode()).hexdigest()[:16]


SUBSCRIPTION = "subscription:"


def subscription_recipient(subscription_id: int) -> str:
    """How the ledger names the program behind a subscription."""
    return f"{SUBSCRIPTION}{subscription_id}"


def subscription_id_of(recipient: str) -> int | None:
    """The subscription that `subscriber` has named; None for people."""
    return int(recipient.removeprefix(SUBSCRIPTION)) if recipient.startswith(SUBSCRIPTION) else None
