"""What people set for themselves: the zone of their times, their language, and views of lists by name."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from accounts.models import Preferences, SavedView
from accounts.statements import first_row

MOST_VIEWS = 20
"""Of one list, for one person."""
LONGEST_NAME = 60
LONGEST_QUERY = 1_000
_ROW = "SELECT time_zone::text, language::text FROM access_preferences WHERE user_id = %s"


def time_zone_of(user: Any) -> str:
    """The IANA name of the zone in which this person reads times; "" for the installation's own."""
    return _of(user).time_zone


def language_of(user: Any) -> str:
    """The code of the language in which this person reads pages; "" for what the browser asks for."""
    return _of(user).language


def set_time_zone(user: Any, zone: str) -> None:
    """Sets it; "" for the installation's own. Whether there is such a zone is for the caller to know."""
    _set(user, time_zone=zone)


def set_language(user: Any, language: str) -> None:
    """Sets it; "" for what the browser asks for. Whether there are pages in it is for the caller to know."""
    _set(user, language=language)


def _of(user: Any) -> Preferences:
    """Asked once for each request, for the object of the user lives as long."""
    known: Preferences | None = getattr(user, "_preferences", None)
    if known is None:
        zone, language = (user.pk and first_row(_ROW, [user.pk])) or ("", "")
        known = user._preferences = Preferences(time_zone=zone, language=language)
    return known


def _set(user: Any, **values: str) -> None:
    user._preferences, _ = Preferences.objects.update_or_create(user_id=user.pk, defaults=values)


def views_of(user: Any, page: str) -> list[SavedView]:
    """The views that this person has saved of a list, by name."""
    return list(SavedView.objects.filter(user=user.pk, page=page).order_by("name", "pk"))


@transaction.atomic
def save_view(user: Any, page: str, name: str, query: str) -> SavedView:
    """Saves a view; one of this name is replaced. Raises ValidationError."""
    name = " ".join(name.replace("\x00", "").split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ValidationError(
            gettext("A name of 1 to %(longest_name)s characters is needed.") % {"longest_name": LONGEST_NAME},
            code="name",
        )
    if len(query) > LONGEST_QUERY:
        raise ValidationError(gettext("These filters are too long to be saved."), code="query")
    others = SavedView.objects.filter(user=user.pk, page=page).exclude(name=name)
    if others.count() >= MOST_VIEWS:
        raise ValidationError(
            gettext("%(most_views)s views are saved of this list: remove one first.")
            % {"most_views": MOST_VIEWS},
            code="too_many",
        )
    view, _ = SavedView.objects.update_or_create(
        user_id=user.pk, page=page, name=name, defaults={"query": query}
    )
    return view


def remove_view(user: Any, pk: int) -> SavedView | None:
    """Removes a view of this person's, and returns what it was; None where there is none."""
    view = SavedView.objects.filter(user=user.pk, pk=pk).first()
    if view is not None:
        SavedView.objects.filter(pk=pk).delete()
    return view
