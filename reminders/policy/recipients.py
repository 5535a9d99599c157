"""How the ledger names a recipient, and who is behind a name: one function or one SQL fragment for each kind.

assignee:<id>        the person who is assigned
person:<id>          a supervisor of the assignment's team
ops:<hash>           an address of REMINDER_OPS_EMAILS; a hash, so that no address is stored in the ledger
subscription:<id>    the endpoint of a webhook subscription
(empty)              nobody: nobody is assigned, or the row marks its assignment and writes to nobody
"""

import hashlib

ASSIGNEE = "assignee:"
PERSON = "person:"
OPS = "ops:"
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


def person_recipient(person_id: int) -> str:
    """The recipient of notices to a person who supervises the team of the work."""
    return f"{PERSON}{person_id}"


def person_recipient_sql(person_id: str) -> str:
    """The same as an SQL expression; `person_id` is an expression too."""
    return f"'{PERSON}' || {person_id}"


def person_id_of(recipient: str) -> int | None:
    """The person behind `person_recipient`; None for any other recipient."""
    return int(recipient.removeprefix(PERSON)) if recipient.startswith(PERSON) else None


def person_behind(recipient: str) -> int | None:
    """The person whom this recipient is, assigned or supervising; None for Ops, programs and nobody."""
    return assignee_id_of(recipient) or person_id_of(recipient)


def person_behind_sql(recipient: str) -> str:
    """The same as an SQL expression; `recipient` is an expression too."""
    return f"substring({recipient} FROM '^(?:{ASSIGNEE}|{PERSON})([0-9]+)$')::bigint"


def ops_recipient(address: str) -> str:
    """The recipient of notices to this address of REMINDER_OPS_EMAILS."""
    return OPS + hashlib.sha256(address.strip().lower().encode()).hexdigest()[:16]


def is_ops(recipient: str) -> bool:
    return recipient.startswith(OPS)


def is_supervisor(recipient: str) -> bool:
    """Whether this is somebody who is told about other people's work: a team's supervisor, or Ops in their place."""
    return recipient.startswith((PERSON, OPS))


def subscription_recipient(subscription_id: int) -> str:
    """The recipient of the events of a webhook subscription."""
    return f"{SUBSCRIPTION}{subscription_id}"


def subscription_id_of(recipient: str) -> int | None:
    """The subscription behind `subscription_recipient`; None for people."""
    return int(recipient.removeprefix(SUBSCRIPTION)) if recipient.startswith(SUBSCRIPTION) else None
