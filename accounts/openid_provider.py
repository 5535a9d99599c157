"""A company's OpenID provider, and which rights its claims give: decided here, carried out by `openid_people`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext

from accounts.errors import NotAdmitted

EVERYTHING = "*"
"""Instead of a team: all of them, and what belongs to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdProvider:
    """How it is reached, and what its groups mean here.

    `teams`: pairs of a group and the name of a team; None: groups limit nobody to teams.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    scopes: tuple[str, ...]
    username_claim: str
    groups_claim: str
    viewer_groups: frozenset[str]
    operator_groups: frozenset[str]
    superuser_groups: frozenset[str]
    privacy_groups: frozenset[str]
    teams: tuple[tuple[str, str], ...] | None
    connects_existing: bool
    brings_second_factor: bool
    session_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What somebody may do. `superuser` and `privacy` None: the provider does not decide it. `teams` None: as it decides
    no teams; empty: everything."""

    operator: bool
    superuser: bool | None
    privacy: bool | None
    teams: frozenset[str] | None


def username(claims: Mapping[str, Any], provider: OpenIdProvider) -> str:
    """By which name these claims are known here. Raises NotAdmitted."""
    name = claims.get(provider.username_claim)
    if not isinstance(name, str) or not name.strip():
        raise NotAdmitted(
            gettext("%(provider)s did not say who you are: the claim “%(claim)s” is missing.")
            % {"provider": provider.name, "claim": provider.username_claim}
        )
    return name.strip()


def rights(claims: Mapping[str, Any], provider: OpenIdProvider) -> Rights:
    """What the groups of these claims give. Raises NotAdmitted where none of them is known here."""
    groups = _groups(claims, provider)
    superuser = bool(groups & provider.superuser_groups)
    operator = superuser or bool(groups & provider.operator_groups)
    privacy = bool(groups & provider.privacy_groups)
    if not operator and not privacy and not groups & provider.viewer_groups:
        raise NotAdmitted(
            gettext(
                "None of your groups at %(provider)s gives access to this site. "
                "Whoever looks after your groups there can add you to one that does."
            )
            % {"provider": provider.name}
        )
    return Rights(
        operator=operator,
        superuser=superuser if provider.superuser_groups else None,
        privacy=privacy if provider.privacy_groups else None,
        teams=None if provider.teams is None else _teams(groups, provider, everything=superuser),
    )


def _groups(claims: Mapping[str, Any], provider: OpenIdProvider) -> frozenset[str]:
    """The values of the claim: a list of names, or one name."""
    found = claims.get(provider.groups_claim)
    values = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return frozenset(value for value in values if isinstance(value, str))


def _teams(groups: frozenset[str], provider: OpenIdProvider, *, everything: bool) -> frozenset[str]:
    teams = {team for group, team in provider.teams or () if group in groups}
    if everything or EVERYTHING in teams:
        return frozenset()
    if not teams:
        raise NotAdmitted(
            gettext(
                "None of your groups at %(provider)s belongs to a team of this site. "
                "Whoever looks after your groups there can add you to one that does."
            )
            % {"provider": provider.name}
        )
    return frozenset(teams)
