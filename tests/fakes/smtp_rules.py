"""Rules by which a mail server holds its clients back: so many in a time, so many for a connection, greylisting.

`about` is what a refusal is about, as the server knows it: the "recipient", or the "channel".
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class RateLimit:
    """At most `most` mails in each window of `seconds`, of all clients together; the first mail opens a window."""

    most: int
    seconds: float
    answer: str
    step: str = "mail"
    about: str = "channel"
    opened: float | None = None
    passed: int = 0

    def refuses(self, recipients: list[str], *, connection: int, now: float) -> bool:
        if self.opened is None or now - self.opened >= self.seconds:
            self.opened, self.passed = now, 0
        self.passed += 1
        return self.passed > self.most


@dataclass(kw_only=True)
class SessionLimit:
    """At most `most` mails on one connection, which stays open afterwards."""

    most: int
    answer: str
    step: str = "mail"
    about: str = "channel"
    passed: Counter[int] = field(default_factory=Counter)

    def refuses(self, recipients: list[str], *, connection: int, now: float) -> bool:
        self.passed[connection] += 1
        return self.passed[connection] > self.most


@dataclass(kw_only=True)
class Greylist:
    """Whoever is written to for the first time is refused until `seconds` later (RFC 6647)."""

    seconds: float
    answer: str
    step: str = "rcpt"
    about: str = "recipient"
    first: dict[str, float] = field(default_factory=dict)

    def refuses(self, recipients: list[str], *, connection: int, now: float) -> bool:
        return any(now < self.first.setdefault(one, now) + self.seconds for one in recipients)


Rule = RateLimit | SessionLimit | Greylist
KINDS: dict[str, type[RateLimit] | type[SessionLimit] | type[Greylist]] = {
    "rate": RateLimit,
    "session": SessionLimit,
    "greylist": Greylist,
}


def rule_from(values: dict[str, Any]) -> Rule:
    """The rule that `values` describe: its kind, and its fields."""
    return KINDS[values["kind"]](**{name: value for name, value in values.items() if name != "kind"})
