"""The address in a person's mail: it names one person's appointment, and is signed, so that nobody makes up another.

Whoever holds it may see this work and answer for this person. So it stands in their mail and nowhere else.
"""

import re
from dataclasses import dataclass

from django.conf import settings
from django.core.signing import BadSignature, Signer

PATH = "/a/"
SALT = "reminders.content.links"
_NAMES = re.compile(r"([0-9]{1,18})-([0-9]{1,18})-([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Link:
    """Whose work it is, and the version of the plan of which the mail spoke."""

    assignment_id: int
    assignee_id: int
    version: int


def url_of(link: Link) -> str:
    """The whole address; '' where PUBLIC_URL does not say where this site is."""
    return f"{settings.PUBLIC_URL}{PATH}{token_of(link)}" if settings.PUBLIC_URL else ""


def token_of(link: Link) -> str:
    """Letters, digits, '-', '_' and '.', the last one a letter or a digit, so that no mail program cuts it off."""
    return _signer().sign(f"{link.assignment_id}-{link.assignee_id}-{link.version}")


def link_from(token: str) -> Link | None:
    """What a token of ours names; None for any other text."""
    try:
        found = _NAMES.fullmatch(_signer().unsign(token))
    except BadSignature:
        return None
    return Link(*map(int, found.groups())) if found else None


def _signer() -> Signer:
    return Signer(salt=SALT, sep=".")
