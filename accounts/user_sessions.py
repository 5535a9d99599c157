"""Sessions of people: listed, and ended by themselves or by a superuser."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from accounts.reasons import checked_reason
from accounts.signals import account_changed

PRUNED_AT_ONCE = 1_000


def of_person(user: Any) -> list[UserSession]:
    """Those in which the person is signed in now, the latest first."""
    live = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=Now())
    return list(UserSession.objects.filter(Exists(live), user_id=user.pk).order_by("-created_at", "-pk"))


@transaction.atomic
def end(user: Any, *, by: str, reason: str = "", only: int | None = None, but: str = "") -> int:
    """Ends sessions of a person: that with the id `only`, or all but the one with the key `but`. Returns how many.

    Those of releases before sessions were listed are found as well. Raises ValidationError for a reason that is too long.
    """
    reason = checked_reason(reason, needed=False)
    keys = [key for key in _keys(user, only) if key != but]
    ended = Session.objects.filter(session_key__in=keys).delete()[0]
    UserSession.objects.filter(session_key__in=keys, user_id=user.pk).delete()
    if ended:
        name = user.get_username()
        account_changed.send(
            UserSession,
            actor=by,
            action="end_sessions",
            reason=reason,
            before={"name": name},
            after={"name": name, "ended": ended},
        )
    return ended


def _keys(user: Any, only: int | None) -> Iterator[str]:
    """The keys of the sessions of a person; Django keeps whose a session is in its encoded content alone."""
    if only is not None:
        yield from UserSession.objects.filter(pk=only, user_id=user.pk).values_list("session_key", flat=True)
        return
    for session in Session.objects.filter(expire_date__gt=Now()).iterator(chunk_size=500):
        if str(session.get_decoded().get(SESSION_KEY)) == str(user.pk):
            yield session.session_key


def prune() -> None:
    """Removes sessions that are over, a thousand at once, and what is known of them."""
    over = Session.objects.filter(expire_date__lt=Now() - timedelta(days=1)).order_by("expire_date")
    Session.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:PRUNED_AT_ONCE])).delete()
    live = Session.objects.filter(session_key=OuterRef("session_key"))
    gone = UserSession.objects.filter(~Exists(live)).values_list("pk", flat=True)[:PRUNED_AT_ONCE]
    UserSession.objects.filter(pk__in=list(gone)).delete()
