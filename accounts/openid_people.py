"""People who sign in at the company's OpenID provider: added at the first time, given the rights of their groups each time.

Of the claims the name by which somebody is known and the subject are kept; no address, and no token.
"""

from collections.abc import Mapping
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from accounts import limits, openid_provider, roles, user_sessions
from accounts.errors import NotAdmitted
from accounts.openid_provider import OpenIdProvider, Rights
from accounts.signals import account_changed

BY = "OpenID provider"
"""The actor of what its claims change, in the audit trail."""


def admitted(account: SocialAccount, provider: OpenIdProvider) -> Any:
    """The person of this account, which holds the claims. Raises NotAdmitted.

    Whoever was let in before and is not now loses the roles and all sessions.
    """
    claims, account.extra_data = merged(account.extra_data), {}
    try:
        rights = openid_provider.rights(claims, provider)
    except NotAdmitted:
        if account.pk:
            _expel(account, provider)
        raise
    with transaction.atomic():
        if account.pk:
            SocialAccount.objects.filter(pk=account.pk).update(extra_data={})
            person = get_user_model().objects.select_for_update().get(pk=account.user_id)
        else:
            person = account.user = _connected(openid_provider.username(claims, provider), account, provider)
        _give(person, rights)
    return person


def merged(data: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of the ID token, and those of the userinfo endpoint. Raises NotAdmitted if they are about two people.

    OpenID Connect Core 1.0, 5.3.2: the subjects must be the same.
    """
    token, userinfo = data.get("id_token") or {}, data.get("userinfo") or {}
    if token and userinfo and token.get("sub") != userinfo.get("sub"):
        raise NotAdmitted(gettext("The provider's answers are about two people."))
    return {**token, **userinfo}


def _connected(name: str, account: SocialAccount, provider: OpenIdProvider) -> Any:
    """The person of this name, from now on of this account: a new one, or one who is here and may be connected."""
    people = get_user_model()
    found = people.objects.filter(username__iexact=name).first()
    if found is None:
        person = people(username=name, is_staff=True)
        person.set_unusable_password()
        try:
            person.full_clean(exclude=["password"])
        except ValidationError as error:
            raise NotAdmitted(
                gettext(
                    "The name that %(provider)s gives you cannot be used here: letters, digits and @ . + - _ "
                    "are accepted, 150 of them at most."
                )
                % {"provider": provider.name}
            ) from error
        person.save()
        _announce("add_person", person, {}, {"name": name})
    elif not provider.connects_existing or found.is_superuser or not (found.is_active and found.is_staff):
        raise NotAdmitted(
            gettext(
                "There is an account of the name %(name)s here already, and it does not belong to %(provider)s. "
                "An administrator can rename it, or connect the two."
            )
            % {"name": name, "provider": provider.name}
        )
    elif SocialAccount.objects.filter(user=found).exists():
        raise NotAdmitted(
            gettext("The account %(name)s belongs to somebody else at %(provider)s.")
            % {"name": name, "provider": provider.name}
        )
    else:
        person = found
        _announce("connect_person", person, {}, {"name": person.get_username()})
    account.user = person
    account.save()
    return person


def _give(person: Any, rights: Rights) -> None:
    """The roles, and where the provider decides it, teams and superuser; other groups of the person stay."""
    decided = [roles.VIEWERS, roles.OPERATORS, *([] if rights.privacy is None else [roles.PRIVACY_OFFICERS])]
    wanted = {roles.OPERATORS if rights.operator else roles.VIEWERS}
    if rights.privacy:
        wanted.add(roles.PRIVACY_OFFICERS)
    held = set(person.groups.filter(name__in=decided).values_list("name", flat=True))
    before = {"name": person.get_username(), "roles": sorted(held), "superuser": person.is_superuser}
    if held != wanted:
        roles.set_up()
        person.groups.remove(*Group.objects.filter(name__in=held - wanted))
        person.groups.add(*Group.objects.filter(name__in=wanted))
    if rights.superuser is not None and person.is_superuser != rights.superuser:
        person.is_superuser = rights.superuser
        person.save(update_fields=["is_superuser"])
    _announce(
        "change_role", person, before, {**before, "roles": sorted(wanted), "superuser": person.is_superuser}
    )
    if rights.teams is not None:
        try:
            limits.limit_user(person, limits.teams_named(sorted(rights.teams)) or None, by=BY)
        except ValidationError as error:
            raise NotAdmitted(
                gettext("A team that your groups name is not there: an administrator can add it.")
            ) from error


@transaction.atomic
def _expel(account: SocialAccount, provider: OpenIdProvider) -> None:
    """Takes the roles from somebody whom the provider gives none any more, and ends the sessions."""
    person = account.user
    SocialAccount.objects.filter(pk=account.pk).update(extra_data={})
    held = person.groups.filter(name__in=(roles.VIEWERS, roles.OPERATORS, roles.PRIVACY_OFFICERS))
    before = {
        "name": person.get_username(),
        "roles": sorted(held.values_list("name", flat=True)),
        "superuser": person.is_superuser,
    }
    person.groups.remove(*held)
    if provider.superuser_groups and person.is_superuser:
        person.is_superuser = False
        person.save(update_fields=["is_superuser"])
    _announce("change_role", person, before, {**before, "roles": [], "superuser": person.is_superuser})
    user_sessions.end(person, by=BY, reason="no group of this person gives access any more")


def _announce(action: str, person: Any, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    if before != after:
        account_changed.send(type(person), actor=BY, action=action, reason="", before=before, after=after)
