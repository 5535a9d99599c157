"""Second factors: who has one, who needs one, and how one is taken from somebody who has lost it."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.errors import NoSuchAccount
from accounts.reasons import checked_reason
from accounts.roles import may_change_anything
from accounts.signals import account_changed

METHODS = "account_authentication_methods"
"""Where django-allauth keeps, in the session, how its person has signed in."""

NEEDED = _(
    "This account may operate, so it needs a second factor. Set one up on the page of your account "
    "at /account/."
)


def of_person(user: Any) -> list[str]:
    """The kinds of second factors that a person has, without recovery codes: 'totp', 'webauthn'."""
    kinds = Authenticator.objects.filter(user_id=user.pk).exclude(type=Authenticator.Type.RECOVERY_CODES)
    return sorted(set(kinds.values_list("type", flat=True)))


def came_from_provider(session: Any) -> bool:
    """Whether the person of this session has signed in at the company's OpenID provider."""
    methods = session.get(METHODS)
    return isinstance(methods, list) and any(one.get("method") == "socialaccount" for one in methods)


def provider_vouches(session: Any) -> bool:
    """Whether the OpenID provider has asked the person of this session for a second factor."""
    return (
        settings.OPENID is not None and settings.OPENID.brings_second_factor and came_from_provider(session)
    )


def is_missing(request: HttpRequest) -> bool:
    """Whether the person of this session needs a second factor and has none. Asks nothing where nobody needs one."""
    user = request.user
    return bool(
        settings.OPERATORS_NEED_SECOND_FACTOR
        and user.is_authenticated
        and may_change_anything(user)
        and not provider_vouches(request.session)
        and not of_person(user)
    )


@transaction.atomic
def reset(user: Any, *, by: str, reason: str) -> list[str]:
    """Takes all second factors, passkeys and recovery codes from a person; returns their kinds. Raises ValidationError."""
    reason = checked_reason(reason)
    held = Authenticator.objects.select_for_update().filter(user_id=user.pk)
    kinds = sorted(held.values_list("type", flat=True))
    if kinds:
        held.delete()
        name = user.get_username()
        account_changed.send(
            Authenticator,
            actor=by,
            action="reset_second_factors",
            reason=reason,
            before={"name": name, "factors": kinds},
            after={"name": name, "factors": []},
        )
    return kinds


def person_named(name: str) -> Any:
    """The person who signs in by this name. Raises NoSuchAccount."""
    found = get_user_model().objects.filter(username=name).first()
    if found is None:
        raise NoSuchAccount(gettext("nobody has the name %(name)s") % {"name": f"{name!r}"})
    return found
