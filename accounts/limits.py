"""Which teams a caller is limited to. This package knows them by their ids alone: TEAM_NAMES says what they are called."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.module_loading import import_string
from django.utils.translation import gettext

from accounts.models import ApiToken, TeamLimit
from accounts.reasons import checked_reason
from accounts.signals import account_changed
from accounts.statements import first_row

_TEAMS = "SELECT teams FROM access_teamlimit WHERE user_id = %s"


def teams_of(user: Any) -> frozenset[int] | None:
    """The teams that this person or token is limited to; None: not limited. Nobody in particular has none at all."""
    token = getattr(user, "token", None)
    if isinstance(token, ApiToken):
        return None if token.teams is None else frozenset(token.teams)
    if not user.is_authenticated:
        return frozenset()
    found = first_row(_TEAMS, [user.pk])
    return None if found is None else frozenset(found[0])


def team_names() -> dict[int, str]:
    """All teams by their ids."""
    names: dict[int, str] = import_string(settings.TEAM_NAMES)()
    return names


def checked_teams(teams: Iterable[int] | None) -> list[int] | None:
    """The ids in order, each once. Raises ValidationError for one that is not a team's, and where there is none."""
    if teams is None:
        return None
    wanted = sorted(set(teams))
    unknown = [str(pk) for pk in wanted if pk not in team_names()]
    if unknown or not wanted:
        message = gettext("%(value)s: ids of teams are needed") % {
            "value": ", ".join(unknown) or gettext("nothing")
        }
        raise ValidationError({"teams": ValidationError(message, code="unknown_team")})
    return wanted


def teams_named(names: Sequence[str]) -> list[int]:
    """The ids of the teams with these names. Raises ValidationError."""
    by_name = {name: pk for pk, name in team_names().items()}
    if unknown := [name for name in names if name not in by_name]:
        known = ", ".join(sorted(by_name)) or gettext("there is none yet")
        message = gettext("%(list)s: names of teams are needed (%(known)s)") % {
            "list": ", ".join(map(repr, unknown)),
            "known": known,
        }
        raise ValidationError({"teams": ValidationError(message, code="unknown_team")})
    return [by_name[name] for name in names]


@transaction.atomic
def limit_user(user: Any, teams: Iterable[int] | None, *, by: str, reason: str = "") -> None:
    """Limits a person to these teams; None: to none, the person sees everything. Raises ValidationError."""
    reason = checked_reason(reason, needed=False)
    wanted = checked_teams(teams)
    before = TeamLimit.objects.filter(user=user.pk).values_list("teams", flat=True).first()
    if before == wanted:
        return
    if wanted is None:
        TeamLimit.objects.filter(user=user.pk).delete()
    else:
        TeamLimit.objects.update_or_create(user_id=user.pk, defaults={"teams": wanted})
    account_changed.send(
        TeamLimit,
        actor=by,
        action="limit_user",
        reason=reason,
        before={"user": user.get_username(), "teams": before},
        after={"user": user.get_username(), "teams": wanted},
    )
