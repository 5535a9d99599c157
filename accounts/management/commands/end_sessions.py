"""`manage.py end_sessions NAME --reason ...`: the person is signed out everywhere."""

from accounts import second_factors, user_sessions
from accounts.management.audited_command import AuditedCommand


class Command(AuditedCommand):
    help = "Ends all sessions of a person, who is then signed in nowhere."
    given = ("name", "by which the person signs in")

    def act(self, given: str, *, by: str, reason: str) -> str:
        ended = user_sessions.end(second_factors.person_named(given), by=by, reason=reason)
        return f"Sessions of {given} ended: {ended}."
