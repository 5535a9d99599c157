"""`manage.py reset_second_factor NAME --reason ...`: for somebody who has lost it."""

from accounts import second_factors
from accounts.management.audited_command import AuditedCommand


class Command(AuditedCommand):
    help = "Takes all second factors, passkeys and recovery codes from a person, who then signs in by password alone."
    given = ("name", "by which the person signs in")

    def act(self, given: str, *, by: str, reason: str) -> str:
        kinds = second_factors.reset(second_factors.person_named(given), by=by, reason=reason)
        return f"{given}: removed {', '.join(kinds)}." if kinds else f"{given} has none."
